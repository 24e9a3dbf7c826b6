// People: who has an account, who was invited, and what roles allow.
import { button, el, say } from '../dom.js'
import { ask } from '../form.js'
import { choices } from './choices.js'
import { invitations } from './invitations.js'
import { forget } from './names.js'
import { again, badge, day, gigabytes, given, head, nothing, quotaOf, tabs } from './parts.js'
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
      ['Person', ({ id, name, email }) => [el('strong', {}, name || email), id === api.user.id && [' ', badge('you')], name && el('span.small', {}, email)]],
      ['Roles', ({ roles }) => roles.length ? roles.join(', ') : 'none'],
      ['State', ({ status, totp }) => [status === 'active' ? badge('active', 'good') : badge('disabled', 'bad'), totp && [' ', badge('second step')]]],
      ['Storage limit', ({ quota }) => quotaOf(quota), 'minor'],
      ['Joined', ({ created_at: since }) => day(since), 'minor'],
    ], words: nothing('person', 'Nobody is here yet.'),
  })
  main.replaceChildren(head('People', el('a.main', { href: '#/people/invitations/new' }, 'Invite somebody'), button('plus', 'Add a user', () => make(api))), bar(), list)
}

// roleRow is the row of a form with the roles that there are.
export async function roleRow(api, value = ['member'], label = 'Roles', hint = 'What the person may do.') {
  const options = []
  for await (const { name, description } of api.list('/auth/roles', { limit: 200 })) options.push([name, [el('strong', {}, name), description && el('span.small', {}, description)]])
  return choices({ name: 'roles', label, options, value, hint })
}

async function make(api) {
  const made = await ask('Add a user', {
    words: 'For somebody who is with you. Invite everybody else: then they alone know their password.', submit: 'Add', fields: [
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
