// What can be done with a file or folder.
import { button, el, icon, say, sorry } from './dom.js'
import { ask, open } from './form.js'
import { share } from './shares.js'

// itemURL is the page of the folder at an item's path.
export const itemURL = ({ path }) => '#/files' + path.split('/').map(encodeURIComponent).join('/').replace(/\/$/, '')

// downloadURL is where the bytes are: a file's own, a folder's as a zip.
export const downloadURL = (api, item) => item.type === 'folder'
  ? api.url(`/files/items/${item.id}/archive`) : api.url(`/files/items/${item.id}/content`, { download: true })

// actions is the sheet that a row's dots open.
export function actions(api, item) {
  return open(item.name, (close) => {
    const act = (picture, words, then) => el('li', {}, button(picture, words, () => { close(); then() }))
    return el('ul.actions', {},
      el('li', {}, el('a', { href: downloadURL(api, item), onclick: () => close() }, icon('download'), 'Download')),
      act('share', 'Share', () => share(api, item)),
      act('rename', 'Rename', () => rename(api, item)),
      act('move', 'Move', () => move(api, item)),
      act('copy', 'Make a copy', () => copy(api, item)),
      act('trash', 'Put into the trash', () => discard(api, item)))
  }, { kind: 'sheet' })
}

export function rename(api, item) {
  const ask_ = ask('Rename', {
    submit: 'Rename', fields: [{ name: 'name', label: 'Name', value: item.name, required: true, autocomplete: 'off' }],
    act: ({ name }) => api.patch(`/files/items/${item.id}`, { name }),
  })
  // The part before the ending is what people change.
  const input = document.querySelector('dialog[open] input')
  input.setSelectionRange(0, item.type === 'file' && item.name.lastIndexOf('.') > 0 ? item.name.lastIndexOf('.') : item.name.length)
  return ask_
}

// copy makes one beside the item. What it lacks of a folder is said until it
// was read.
async function copy(api, item) {
  try {
    const { name, left_out: lacks = [] } = await api.post(`/files/items/${item.id}/copy`, {})
    const more = lacks.length > 1 ? ` and ${lacks.length - 1} more` : ''
    if (lacks.length) say(`“${name}” is the copy, but “${lacks[0].path}”${more} could not be copied.`, 'OK', () => {}, true)
    else say(`“${name}” is the copy.`)
  } catch (problem) { sorry(problem) }
}

export async function discard(api, item) {
  try {
    await api.delete(`/files/items/${item.id}`)
    say(`“${item.name}” is in the trash.`, 'Undo', () => api.post(`/files/trash/${item.id}/restore`).catch(sorry))
  } catch (problem) { sorry(problem) }
}

// move lets a folder be chosen, by walking there.
export async function move(api, item) {
  const target = await open(`Move “${item.name}”`, (close) => {
    const place = el('div.chooser')
    const walk = async (id) => {
      const folder = await api.get(`/files/items/${id}`)
      const folders = []
      for await (const child of api.list(`/files/items/${id}/children`, { limit: 500 })) {
        if (child.type !== 'folder') break // folders come first
        if (child.id !== item.id) folders.push(child)
      }
      place.replaceChildren(
        el('p.here', {}, folder.parent_id && button('left', 'Up', () => walk(folder.parent_id), { hide: true, kind: 'plain' }), icon('folder'), el('strong', {}, folder.name || 'All files')),
        el('ul.list', {}, folders.map((child) => el('li', {}, button('folder', child.name, () => walk(child.id), { kind: 'open' })))),
        el('div.ends', {}, button(null, 'Move here', () => close(folder), { kind: 'main', disabled: folder.id === item.parent_id })))
      place.querySelector('.list button, .main:enabled, button')?.focus()
    }
    walk(item.parent_id).catch(sorry)
    return place
  })
  if (!target) return
  try {
    await api.patch(`/files/items/${item.id}`, { parent_id: target.id })
    say(`“${item.name}” is in “${target.name || 'All files'}” now.`, 'Undo', () => api.patch(`/files/items/${item.id}`, { parent_id: item.parent_id }).catch(sorry))
  } catch (problem) { sorry(problem) }
}
