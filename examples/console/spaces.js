// Spaces: files that several people keep together. Who manages all spaces makes
// them, says how large they are and who is in them, and reads nothing in them.
import { button, bytes, el, icon, say } from '../dom.js'
import { ask, form, sure } from '../form.js'
import { again, card, files, gigabytes, given, head, nothing, way } from './parts.js'
import { table } from './table.js'

const roles = [['viewer', 'Viewer: sees and downloads files'], ['editor', 'Editor: also changes and shares them'], ['manager', 'Manager: also says who is a member']]

export async function spaces(api, main, [id]) {
  if (id) return spacePage(api, main, id)
  const list = await table({
    label: 'Spaces', read: (cursor) => api.get('/files/spaces', { all: true, limit: 100, cursor }), find: ({ name }) => name, open: ({ id }) => `#/spaces/${id}`, columns: [
      ['Space', ({ name }) => el('strong', {}, name)], ['Your role', ({ role }) => role ?? el('span.small', {}, 'not a member')],
      ['Stored', ({ used, quota }) => quota === null ? bytes(used) : `${bytes(used)} of ${bytes(quota)}`],
    ], words: nothing('people', 'There are no spaces. A space holds files that several people share, such as a family or a team.', button('plus', 'New space', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Spaces', button('plus', 'New space', () => make(api), { kind: 'main' })), list)
}

async function make(api) {
  const made = await ask('New space', {
    submit: 'Create', fields: [{ name: 'name', label: 'Name', required: true, autocomplete: 'off' }, gigabytes(null)],
    act: ({ name, quota }) => api.post('/files/spaces', { name, quota: given(quota) }),
  })
  if (made) location.hash = `#/spaces/${made.id}`
}

async function spacePage(api, main, id) {
  const path = `/files/spaces/${id}`, space = await api.get(path), members = [], people = []
  for await (const one of api.list(`${path}/members`, { limit: 500 })) members.push(one)
  if (api.can('users:manage')) for await (const one of api.list('/auth/users', { limit: 500 })) people.push(one)
  const others = people.filter(({ id: user }) => !members.some(({ user_id: in_ }) => in_ === user))
  const set = async (user, role, words) => {
    await api.put(`${path}/members/${user}`, { role })
    say(words)
    again()
  }
  const who = people.length ? { label: 'Person', options: others.map(({ id: user, name, email }) => [user, name ? `${name} (${email})` : email]) } : { label: 'Id of the person', required: true, hint: 'Everybody finds their id on their account page.' }
  main.replaceChildren(way('#/spaces', 'Spaces'), head(space.name, space.role && el('a', { href: `${files}#/spaces/${id}` }, 'Open its files')), el('div.cards', {},
    card('people', 'Members', el('ul.list', { 'aria-label': 'Members' }, members.map((one) => member(one, set, () => out(api, path, one)))),
      (others.length > 0 || !people.length) && form({ submit: 'Add', fields: [{ name: 'user', ...who }, { name: 'role', label: 'Role', options: roles, value: 'editor' }],
        act: ({ user, role }) => set(user, role, 'Added.') }),
      people.length > 0 && !others.length && el('p.hint', {}, 'Everybody who has an account is a member. ', el('a', { href: '#/people/invitations/new' }, 'Invite somebody'), ' to add more.')),
    card('folder', 'Name and size', el('p', {}, `${bytes(space.used)} ${space.quota === null ? '' : `of ${bytes(space.quota)} `}stored.`), form({
      submit: 'Save', fields: [{ name: 'name', label: 'Name', required: true, value: space.name, autocomplete: 'off' }, gigabytes(space.quota)],
      act: async ({ name, quota }) => {
        await api.patch(path, { name, quota: given(quota) }, { headers: { 'If-Match': `"r${space.revision}"` } })
        say('Saved.')
        again()
      },
    })),
    card('trash', 'Delete for good', button('trash', 'Delete with all files', () => remove(api, path, space), { kind: 'wide' }))))
}

function member({ user_id: id, name, email, role }, set, out) {
  const called = name || email
  const select = el('select', { 'aria-label': `Role of ${called}`, onchange: () => set(id, select.value, `${called} is ${select.value} now.`).catch((problem) => {
    select.value = role
    throw problem
  }) }, roles.map(([one, words]) => el('option', { value: one, selected: one === role }, words.split(':')[0])))
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('person')), el('span.name', {}, called), name && el('span.facts', {}, email)), select,
    button('cross', `Remove ${called}`, out, { hide: true, kind: 'plain' }))
}

async function out(api, path, { user_id: id, name, email }) {
  if (!await sure(`Remove ${name || email}?`, 'They cannot open the space any more. What they stored there stays.', 'Remove')) return
  await api.delete(`${path}/members/${id}`)
  say(`${name || email} is not a member any more.`)
  again()
}

async function remove(api, path, { name }) {
  if (!await sure(`Delete “${name}”?`, 'All its files are deleted for all members, with their versions and the trash.', 'Delete for good')) return
  await api.delete(path)
  location.hash = '#/spaces'
  say(`“${name}” is deleted.`)
}
