// Other programs that a person signs in to with this account: what each scope
// tells them, in plain words, and the account page's list of them.
import { button, el, icon, sorry, when } from '../dom.js'
import { sure } from '../form.js'

const scopes = {
  openid: { picture: 'check', brief: '', words: 'That it is you', facts: () => 'By a number that stays the same' },
  profile: { picture: 'person', brief: 'name', words: 'Your name', facts: ({ name, email }) => name ? `${name}, and ${email} as user name` : `${email} as user name` },
  email: { picture: 'text', brief: 'e-mail address', words: 'Your e-mail address', facts: ({ email }) => email },
  groups: { picture: 'key', brief: 'roles', words: 'Your roles', facts: ({ roles }) => roles.join(', ') },
  offline_access: { picture: 'restore', brief: 'also while you are away', words: 'Also while you are away', facts: () => 'Until you sign out here or withdraw it' },
}

// told is the list of what a program learns by its scopes. Who you are it
// learns in any case.
export const told = (asked, user) => el('ul.list', { 'aria-label': 'What it is told' }, ['openid', ...asked.filter((scope) => scope !== 'openid')].map((scope) => {
  const { picture, words, facts } = scopes[scope] ?? { picture: 'more', words: scope, facts: () => null }
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon(picture)), el('span.name', {}, words), el('span.facts', {}, facts(user))))
}))

// programList is what the account page shows of those that were let in.
export const programList = (api, grants, again) => [
  el('p.hint', {}, 'You sign in to these with this account.'),
  el('ul.list', { 'aria-label': 'Programs' }, grants.map((grant) => row(api, grant, again)))]

function row(api, { id, client: { name }, scopes: given, created_at: since, last_used_at: used }, again) {
  const learns = given.map((scope) => scopes[scope]?.brief ?? scope).filter(Boolean).join(', ') || 'that it is you'
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('program')), el('span.name', {}, name),
    el('span.facts', {}, learns), el('span.facts', {}, `let in ${when(since)} · used ${when(used)}`)),
  button('cross', `Shut ${name} out`, async () => {
    if (!await sure(`Shut “${name}” out?`, 'It learns nothing more of you, and has to ask before it signs you in again. What it knows already it keeps.', 'Shut it out')) return
    await api.delete(`/auth/grants/${id}`).then(again, sorry)
  }, { hide: true, kind: 'plain' }))
}
