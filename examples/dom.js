// Building a page out of elements. Text is only ever set as text, so a file's
// name can hold what it likes.

import { icons } from './icons.js'

// el makes an element: el('p.small', { id: 'x', onclick: f }, 'text', child).
// What is null or false among the children is left out.
export function el(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split('.')
  const node = document.createElement(name)
  if (classes.length) node.className = classes.join(' ')
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue
    if (key in node && !key.startsWith('aria')) node[key] = value
    else node.setAttribute(key, value)
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false))
  return node
}

// icon is a picture; what it means must stand beside it.
export function icon(name) {
  const [svg, path] = ['svg', 'path'].map((tag) => document.createElementNS('http://www.w3.org/2000/svg', tag))
  for (const [key, value] of Object.entries({ class: `icon ${name}`, viewBox: '0 0 24 24', 'aria-hidden': 'true' })) svg.setAttribute(key, value)
  path.setAttribute('d', icons[name])
  svg.append(path)
  return svg
}

// button has a picture, its meaning, or both; hide keeps the words for those
// who hear the page.
export function button(picture, words, onclick, { hide = false, kind = '', ...more } = {}) {
  const seen = hide ? el('span.heard', {}, words) : words
  return el(`button${kind && `.${kind}`}`, { type: 'button', onclick, title: hide ? words : null, ...more }, picture && icon(picture), seen)
}

// say tells the person something in passing, and offers one thing to do. What
// stays is there until it is done, or until the note is removed.
export function say(text, words, act, stays = false) {
  const place = document.querySelector('#said')
  const note = el(`p${stays ? '.stays' : ''}`, {}, text)
  if (act) note.append(button(null, words, () => { note.remove(); act() }, { kind: 'plain' }))
  for (const old of place.querySelectorAll('p:not(.stays)')) old.remove()
  place.append(note)
  if (!stays) setTimeout(() => note.remove(), act ? 8000 : 5000)
  return note
}

// sorry says what went wrong, also to the page, to which it may mean more.
export function sorry(problem) {
  say(problem.message)
  dispatchEvent(new CustomEvent('refused', { detail: problem }))
}

// What a click started and the server refused is told, whoever started it.
addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name === 'Problem') sorry(event.reason)
  if (['Problem', 'AbortError'].includes(event.reason?.name)) event.preventDefault()
})

export function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const unit = Math.min(Math.floor(Math.log10(Math.max(n, 1)) / 3), units.length - 1)
  const value = n / 1000 ** unit
  return `${value.toLocaleString(undefined, { maximumFractionDigits: unit && value < 100 ? 1 : 0 })} ${units[unit]}`
}

export function when(time) {
  const date = new Date(time), today = date.toDateString() === new Date().toDateString()
  return date.toLocaleString(undefined, today ? { timeStyle: 'short' } : { dateStyle: 'medium' })
}

// moment is a time to the minute.
export const moment = (time) => new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })
