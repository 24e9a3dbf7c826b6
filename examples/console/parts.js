// What pages are made of: a head, tabs, cards, facts, and words for what is not
// there yet.
import { bytes, el, icon } from '../dom.js'

export const head = (title, ...tools) => el('div.head', {}, el('h1', {}, title), el('div.tools', {}, tools))

// tabs are links to the pages of one place, [address, words]; here is the one that
// is shown.
export const tabs = (label, list, here = list.find(([href]) => href === location.hash)?.[0] ?? list[0][0]) => el('nav.tabs', { 'aria-label': label },
  el('ul', {}, list.map(([href, words]) => el('li', {}, el('a', { href, 'aria-current': href === here ? 'page' : null }, words)))))

export const card = (picture, title, ...inside) => el('section.card', {}, el('h2', {}, picture && icon(picture), title), inside)

// way leads back from a page to its list.
export const way = (href, words) => el('p.back', {}, el('a', { href }, icon('left'), words))

// nothing says what to do first where a list is empty.
export const nothing = (picture, words, act) => el('div.card.nothing', {}, icon(picture), el('p', {}, words), act)

// facts are names and values, one below the other.
export const facts = (pairs) => el('dl.pairs', {}, Object.entries(pairs).map(([name, value]) => value !== null && value !== undefined &&
  el('div', {}, el('dt', {}, name), el('dd', {}, value))))

export const badge = (words, kind = '') => el(`span.badge${kind && `.${kind}`}`, {}, words)

export const again = () => dispatchEvent(new Event('again'))

export const exactly = (time) => time ? new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : 'never'

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`

export const quotaOf = (quota) => quota === null ? 'the server’s default' : bytes(quota)

// gigabytes is a form's field for a quota; given reads it.
export const gigabytes = (value, more = {}) => ({
  name: 'quota', label: 'Quota in GB', type: 'number', min: 0, step: 'any', inputMode: 'decimal', value: value === null || value === undefined ? '' : value / 1e9,
  hint: 'Empty: what the server gives to everybody.', ...more,
})
export const given = (gb) => gb === '' ? null : Math.round(gb * 1e9)
