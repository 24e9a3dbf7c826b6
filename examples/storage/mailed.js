// The page that links in mail open, and other programs: HOMEBASE_ACCOUNT_URL.
// What is to be done and the token for it stand behind #. A token is used by a
// person's click, never by opening the page: programs that look into mail open
// links too. What programs ask for is in consent.js.
import { Homebase } from '../homebase.js'
import { isRequest, requested } from './consent.js'
import { el } from '../dom.js'
import { form } from '../form.js'

const api = new Homebase()
const main = document.querySelector('main')
const enter = () => location.replace('./')
const email = { name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'username' }
const password = { name: 'password', label: 'New password', type: 'password', required: true, autocomplete: 'new-password', hint: 'At least 12 characters. A sentence is good.' }
const join = {
  title: 'Welcome', words: 'Choose a password, and you are in.', submit: 'Join',
  fields: [{ name: 'name', label: 'Your name', autocomplete: 'name' }, password],
  act: (values, token) => api.signIn({ ...values, token }, '/auth/invitations/accept').then(enter),
}

const asking = ['forgot', 'join'] // need no link
const actions = {
  invitation: join,
  register: join,
  reset: {
    title: 'New password', submit: 'Set it', fields: [password],
    act: async (values, token) => { await api.post('/auth/password/reset', { ...values, token }); done('The new password is set. All devices are signed out.') },
  },
  email: {
    title: 'New address', words: 'Is this your address from now on?', submit: 'Yes, it is', fields: [],
    act: async (_, token) => { await api.post('/auth/email/confirm', { token }); done('Your address is changed.') },
  },
  login: {
    title: 'Sign in', words: 'With this link, without your password.', submit: 'Sign in',
    fields: [{ name: 'code', label: 'Code, if you have a second step', autocomplete: 'one-time-code', inputMode: 'numeric' }],
    act: ({ code }, token) => api.signIn({ link_token: token, ...code && { code } }).then(enter),
  },
  forgot: {
    title: 'Forgot your password?', words: 'We send you a link by mail to set a new one.', submit: 'Send the link', fields: [email],
    act: async (values) => { await api.post('/auth/password/forgot', values); done('If there is an account with this address, a mail is on its way.') },
  },
  join: {
    title: 'New account', words: 'We send you a link by mail to set it up.', submit: 'Send the link', fields: [email],
    act: async (values) => { await api.post('/auth/register', values); done('A mail is on its way.') },
  },
}

const card = (title, ...inside) => main.replaceChildren(el('div.centre', {},
  el('section.card.small', {}, el('img', { src: '../mark.svg', alt: '', width: 56, height: 56 }), el('h1', {}, title), inside)))
const back = el('p.small', {}, el('a', { href: './' }, 'Back to sign-in'))
const done = (text) => card('Done', el('p', { role: 'status' }, text), back)

let stop = () => {} // what a program asked for

function show() {
  const given = new URLSearchParams(location.hash.slice(1)), token = given.get('token')
  stop()
  stop = () => {}
  if (isRequest(given.get('action'))) return stop = requested(api, main, given.get('action'), given.get('request') ?? '')
  const action = actions[given.get('action')]
  if (!action || !token && !asking.includes(given.get('action'))) return card('Nothing to do', el('p', {}, 'Open the link from the mail again, and make sure that it is complete.'), back)
  // Out of the address, so that it is in no history and on no shared screen.
  if (token) history.replaceState(null, '', `#action=${given.get('action')}`)
  card(action.title, action.words && el('p', {}, action.words), form({ ...action, act: (values) => action.act(values, token) }), back)
}
addEventListener('hashchange', show)
show()
