// The console: which page is shown, and which places there are for whoever is
// signed in. The fragment of the address says which page: #/people/users/….
import { button, el, icon } from '../dom.js'
import { leaveDialogs, open, sure } from '../form.js'
import { files } from './parts.js'
import { reauthenticate } from '../reauthenticate.js'
import { analytics } from './visitors.js'
import { audit } from './audit.js'
import { flags } from './flags.js'
import { inbox } from './inbox.js'
import { limits } from './limits.js'
import { overview } from './overview.js'
import { people } from './people.js'
import { portfolio } from './portfolio.js'
import { programs } from './programs.js'
import { Session } from './session.js'
import { spaces } from './spaces.js'

const api = new Session()
const main = document.querySelector('main'), bar = document.querySelector('.bar')
// Name, picture, words, page, and the permissions of which one is needed.
const places = [
  ['overview', 'home', 'Overview', overview],
  ['inbox', 'mail', 'Inbox', inbox, 'inbox:read'],
  ['portfolio', 'image', 'Portfolio', portfolio, 'portfolio:write'],
  ['people', 'person', 'People', people, 'users:manage'],
  ['analytics', 'chart', 'Analytics', analytics, 'projects.analytics:read'],
  ['spaces', 'people', 'Spaces', spaces, 'spaces:manage'],
  ['programs', 'program', 'Programs', programs],
  ['audit', 'log', 'Audit log', audit, 'audit:read'],
  ['flags', 'flag', 'Feature flags', flags, 'system:manage'],
  ['limits', 'gauge', 'Rate limits', limits, 'system:read'],
]
let stage // where the newest page shows itself
let at = location.hash

api.reauthenticate = () => reauthenticate(api)

const open_ = () => places.filter(([, , , , ...needs]) => !needs.length || api.can(...needs))

async function route() {
  const [, name, ...rest] = location.hash.split('/')
  const [place, , title, page] = open_().find(([known]) => known === name) ?? places[0]
  at = location.hash
  mark(place)
  document.title = `${title} · Console`
  // What a slow page shows when another was asked for meanwhile goes nowhere.
  const mine = stage = { replaceChildren: (...nodes) => stage === mine && main.replaceChildren(...nodes) }
  const late = setTimeout(() => mine.replaceChildren(el('p.loading', { role: 'status' }, 'Loading …')), 400)
  try {
    await page(api, mine, rest.filter(Boolean).map(decoded))
    main.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' })
  } catch (problem) {
    if (problem.name !== 'Problem') throw problem
    mine.replaceChildren(el('div.centre', {}, el('section.card.small', { role: 'alert' }, el('h1', {}, title), el('p', {}, problem.message),
      button('restore', 'Try again', route, { kind: 'main' }))))
  } finally {
    clearTimeout(late)
  }
}

// decoded takes what was typed by hand as it is: “100%”.
function decoded(part) {
  try { return decodeURIComponent(part) } catch { return part }
}

const link = ([name, picture, words]) => el('a', { href: `#/${name}` }, icon(picture), el('span', {}, words))

function mark(place) {
  for (const one of bar.querySelectorAll('nav a')) {
    if (one.hash === `#/${place}`) one.setAttribute('aria-current', 'page')
    else one.removeAttribute('aria-current')
  }
  bar.querySelector('.more').classList.toggle('current', !bar.querySelector('a[aria-current]:nth-child(-n+4)'))
}

const away = () => [el('a.away', { href: files }, icon('folder'), el('span', {}, 'Your files')), el('a', { href: `${files}#/account` }, icon('person'), el('span', {}, 'Your account'))]

// more shows on a phone what has no room in the bar.
const more = () => open('More', (close) => el('ul.actions', { onclick: ({ target }) => target.closest('a') && close() },
  [...open_().slice(4).map(link), ...away(), button('out', 'Sign out', () => api.leave())].map((one) => el('li', {}, one))), { kind: 'sheet' })

// unread says beside the inbox how many messages are new.
function unread(n) {
  const inbox = bar.querySelector('a[href="#/inbox"]')
  inbox?.querySelector('.count')?.remove()
  if (n) inbox?.append(el('span.count', {}, n.toLocaleString(), el('span.heard', {}, ' new')))
}

function enter() {
  bar.hidden = false
  bar.querySelector('nav').replaceChildren(...open_().map(link), ...away(),
    button('menu', 'More', more, { kind: 'more' }), button('out', 'Sign out', () => api.leave(), { kind: 'leave' }))
  if (api.can('inbox:read')) api.get('/portfolio/contact', { state: 'new', limit: 1 }).then(({ counts }) => unread(counts.new), () => {})
  return route()
}

// Whoever leaves a form that has changed is asked first.
async function moved({ oldURL }) {
  if (bar.hidden) return // it is not known yet who is there
  if (!leaveDialogs()) return history.replaceState(null, '', oldURL)
  const to = location.hash
  if (main.querySelector('form[data-changed]')) {
    history.replaceState(null, '', at)
    if (!await sure('Leave without saving?', 'What you have written here will be lost.', 'Leave')) return
    history.replaceState(null, '', to)
  }
  await route()
  if (!document.querySelector('dialog')) main.focus()
  scrollTo(0, 0)
}

addEventListener('beforeunload', (event) => api.user && document.querySelector('form[data-changed]') && event.preventDefault())
addEventListener('hashchange', moved)
addEventListener('again', route) // a page wants to be read anew
addEventListener('unread', ({ detail }) => unread(detail))
api.addEventListener('first', enter)
try {
  await api.enter()
  if (api.user) await enter()
} catch (problem) {
  main.replaceChildren(el('div.centre', {}, el('section.card.small', { role: 'alert' }, el('h1', {}, 'Not now'), el('p', {}, problem.message),
    button('restore', 'Try again', () => location.reload(), { kind: 'main' }))))
}
