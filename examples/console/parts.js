// What pages are made of: a head, tabs, cards, facts, and words for what is not
// there yet.
import { bytes, el, icon, moment } from '../dom.js'

// The page that mail's links open, and the storage that it belongs to.
export const account = document.querySelector('meta[name=homebase-account]').content
export const files = new URL('.', account).href

export const head = (title, ...tools) => el('div.head', {}, el('h1', {}, title), el('div.tools', {}, tools))

// tabs are links to the pages of one place, [address, words]; here is the one that
// is shown, or below which the one that is shown lies.
export const tabs = (label, list, here = list.findLast(([href]) => `${location.hash}/`.startsWith(`${href}/`))?.[0] ?? list[0][0]) => el('nav.tabs', { 'aria-label': label },
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

// day is a time without the hour.
export const day = (time) => new Date(time).toLocaleDateString(undefined, { dateStyle: 'medium' })

export const exactly = (time) => time ? moment(time) : 'never'

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`

export const quotaOf = (quota) => quota === null ? 'default' : bytes(quota)

// usual says what an empty field for a limit means.
export const usual = 'Leave it empty for what the server gives to everybody.'

// gigabytes is a form's field for a quota; given reads it.
export const gigabytes = (value, more = {}) => ({
  name: 'quota', label: 'Storage limit in GB', type: 'number', min: 0, step: 'any', inputMode: 'decimal', value: value === null || value === undefined ? '' : value / 1e9,
  hint: usual, ...more,
})
export const given = (gb) => gb === '' ? null : Math.round(gb * 1e9)
