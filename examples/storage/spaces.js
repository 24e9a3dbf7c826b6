// The spaces beside one's own files: which there are, and the pages of one. While
// one is shown its stream is followed, which also tells when one is no member
// any more.
import { browse, changed } from './browse.js'
import { button, bytes, el, icon, say, sorry } from '../dom.js'
import { ask } from '../form.js'
import { membersPage } from './members.js'
import { trash } from './trash.js'
import { roles, treeOf } from './tree.js'

export const kinds = ['created', 'changed', 'moved', 'trashed', 'restored', 'purged'] // of events of a tree
const places = { files: ['folder', 'Files'], trash: ['trash', 'Trash'], members: ['people', 'Members'] }
let shown = null // the space whose pages are shown, with what ends its stream: { space, stop }

// spaces shows the list, or a page of a space: its id, the page, a path.
export async function spaces(api, main, [id, place, ...path]) {
  if (!id) return list(api, main)
  const space = await enter(api, id)
  if (!space) return
  const at = places[place] && space.role ? place : space.role ? 'files' : 'members', tree = treeOf(space)
  const tabs = space.role && el('nav.tabs', { 'aria-label': `In ${space.name}` }, Object.entries(places).map(([name, [picture, words]]) =>
    el('a', { href: `#/spaces/${id}/${name}`, 'aria-current': name === at ? 'page' : null }, icon(picture), words)))
  const top = tabs ? [tabs] : []
  if (at === 'files') return browse(api, main, tree, path, top)
  if (at === 'trash') return trash(api, main, tree, top)
  return membersPage(api, main, space, top)
}

async function list(api, main) {
  const manages = api.user.permissions.includes('spaces:manage'), rows = []
  for await (const space of api.list('/files/spaces', { limit: 200, all: manages || null })) rows.push(row(space))
  main.replaceChildren(
    el('div.head', {}, el('h1', {}, 'Spaces'), el('div.tools', {}, manages && button('plus', 'New space', () => create(api), { kind: 'main' }))),
    el('ul.list', { 'aria-label': 'Spaces' }, rows.length ? rows
      : el('li.nothing', {}, icon('people'), el('p', {}, 'A space holds files that several people share. You are not a member of any yet.'))))
}

const row = (space) => el('li', { 'data-id': space.id }, el('a.open', { href: `#/spaces/${space.id}/files` },
  el('span.picture.folder', {}, icon('people')), el('span.name', {}, space.name),
  el('span.facts', {}, `${space.role ? roles[space.role]?.words ?? space.role : 'You are not a member'} · ${bytes(space.used)}`), icon('right')))

const create = (api) => ask('New space', {
  submit: 'Create', fields: [{ name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'You will be its manager, and decide who else is a member.' }],
  act: async ({ name }) => { location.hash = `#/spaces/${(await api.post('/files/spaces', { name })).id}/members` },
})

// enter reads a space anew for each of its pages, so that these are for the role
// that one has now.
async function enter(api, id) {
  const space = await api.get(`/files/spaces/${id}`).catch((problem) => {
    if (problem.status !== 404) throw problem
  })
  if (!space) return lost(id)
  if (shown?.space.id !== id) {
    leaveSpace()
    const stop = space.role ? api.events(`/files/events?space=${id}`, kinds, (event) => event.type === 'lost' ? look(api, id).catch(sorry) : changed(event)) : () => {}
    shown = { stop }
  }
  shown.space = space
  return space
}

// leaveSpace is told when another page is shown.
export function leaveSpace() {
  shown?.stop()
  shown = null
}

function lost(id) {
  const name = shown?.space.id === id ? `“${shown.space.name}”` : 'That space'
  leaveSpace()
  location.replace('#/files')
  say(`${name} is not there for you any more: you are no member now, or it was deleted.`, 'OK', () => {}, true)
}

// look finds out whether one still has the role that the page is for.
async function look(api, id) {
  if (shown?.space.ends) return
  const space = await api.get(`/files/spaces/${id}`).catch(({ status }) => status === 404 ? null : shown?.space)
  if (shown?.space.id !== id || space?.role === shown.space.role) return
  if (!space?.role) return lost(id)
  dispatchEvent(new Event('hashchange'))
  say(`You are ${roles[space.role]?.words.toLowerCase() ?? space.role} in “${space.name}” now.`)
}

// A refusal may mean that the role is another one.
export const refused = (api, { status }) => shown && [403, 404].includes(status) && look(api, shown.space.id)
