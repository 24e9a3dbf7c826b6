// Spaces: files that several people keep together. Who manages all spaces makes
// them, says how large they are and who is in them, and reads nothing in them.
import { button, bytes, el, icon, say } from '../dom.js'
import { ask, form, sure } from '../form.js'
import { again, card, gigabytes, given, head, nothing, way } from './parts.js'
import { table } from './table.js'

const roles = [['viewer', 'Viewer: sees and downloads'], ['editor', 'Editor: changes and shares too'], ['manager', 'Manager: says who is in it too']]

export async function spaces(api, main, [id]) {
  if (id) return spacePage(api, main, id)
  const list = await table({
    label: 'Spaces', read: (cursor) => api.get('/files/spaces', { all: true, limit: 100, cursor }), find: ({ name }) => name, open: ({ id }) => `#/spaces/${id}`, columns: [
      ['Space', ({ name }) => el('strong', {}, name)], ['You are', ({ role }) => role ?? el('span.small', {}, 'not in it')],
      ['Stored', ({ used, quota }) => quota === null ? bytes(used) : `${bytes(used)} of ${bytes(quota)}`],
    ], words: nothing('people', 'There are no spaces. A space is a folder of several people: a family, a team, a house.', button('plus', 'New space', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Spaces', button('plus', 'New space', () => make(api), { kind: 'main' })), list)
}

async function make(api) {
  const made = await ask('New space', {
    submit: 'Make it', fields: [{ name: 'name', label: 'Name', required: true, autocomplete: 'off' }, gigabytes(null)],
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
  const who = people.length ? { label: 'Person', options: others.map(({ id: user, name, email }) => [user, name ? `${name} (${email})` : email]) } : { label: 'Id of the person', required: true, hint: 'Everybody finds their id in their account.' }
  main.replaceChildren(way('#/spaces', 'Spaces'), head(space.name), el('div.cards', {},
    card('people', 'Members', el('ul.list', { 'aria-label': 'Members' }, members.map((one) => member(one, set, () => out(api, path, one)))),
      (others.length > 0 || !people.length) && form({ submit: 'Add', fields: [{ name: 'user', ...who }, { name: 'role', label: 'As', options: roles, value: 'editor' }],
        act: ({ user, role }) => set(user, role, 'Added.') })),
    card('folder', 'The space', el('p', {}, `${bytes(space.used)} stored.`), form({
      submit: 'Save', fields: [{ name: 'name', label: 'Name', required: true, value: space.name, autocomplete: 'off' }, gigabytes(space.quota)],
      act: async ({ name, quota }) => {
        await api.patch(path, { name, quota: given(quota) }, { headers: { 'If-Match': `"r${space.revision}"` } })
        say('Saved.')
        again()
      },
    })),
    card('lock', 'What cannot be undone', button('trash', 'Delete with all files', () => remove(api, path, space), { kind: 'wide' }))))
}

function member({ user_id: id, name, email, role }, set, out) {
  const called = name || email
  const select = el('select', { 'aria-label': `Role of ${called}`, onchange: () => set(id, select.value, `${called} is ${select.value} now.`).catch((problem) => {
    select.value = role
    throw problem
  }) }, roles.map(([one, words]) => el('option', { value: one, selected: one === role }, words.split(':')[0])))
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('person')), el('span.name', {}, called), name && el('span.facts', {}, email)), select,
    button('cross', `Take ${called} out`, out, { hide: true, kind: 'plain' }))
}

async function out(api, path, { user_id: id, name, email }) {
  if (!await sure(`Take ${name || email} out?`, 'What they put there stays.', 'Take them out')) return
  await api.delete(`${path}/members/${id}`)
  say(`${name || email} is out.`)
  again()
}

async function remove(api, path, { name }) {
  if (!await sure(`Delete “${name}”?`, 'All its files go for good, its trash and versions too, for all its members.', 'Delete for good')) return
  await api.delete(path)
  location.hash = '#/spaces'
  say(`“${name}” is deleted.`)
}
