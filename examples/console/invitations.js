// Invitations: who may join, with which roles.
import { button, bytes, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { namesOf } from './names.js'
import { again, exactly, gigabytes, given, head, nothing } from './parts.js'
import { roleRow } from './people.js'
import { once } from './secret.js'
import { table } from './table.js'

const account = document.querySelector('meta[name=homebase-account]').content

export async function invitations(api, main, tabs, asked) {
  const name = await namesOf(api)
  const list = await table({
    label: 'Invitations', read: (cursor) => api.get('/auth/invitations', { limit: 100, cursor }), find: ({ email, roles }) => [email, ...roles].join(' '), columns: [
      ['For', ({ email }) => el('strong', {}, email)], ['Roles', ({ roles }) => roles.join(', ')], ['Quota', ({ quota }) => quota === null ? 'default' : bytes(quota)],
      ['By', ({ invited_by: by }) => name(by)], ['Good until', ({ expires_at: until }) => exactly(until)],
      ['', (one) => button('cross', `Withdraw the invitation of ${one.email}`, () => withdraw(api, one), { hide: true, kind: 'plain' })],
    ], words: nothing('mail', 'Nobody is invited at the moment. Who is invited gets a link, chooses a password and is in.', button('plus', 'Invite somebody', () => invite(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Invitations', button('plus', 'Invite somebody', () => invite(api), { kind: 'main' })), tabs, list)
  if (asked === 'new') {
    history.replaceState(null, '', '#/people/invitations')
    invite(api)
  }
}

async function invite(api) {
  const made = await ask('Invite somebody', {
    submit: 'Invite', fields: [{ name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'off' }, await roleRow(api), gigabytes(null)],
    act: ({ email, roles, quota }) => api.post('/auth/invitations', { email, roles, quota: given(quota) }),
  })
  if (!made) return
  if (made.token) await once('Invited', `Link for ${made.email}`, `${account}#action=invitation&token=${made.token}`, `This server sends no mail: give ${made.email} this link yourself. It is shown this once, and good until ${exactly(made.expires_at)}.`)
  else say(`A mail is on its way to ${made.email}.`)
  again()
}

async function withdraw(api, { id, email }) {
  if (!await sure('Withdraw the invitation?', `The link that ${email} has opens nothing then.`, 'Withdraw it')) return
  await api.delete(`/auth/invitations/${id}`)
  say('It is withdrawn.')
  again()
}
