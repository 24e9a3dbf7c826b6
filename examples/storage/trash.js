// The trash: what was deleted, until it is restored or gone for good.
import { button, bytes, el, icon, say, sorry, when } from '../dom.js'
import { sure } from '../form.js'
import { pictureOf } from './preview.js'

export async function trash(api, main, tree, top = []) {
  const again = () => trash(api, main, tree, top).catch(sorry)
  const page = await api.get('/files/trash', { limit: 200, space: tree.id })
  const row = (item) => el('li', { 'data-id': item.id },
    el('span.open', {}, el(`span.picture.${pictureOf(item)}`, {}, icon(pictureOf(item))), el('span.name', {}, item.name),
      el('span.facts', {}, item.original_path.replace(/[^/]*$/, ''), item.type === 'file' ? ` · ${bytes(item.size)}` : '', ` · ${when(item.trashed_at)}`)),
    tree.writes && button('restore', `Restore ${item.name}`, () => restore(api, item).then(again, sorry), { hide: true, kind: 'plain' }),
    tree.writes && button('trash', `Delete ${item.name} for good`, () => purge(api, item).then(again, sorry), { hide: true, kind: 'plain' }))
  main.replaceChildren(...top,
    el('div.head', {}, el('h1', {}, tree.id ? `Trash of “${tree.name}”` : 'Trash'), el('div.tools', {},
      tree.writes && page.items.length > 0 && button('trash', 'Empty the trash', () => empty(api, tree).then(again, sorry), { kind: 'danger' }))),
    el('ul.list', { 'aria-label': 'In the trash' }, page.items.length ? page.items.map(row)
      : el('li.nothing', {}, icon('trash'), el('p', {}, 'The trash is empty. What you delete waits here for a while.'))))
}

async function restore(api, item) {
  await api.post(`/files/trash/${item.id}/restore`)
  say(`“${item.name}” is back in ${item.original_path.replace(/[^/]*$/, '')}`)
}

const purge = (api, item) => sure(`Delete “${item.name}”?`, 'Nobody can bring it back after that.', 'Delete for good')
  .then((yes) => yes && api.delete(`/files/trash/${item.id}`))

const empty = (api, { id: space }) => sure('Empty the trash?', 'All that is in it is deleted for good.', 'Empty it')
  .then((yes) => yes && api.delete('/files/trash', { query: { space } }))
