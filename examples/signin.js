// Signing in: by password, with the second step for those who have set one up,
// or by a passkey, which is both.
import { Homebase } from './homebase.js'
import { el } from './dom.js'
import { form } from './form.js'
import { passkeyButton } from './passkeys.js'

const email = { name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: Homebase.passkeys ? 'username webauthn' : 'username' }
const password = { name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' }
const code = {
  name: 'code', label: 'Code', required: true, autocomplete: 'one-time-code', inputMode: 'numeric',
  hint: 'From your authenticator app, or one of your recovery codes.',
}

// The page that mail's links open is the storage's; other frontends say where.
const account = document.querySelector('meta[name=homebase-account]')?.content ?? 'account.html'

// signIn is the card with the form; words say what for. The page hears of the
// success by "signin".
export function signIn(api, words) {
  const card = (title, ...inside) => el('section.card.small', {}, el('img', { src: 'mark.svg', alt: '', width: 56, height: 56 }), el('h1', {}, title), words && el('p', {}, words), inside)
  const page = el('div.centre')
  const passkey = passkeyButton('Sign in with a passkey', () => api.signInWithPasskey().catch((problem) => {
    if (problem.code === 'passkey_declined') offer()
    throw problem
  }))
  passkey.node.hidden = true
  const offer = async () => { passkey.node.hidden = !await api.offerPasskeys(passkey.refused).catch(() => !passkey.node.hidden) }
  const second = (credentials) => {
    page.replaceChildren(card('One more step',
      form({ fields: [code], submit: 'Sign in', act: (given) => api.signIn({ ...credentials, code: given.code.trim() }) }),
      !passkey.node.hidden && passkeyButton('Use a passkey instead', () => api.signInWithPasskey(credentials)).node))
    page.querySelector('input').focus()
  }
  const first = form({
    fields: [email, password], submit: 'Sign in',
    act: async (credentials) => {
      try {
        await api.signIn(credentials)
      } catch (problem) {
        if (problem.code !== 'totp_required') throw problem
        second(credentials)
      }
    },
  })
  page.append(card('Sign in', first, passkey.node, el('p.small', {}, el('a', { href: `${account}#action=forgot` }, 'Forgot your password?'))))
  offer()
  return page
}
