// The storage frontend: who is signed in, and which page is shown. Each page
// is a function that fills the main element; the fragment of the address says
// which, so that back, forward and bookmarks work.
import { Homebase } from '../homebase.js'
import { account } from './account.js'
import { browse, changed } from './browse.js'
import { button, bytes, el, icon, say } from '../dom.js'
import { leaveDialogs } from '../form.js'
import { reauthenticate } from '../reauthenticate.js'
import { shared } from './shares.js'
import { signIn } from '../signin.js'
import { kinds, leaveSpace, refused, spaces } from './spaces.js'
import { trash } from './trash.js'
import { own, treeOf } from './tree.js'
import { leaveUploads, unfinished } from './uploads.js'

const api = new Homebase()
const main = document.querySelector('main'), bar = document.querySelector('.bar')
const places = [
  ['files', 'folder', 'Files', (api, main, path) => browse(api, main, own, path)], ['spaces', 'people', 'Spaces', spaces],
  ['shared', 'share', 'Shared', shared], ['trash', 'trash', 'Trash', (api, main) => trash(api, main, own)], ['account', 'person', 'Account', account]]
let stop = () => {}, who // the stream of events, and whose it is
let stage // where the newest page shows itself

api.reauthenticate = () => reauthenticate(api)

async function route() {
  stage = null
  bar.hidden = !api.user
  if (!api.user) {
    stop()
    leaveSpace()
    leaveUploads()
    document.title = 'Sign in · Homebase'
    document.querySelector('#said').replaceChildren()
    return main.replaceChildren(signIn(api))
  }
  const [, name = 'files', ...rest] = location.hash.split('/')
  const [at, , title, page] = places.find(([known]) => known === name) ?? places[0]
  if (at !== 'spaces' || !rest[0]) leaveSpace()
  for (const link of bar.querySelectorAll('nav a')) {
    if (link.hash === `#/${at}`) link.setAttribute('aria-current', 'page')
    else link.removeAttribute('aria-current')
  }
  document.title = `${title} · Homebase`
  // What a slow page shows when another was asked for meanwhile goes nowhere.
  const mine = stage = { replaceChildren: (...nodes) => stage === mine && main.replaceChildren(...nodes) }
  await page(api, mine, rest.filter(Boolean).map(decoded))
}

// decoded takes what was typed by hand as it is: “100%”.
function decoded(part) {
  try { return decodeURIComponent(part) } catch { return part }
}

// live shows what other tabs, devices and programs do to the files.
function live() {
  return api.events('/files/events', kinds, (event) => {
    if (event.type === 'lost') return
    changed(event)
    clearTimeout(live.timer)
    live.timer = setTimeout(usage, 500)
  })
}

async function usage() {
  if (!api.user) return
  const { quota, used } = await api.get('/files/usage')
  const words = `${bytes(used)} of ${bytes(quota)}`
  bar.querySelector('.usage').replaceChildren(
    el('meter', { min: 0, max: quota, value: used, high: 0.9 * quota, 'aria-label': `Storage: ${words} used` }), el('span', {}, `${words} used`))
}

// dropped says that others have put files into a folder, and leads there.
async function dropped({ about, count }) {
  const files = count === 1 ? 'A new file is in' : `${count} new files are in`
  const folder = await api.get(`/files/items/${about}`).catch(() => null)
  if (!folder) return `${files} a folder of yours.`
  const tree = folder.space_id ? treeOf({ id: folder.space_id }) : own
  return el('span', {}, `${files} `, el('a', { href: tree.page(folder) }, `“${folder.name || 'All files'}”`), '.')
}

async function notices() {
  for (const notice of api.user.notices) {
    const { id, kind, device, address } = notice, whose = who
    const told = kind === 'files_dropped' ? await dropped(notice) : {
      refresh_reuse: `Somebody used an old copy of your sign-in (${device || 'unknown device'} ${address}). That device was signed out; change your password if it was not you.`,
      password_reset: 'Your password was reset, by a link in a mail or by the operator. If that was not you, change it now.',
      email_changed: 'The address of your account was changed.',
      passkey_counter: 'One of your passkeys may have been copied: its count of sign-ins went back. If you know no reason, remove it and add a new one.',
      totp_reset: 'The second step of your account was turned off for you.',
    }[kind] ?? kind.replaceAll('_', ' ')
    if (whose === api.user?.id) say(told, 'Got it', () => api.delete(`/auth/notices/${id}`).catch(() => {}), true)
  }
}

// enter may come again without a sign-out, when another tab signed in.
function enter() {
  stop()
  if (who !== api.user.id) leaveUploads()
  who = api.user.id
  stop = live()
  document.querySelector('#said').replaceChildren()
  usage().catch(() => {})
  notices()
  unfinished(api)
  return route()
}

bar.querySelector('nav').append(...places.map(([name, picture, words]) => el('a', { href: `#/${name}` }, icon(picture), el('span', {}, words))),
  button('out', 'Sign out', () => api.signOut(), { kind: 'plain' }))
api.addEventListener('signin', enter)
api.addEventListener('signout', route)
addEventListener('refused', ({ detail }) => refused(api, detail))
addEventListener('hashchange', ({ oldURL }) => leaveDialogs()
  ? route().then(() => document.querySelector('dialog') || main.focus())
  : history.replaceState(null, '', oldURL))
// Where HOMEBASE_ACCOUNT_URL names this page, mail's links end here.
if (location.hash.startsWith('#action=')) location.replace(`account.html${location.hash}`)
else {
  try {
    await (await api.start() ? enter() : route())
  } catch (problem) {
    main.replaceChildren(el('div.centre', {}, el('section.card.small', { role: 'alert' }, el('h1', {}, 'Not now'), el('p', {}, problem.message),
      button('restore', 'Try again', () => location.reload(), { kind: 'main' }))))
  }
}
