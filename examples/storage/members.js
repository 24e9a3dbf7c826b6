// Who is in a space and as what, how much it holds, and its end: the page for
// its members, on which managers change it.
import { button, bytes, el, icon, say } from '../dom.js'
import { ask, form, sheet } from '../form.js'
import { findPerson, personFields } from './people.js'
import { roles } from './tree.js'
import { meterOf } from './usage.js'

const options = Object.entries(roles).map(([name, { words, may }]) => [name, `${words}: ${may}`])

export async function membersPage(api, main, space, top) {
  const again = async () => dispatchEvent(new Event('hashchange')) // the role may be another one
  const everywhere = api.user.permissions.includes('spaces:manage'), manages = everywhere || space.role === 'manager'
  const members = []
  for await (const one of api.list(`/files/spaces/${space.id}/members`, { limit: 500 })) members.push(one)
  const usage = space.role ? await api.get('/files/usage', { space: space.id }) : null
  const card = (picture, title, ...inside) => el('section.card', {}, el('h2', {}, icon(picture), title), inside)
  main.replaceChildren(...top, el('div.head', {}, el('h1', {}, space.name)), el('div.cards', {},
    card('people', 'Members',
      el('ul.list', { 'aria-label': 'Members' }, members.map((one) => member(api, space, one, manages, again))),
      manages && button('plus', 'Add somebody', () => add(api, space).then(again), { kind: 'wide' }),
      space.role && button('out', 'Leave the space', () => leave(api, space), { kind: 'wide' })),
    card('folder', 'Storage', usage ? meterOf(usage) : el('p', {}, `${bytes(space.used)} used.`), everywhere && quota(api, space, again)),
    manages && card('rename', 'The space', form({
      fields: [{ name: 'name', label: 'Name', value: space.name, required: true, autocomplete: 'off' }], submit: 'Rename',
      act: async ({ name }) => { await api.patch(`/files/spaces/${space.id}`, { name }); say('Renamed.'); await again() },
    }), button('trash', 'Delete the space', () => remove(api, space), { kind: 'wide' }))))
}

function member(api, space, one, manages, again) {
  const self = one.user_id === api.user.id, called = one.name || one.email, path = `/files/spaces/${space.id}/members/${one.user_id}`
  const become = (role) => api.put(path, { role }).then(() => say(`${called} is ${roles[role].words.toLowerCase()} now.`)).then(again)
  const out = () => ask(`Take ${called} out of “${space.name}”?`, {
    words: 'What they put there stays.', submit: 'Take them out', danger: true, act: () => api.delete(path),
  }).then((done) => done && again())
  return el('li', { 'data-id': one.user_id },
    el('span.open', {}, el('span.picture', {}, icon('person')), el('span.name', {}, called, self && el('em', {}, ' you')),
      el('span.facts', {}, [roles[one.role]?.words ?? one.role, one.name && one.email].filter(Boolean).join(' · '))),
    manages && button('more', `What ${called} may do`, () => sheet(called, [
      ...options.map(([role, words]) => [role === one.role ? 'check' : 'none', words, () => become(role)]),
      !self && ['cross', 'Take out of the space', out]]), { hide: true, kind: 'plain' }))
}

const add = (api, { id, name }) => ask(`Add somebody to “${name}”`, {
  submit: 'Add', fields: personFields(options),
  act: async ({ user_id: text, role }) => {
    const { name: called, email } = await api.put(`/files/spaces/${id}/members/${await findPerson(api, text)}`, { role })
    say(`${called || email} is ${roles[role].words.toLowerCase()} now.`)
  },
})

const leave = (api, space) => ask(`Leave “${space.name}”?`, {
  words: 'What you put there stays. A manager can add you again.', submit: 'Leave', danger: true,
  act: () => end(api, space, `/files/spaces/${space.id}/members/${api.user.id}`),
}).then((done) => done && gone(`You have left “${space.name}”.`))

const remove = (api, space) => ask(`Delete “${space.name}”?`, {
  words: 'All its files go for good, its trash and versions too, for all its members.', submit: 'Delete for good', danger: true,
  act: () => end(api, space, `/files/spaces/${space.id}`),
}).then((done) => done && gone(`“${space.name}” is deleted.`))

// end says beforehand that the space's stream will break off.
async function end(api, space, path) {
  space.ends = true
  await api.delete(path).catch((problem) => {
    space.ends = false
    throw problem
  })
  return true
}

function gone(words) {
  location.replace('#/spaces')
  say(words)
}

const quota = (api, { id, quota: bound }, again) => form({
  fields: [{ name: 'quota', label: 'Quota in GB', type: 'number', min: 0, step: 'any', inputMode: 'decimal', value: bound === null ? '' : bound / 1e9, hint: 'Leave it empty for what the server gives to everybody.' }],
  submit: 'Save', act: async ({ quota: gb }) => {
    await api.patch(`/files/spaces/${id}`, { quota: gb === '' ? null : Math.round(gb * 1e9) })
    say('Saved.')
    await again()
  },
})
