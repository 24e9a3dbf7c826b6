// Roles: sets of permissions. Nobody gives a permission that they lack.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { permissions } from '../permissions.js'
import { mayChoose } from './choices.js'
import { again, head, nothing } from './parts.js'
import { table } from './table.js'

export async function roles(api, main, tabs) {
  const allows = await permissions(api)
  const list = await table({
    label: 'Roles', read: (cursor) => api.get('/auth/roles', { limit: 100, cursor }), find: ({ name, description }) => `${name} ${description}`, columns: [
      ['Role', ({ name, description }) => [el('strong', {}, name), description && el('span.small', {}, description)]],
      ['Allows', ({ permissions: all }) => [...allows.keys()].every((one) => all.includes(one)) ? 'everything' : el('ul.small', {}, all.map((one) => el('li', {}, allows.get(one) ?? one)))],
      ['', (role) => role.builtin ? el('span.small', {}, 'built in') : el('div.tools', {}, button('rename', `Change ${role.name}`, () => change(api, role), { hide: true, kind: 'plain' }),
        button('trash', `Delete ${role.name}`, () => remove(api, role), { hide: true, kind: 'plain' }))],
    ], words: nothing('person', 'There are no roles.'),
  })
  main.replaceChildren(head('Roles', button('plus', 'New role', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, role) => [
  { name: 'description', label: 'What it is for', value: role.description, autocomplete: 'off' },
  await mayChoose(api, 'It allows to', role.permissions),
]

async function make(api) {
  const name = { name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'A short word in small letters, such as “editor”.' }
  const made = await ask('New role', { fields: [name, ...await fieldsOf(api, { permissions: ['files:read'] })], submit: 'Create', act: (values) => api.post('/auth/roles', values) })
  if (!made) return
  say(`“${made.name}” is created. Give it to people on their own pages.`)
  again()
}

async function change(api, role) {
  const done = await ask(`Role “${role.name}”`, { words: 'Changes hold at once for everybody with this role.', fields: await fieldsOf(api, role), submit: 'Save',
    act: (values) => api.patch(`/auth/roles/${role.name}`, values, { headers: { 'If-Match': `"r${role.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, { name }) {
  if (!await sure(`Delete the role “${name}”?`, 'Only a role that nobody has can be deleted.', 'Delete')) return
  await api.delete(`/auth/roles/${name}`)
  say(`“${name}” is deleted.`)
  again()
}
