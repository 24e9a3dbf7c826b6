// People: who has an account, who was invited, and what roles allow.
import { button, bytes, el, say } from '../dom.js'
import { ask } from '../form.js'
import { choices } from './choices.js'
import { invitations } from './invitations.js'
import { forget } from './names.js'
import { again, badge, exactly, gigabytes, given, head, nothing, tabs } from './parts.js'
import { roles } from './roles.js'
import { table } from './table.js'
import { userPage } from './user.js'

const bar = () => tabs('People', [['#/people', 'Users'], ['#/people/invitations', 'Invitations'], ['#/people/roles', 'Roles']])

export async function people(api, main, [kind, id]) {
  if (kind === 'users' && id) return userPage(api, main, id)
  if (kind === 'invitations') return invitations(api, main, bar(), id)
  if (kind === 'roles') return roles(api, main, bar())
  const list = await table({
    label: 'Users', dense: true, read: (cursor) => api.get('/auth/users', { limit: 100, cursor }), find: ({ name, email, roles }) => [name, email, ...roles].join(' '),
    open: ({ id }) => `#/people/users/${id}`, columns: [
      ['Person', ({ name, email }) => [el('strong', {}, name || email), name && el('span.small', {}, email)]],
      ['Roles', ({ roles }) => roles.length ? roles.join(', ') : 'none'],
      ['State', ({ status, totp }) => [status === 'active' ? badge('active', 'good') : badge('disabled', 'bad'), totp && [' ', badge('second step')]]],
      ['Quota', ({ quota }) => quota === null ? 'default' : bytes(quota), 'minor'],
      ['Since', ({ created_at: since }) => exactly(since), 'minor'],
    ], words: nothing('person', 'Nobody is here yet.'),
  })
  main.replaceChildren(head('People', el('a.main', { href: '#/people/invitations/new' }, 'Invite somebody'), button('plus', 'Make a user', () => make(api), { kind: 'seldom' })), bar(), list)
}

// roleRow is the row of a form with the roles that there are.
export async function roleRow(api, value = ['member']) {
  const options = []
  for await (const { name, description } of api.list('/auth/roles', { limit: 200 })) options.push([name, description ? `${name}: ${description}` : name])
  return choices({ name: 'roles', label: 'Roles', options, value, hint: 'What the person may do.' })
}

async function make(api) {
  const made = await ask('Make a user', {
    words: 'For somebody beside you. Who is elsewhere is better invited, and chooses the password alone.', submit: 'Make it', fields: [
      { name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'off' }, { name: 'name', label: 'Name', autocomplete: 'off' },
      { name: 'password', label: 'First password', type: 'password', required: true, autocomplete: 'new-password', hint: 'At least 12 characters. A sentence is good.' },
      await roleRow(api), gigabytes(null)],
    act: ({ quota, ...values }) => api.post('/auth/users', { ...values, quota: given(quota) }),
  })
  if (!made) return
  forget()
  say(`${made.name || made.email} can sign in now.`)
  again()
}
