// Invitations: who may join, with which roles.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { namesOf } from './names.js'
import { account, again, exactly, gigabytes, given, head, nothing, quotaOf } from './parts.js'
import { roleRow } from './people.js'
import { once } from './secret.js'
import { table } from './table.js'

export async function invitations(api, main, tabs, asked) {
  const name = await namesOf(api)
  const list = await table({
    label: 'Invitations', read: (cursor) => api.get('/auth/invitations', { limit: 100, cursor }), find: ({ email, roles }) => [email, ...roles].join(' '), columns: [
      ['For', ({ email }) => el('strong', {}, email)], ['Roles', ({ roles }) => roles.join(', ')], ['Storage limit', ({ quota }) => quotaOf(quota)],
      ['Invited by', ({ invited_by: by }) => name(by)], ['Link works until', ({ expires_at: until }) => exactly(until)],
      ['', (one) => button('cross', 'Withdraw', () => withdraw(api, one), { kind: 'plain', 'aria-label': `Withdraw the invitation of ${one.email}` })],
    ], words: nothing('mail', 'There are no open invitations. Whoever you invite gets a link, chooses a password and is in.', button('plus', 'Invite somebody', () => invite(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Invitations', button('plus', 'Invite somebody', () => invite(api), { kind: 'main' })), tabs, list)
  if (asked !== 'new') return
  history.replaceState(null, '', '#/people/invitations')
  invite(api)
}

async function invite(api) {
  const made = await ask('Invite somebody', {
    submit: 'Invite', fields: [{ name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'off' }, await roleRow(api), gigabytes(null)],
    act: ({ email, roles, quota }) => api.post('/auth/invitations', { email, roles, quota: given(quota) }),
  })
  if (!made) return
  if (made.token) await once('Invited', `Link for ${made.email}`, `${account}#action=invitation&token=${made.token}`, `This server sends no mail, so send this link to ${made.email} yourself. Copy it now: it is shown only this once. It works until ${exactly(made.expires_at)}.`)
  else say(`A mail with the link is on its way to ${made.email}.`)
  again()
}

async function withdraw(api, { id, email }) {
  if (!await sure('Withdraw the invitation?', `The link that ${email} has will not work any more.`, 'Withdraw')) return
  await api.delete(`/auth/invitations/${id}`)
  say('The invitation is withdrawn.')
  again()
}
