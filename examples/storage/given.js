// What others have shared with a person by name: the list, and the pages of a
// folder of it.
import { browse } from './browse.js'
import { button, bytes, el, icon, say, when } from '../dom.js'
import { actions } from './items.js'
import { pictureOf, preview } from './preview.js'
import { givenTree, roles } from './tree.js'

// givenList is the list, to be shown on the page of all that is shared.
export async function givenList(api) {
  const rows = []
  for await (const one of api.list('/files/shared-with-me', { limit: 200 })) rows.push(row(api, one))
  return el('ul.list', { 'aria-label': 'Shared with you' }, rows.length ? rows
    : el('li.nothing', {}, icon('people'), el('p', {}, 'Nobody has shared anything with you yet.')))
}

function row(api, given) {
  const { item, shared_by: by, role, expires_at: end } = given, tree = givenTree(given)
  const inside = [el(`span.picture.${pictureOf(item)}`, {}, icon(pictureOf(item))), el('span.name', {}, item.name),
    el('span.facts', {}, [by.name && `from ${by.name}`, roles[role]?.words, item.type === 'file' && bytes(item.size), end && `until ${when(end)}`].filter(Boolean).join(' · '))]
  const more = () => actions(api, { ...tree, writes: false }, item) // it belongs where its owner has put it
  return el('li', { 'data-id': given.id }, item.type === 'folder' ? el('a.open', { href: tree.at }, inside)
    : button(null, inside, () => preview(api, item, [item], more), { kind: 'open' }),
  button('more', `What to do with ${item.name}`, more, { hide: true, kind: 'plain' }))
}

// givenFolder shows a shared folder, or one below it.
export async function givenFolder(api, main, [top, ...path]) {
  for await (const given of api.list('/files/shared-with-me', { limit: 500 })) {
    if (given.item.id === top) return browse(api, main, givenTree(given), path)
  }
  location.replace('#/shared')
  say('That is not shared with you any more.')
}
