// What other programs ask for on the account page, HOMEBASE_ACCOUNT_URL: to
// sign a person in (#action=authorize), to sign out (#action=logout), and to
// open what stands behind the gate (#action=gate). The page goes where the
// server says, never to an address from its own address line.
import { Problem } from '../homebase.js'
import { button, el, sorry } from '../dom.js'
import { form } from '../form.js'
import { told } from './programs.js'
import { reauthenticate } from '../reauthenticate.js'
import { signIn } from '../signin.js'

const steps = { authorize: program, logout: program, gate }

export const isRequest = (action) => Object.hasOwn(steps, action)

// requested shows what a request needs next, anew whenever somebody signs in or
// out in whichever tab. It answers with what ends it.
export function requested(api, main, action, id) {
  const end = new AbortController()
  if (window.top !== window) { // in another page's frame a click could be stolen
    main.replaceChildren(el('div.centre', {}, el('p', {}, 'This page answers only in a window of its own.')))
    return () => {}
  }
  let newest, begun = false, gone = false
  const step = async () => {
    const mine = newest = {}
    const put = (node) => {
      if (newest !== mine || end.signal.aborted || gone) return
      main.replaceChildren(node)
      main.focus()
      pause()
    }
    const card = (title, ...inside) => {
      document.title = `${title} · Homebase`
      put(el('div.centre', {}, el('section.card.small', {}, el('img', { src: '../mark.svg', alt: '', width: 56, height: 56 }), el('h1', {}, title), inside)))
    }
    // go is at the end of the request. An app of its own opens beside this page.
    const go = (to, name) => {
      if (opened(to)) gone = true
      else card(`Back to ${name}`, el('p', {}, 'If it has not opened by itself:'), el('a.main', { href: to }, `Open ${name}`), el('p.hint', {}, 'This page can be closed.'))
    }
    try {
      if (!begun) begun = await api.start() ?? true
      await steps[action]({ api, action, id, card, put, go })
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      if (unknown(problem)) over(card)
      else card('Not now', el('p', { role: 'alert' }, problem.message), button('restore', 'Try again', step, { kind: 'main' }))
    }
  }
  for (const type of ['signin', 'signout']) api.addEventListener(type, step, { signal: end.signal })
  step()
  return () => end.abort()
}

// opened goes on to an address, and tells whether it takes this page's place.
function opened(to) {
  const { protocol } = new URL(to) // the server has only registered ones; this is one lock more
  if (['javascript:', 'data:', 'vbscript:', 'blob:', 'file:', 'about:'].includes(protocol)) throw new Problem({ title: 'There is no way back to the program.' })
  location.replace(to)
  return protocol === 'https:' || protocol === 'http:'
}

const unknown = ({ status }) => status === 404 || status === 400
const over = (card) => card('Too late', el('p', {}, 'This was answered already, or has waited for more than ten minutes. Go back to the program and begin again there.'))
const who = ({ name, email }) => el('p', {}, 'You are signed in as ', el('strong', {}, name || email), name && ` (${email})`, '.')
const another = (api) => button(null, 'Not you? Use another account', () => api.signOut().catch(sorry), { kind: 'plain' })

// What a program brought the browser here for; the server says what it is.
async function program(page) {
  const path = `/auth/oidc/requests/${encodeURIComponent(page.id)}`
  const asked = page.id && await page.api.get(path).catch((problem) => {
    if (!unknown(problem)) throw problem
  })
  if (!asked) return page.action === 'logout' ? signOut(page) : over(page.card)
  // decide tells whether it is over; what the person has to do first is shown.
  const decide = async (approve) => {
    try {
      page.go((await page.api.post(path, { approve })).redirect_to, asked.client.name)
    } catch (problem) {
      if (unknown(problem)) over(page.card)
      else if (problem.name === 'AbortError') return false // who it is was not said once more
      else if (problem.status !== 401) throw problem // 401: "signout" was told
    }
    return true
  }
  return asked.action === 'logout' ? signOut(page, asked, decide) : authorize(page, asked, decide)
}

async function authorize({ api, card, put }, { client: { name }, scopes, consent_needed: wanted, prompt }, decide) {
  if (prompt === 'none') return decide(true) // nobody is to be asked
  if (!api.user) return put(signIn(api, `to go on to ${name}`))
  api.reauthenticate = () => reauthenticate(api, `${name} wants to know that it is still you.`)
  if (!wanted) {
    card(`Continue to ${name}`, who(api.user))
    if (await decide(true)) return
  }
  const answer = form({ submit: 'Allow', extra: button(null, 'Deny', () => decide(false).catch(sorry)), act: () => decide(true) })
  answer.classList.add('deliberate')
  card(`Sign in to ${name}?`, who(api.user), el('p', {}, `${name} is told:`), told(scopes, api.user), answer, another(api))
}

// signOut asks, for any page can send a browser here.
async function signOut({ api, card }, asked, decide) {
  if (api.user) {
    return card('Sign out?', who(api.user), el('p', {}, asked && `${asked.client.name} asks for it. `, 'What you have opened with this sign-in ends too.'),
      form({ submit: 'Sign out', extra: button(null, 'Stay', () => location.replace('./')), act: () => api.signOut() }))
  }
  if (!asked) return card('Signed out', el('p', { role: 'status' }, 'Nobody is signed in here.'), el('p.small', {}, el('a', { href: './' }, 'Back to sign-in')))
  await decide(true)
}

// gate lets the browser through to a program without a sign-in of its own.
async function gate({ api, id, card, put, go }) {
  if (!id) return over(card)
  const path = `/auth/gate/requests/${encodeURIComponent(id)}`
  const { name, host } = await api.get(path), program = name || host
  if (!api.user) return put(signIn(api, `to go on to ${program}`))
  try {
    go((await api.post(path, { approve: true })).redirect_to, program)
  } catch (problem) {
    if (problem.status !== 403) throw problem
    card('Not with this account', who(api.user), el('p', { role: 'alert' }, `It may not use ${program}. Whoever runs this house decides who may.`), another(api))
  }
}

// pause keeps a click that was meant for something else from allowing anything:
// for a window that has just closed above this one, or for what this page showed
// a moment ago, before another changed its address. What agrees waits a moment
// whenever it comes up.
let waiting
function pause() {
  const agree = document.querySelector('.deliberate .main')
  if (!agree || agree.ariaBusy) return
  agree.disabled = true
  clearTimeout(waiting)
  waiting = setTimeout(() => { agree.disabled = false }, 500)
}
addEventListener('focus', pause)
