// A folder is chosen by walking to it, in one's own tree and in the spaces.
import { button, el, icon, sorry } from '../dom.js'
import { open } from '../form.js'
import { treeOf } from './tree.js'

// chooseFolder answers with a folder, or with undefined. It begins in the
// folder `from`; what is moved cannot go where it is or into itself: `without`.
export function chooseFolder(api, { title, submit, from, without = [] }) {
  const moved = new Set(without.map(({ id }) => id))
  return open(title, (close) => {
    const place = el('div.chooser')
    const show = (up, picture, name, rows, folder) => {
      place.replaceChildren(...!folder && moved.size ? [el('p.hint', {}, 'Between your files and the spaces it is copied, and the original goes into the trash.')] : [],
        el('p.here', {}, up && button('left', 'Up', up, { hide: true, kind: 'plain' }), icon(picture), el('strong', {}, name)),
        el('ul.list', {}, rows.map(([kind, words, then]) => el('li', {}, button(kind, words, () => then().catch(sorry), { kind: 'open' })))),
        el('div.ends', {}, button(null, submit, () => close(folder), { kind: 'main', disabled: !folder || moved.size > 0 && folder.id === from })))
      place.querySelector('.list button, .main:enabled, button')?.focus()
    }
    // What is pressed while a slow folder is read is not meant for the one before.
    const wait = () => { for (const act of place.querySelectorAll('.main')) act.disabled = true }
    const trees = async () => {
      wait()
      const rows = [['home', 'All files', () => walk('root')]]
      for await (const space of api.list('/files/spaces', { limit: 200 })) {
        if (treeOf(space).writes) rows.push(['people', space.name, () => walk(space.root_id, space.name)])
      }
      show(null, 'folder', 'Files and spaces', rows)
    }
    const walk = async (id, name) => {
      wait()
      const folder = await api.get(`/files/items/${id}`)
      if (name) folder.name = name // a root has none
      const rows = []
      for await (const child of api.list(`/files/items/${folder.id}/children`, { limit: 500 })) {
        if (child.type !== 'folder') break // folders come first
        if (!moved.has(child.id)) rows.push(['folder', child.name, () => walk(child.id)])
      }
      const up = folder.parent_id ? () => walk(folder.parent_id).catch(trees) : trees
      show(() => up().catch(sorry), 'folder', folder.name || (folder.space_id ? 'The space' : 'All files'), rows, folder)
    }
    walk(from).catch(trees).catch(sorry)
    return place
  })
}
