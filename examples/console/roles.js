// Roles: sets of permissions. Nobody gives a permission that they lack.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { mayChoose } from './choices.js'
import { again, badge, head, nothing } from './parts.js'
import { table } from './table.js'

export async function roles(api, main, tabs) {
  const list = await table({
    label: 'Roles', read: (cursor) => api.get('/auth/roles', { limit: 100, cursor }), find: ({ name, description }) => `${name} ${description}`, columns: [
      ['Role', ({ name, description }) => [el('strong', {}, name), description && el('span.small', {}, description)]],
      ['Allows', ({ permissions: all }) => el('span.badges', {}, all.map((one) => badge(one === '*' ? 'everything' : one)))],
      ['', (role) => role.builtin ? el('span.small', {}, 'built in') : el('div.tools', {}, button('rename', `Change ${role.name}`, () => change(api, role), { hide: true, kind: 'plain' }),
        button('trash', `Delete ${role.name}`, () => remove(api, role), { hide: true, kind: 'plain' }))],
    ], words: nothing('person', 'There are no roles.'),
  })
  main.replaceChildren(head('Roles', button('plus', 'New role', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, role) => [
  { name: 'description', label: 'What it is for', value: role.description, autocomplete: 'off' },
  await mayChoose(api, 'Who has it may', role.permissions),
]

async function make(api) {
  const name = { name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'Small letters, such as “editor”.' }
  const made = await ask('New role', { fields: [name, ...await fieldsOf(api, { permissions: ['files:read'] })], submit: 'Make it', act: (values) => api.post('/auth/roles', values) })
  if (!made) return
  say(`Give “${made.name}” to people on their pages.`)
  again()
}

async function change(api, role) {
  const done = await ask(`Role “${role.name}”`, { words: 'It holds at once for everybody who has it.', fields: await fieldsOf(api, role), submit: 'Save',
    act: (values) => api.patch(`/auth/roles/${role.name}`, values, { headers: { 'If-Match': `"r${role.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, { name }) {
  if (!await sure(`Delete the role “${name}”?`, 'A role that somebody has cannot be deleted.', 'Delete it')) return
  await api.delete(`/auth/roles/${name}`)
  say('It is deleted.')
  again()
}
