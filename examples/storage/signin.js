// Signing in, with the second step for those who have set one up.
import { el } from './dom.js'
import { form } from './form.js'

const email = { name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'username' }
const password = { name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' }
const code = {
  name: 'code', label: 'Code', required: true, autocomplete: 'one-time-code', inputMode: 'numeric',
  hint: 'From your authenticator app, or one of your recovery codes.',
}

// signIn is the card with the form. The page hears of the success by "signin".
export function signIn(api) {
  const card = (...inside) => el('section.card.small', {}, el('img', { src: 'mark.svg', alt: '', width: 56, height: 56 }), ...inside)
  const page = el('div.centre')
  const second = (credentials) => {
    page.replaceChildren(card(el('h1', {}, 'One more step'),
      form({ fields: [code], submit: 'Sign in', act: (given) => api.signIn({ ...credentials, code: given.code.trim() }) })))
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
  page.append(card(el('h1', {}, 'Sign in'), first, el('p.small', {}, el('a', { href: 'account.html#action=forgot' }, 'Forgot your password?'))))
  return page
}
