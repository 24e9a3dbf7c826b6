// What can be done with a file or folder: the sheet that its dots open.
import { el, icon, say } from '../dom.js'
import { ask, sheet } from '../form.js'
import { copyTo, discard, downloadURL, move } from './operations.js'
import { share } from './shares.js'
import { versions } from './versions.js'

// actions shows what the tree lets its visitor do; choose begins to choose
// several with this item, where there are several.
export const actions = (api, tree, item, choose) => sheet(item.name, [
  el('a', { href: downloadURL(api, item) }, icon('download'), 'Download'),
  item.type === 'file' && ['versions', 'Versions', () => versions(api, tree, item)],
  tree.shares && ['share', 'Share', () => share(api, item)],
  ...tree.writes ? [
    ['rename', 'Rename', () => rename(api, item)],
    ['move', 'Move', () => move(api, [item])],
    ['copy', 'Make a copy', () => copy(api, item)]] : [],
  ['copyto', 'Copy to another place', () => copyTo(api, [item])],
  choose && ['check', 'Choose several', choose],
  tree.writes && ['trash', 'Put into the trash', () => discard(api, [item], tree)]])

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
  const { name, left_out: lacks = [] } = await api.post(`/files/items/${item.id}/copy`, {})
  const more = lacks.length > 1 ? ` and ${lacks.length - 1} more` : ''
  if (lacks.length) say(`“${name}” is the copy, but “${lacks[0].path}”${more} could not be copied.`, 'OK', () => {}, true)
  else say(`“${name}” is the copy.`)
}
