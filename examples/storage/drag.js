// Dragging: files and folders from outside onto the page or onto a folder in it,
// and what is chosen onto a folder or a step of the way.
import { el, sorry } from '../dom.js'
import { moveTo } from './operations.js'
import { dropped } from './uploads.js'

const ours = 'application/x-homebase'
const folders = new WeakMap() // nodes, to functions that find their folder
let dragged = [] // items

// onto lets things be dropped on a node; find answers with its folder.
export function onto(node, find) {
  folders.set(node, find)
  node.classList.add('onto')
  return node
}

// draggable lets rows of a list be dragged; taken says which items go when the
// one with an id is taken.
export function draggable(list, taken) {
  list.addEventListener('dragstart', (event) => {
    const row = event.target.closest?.('[data-id]')
    if (!row || event.defaultPrevented) return
    dragged = taken(row.dataset.id)
    event.dataTransfer.setData(ours, '')
    event.dataTransfer.effectAllowed = 'move'
    if (dragged.length < 2) return
    const badge = el('div.dragged', {}, `${dragged.length} items`)
    document.body.append(badge)
    event.dataTransfer.setDragImage(badge, -12, -12)
    setTimeout(() => badge.remove())
  })
  list.addEventListener('dragend', () => { dragged = [] })
}

// shown answers with { api, folder } of the folder that is shown, or with
// nothing where nothing can be dropped.
export function dropHere(shown) {
  for (const kind of ['dragenter', 'dragover', 'dragleave', 'dragend', 'drop']) {
    addEventListener(kind, (event) => {
      const types = event.dataTransfer?.types ?? [], own = types.includes(ours)
      if (!own && !types.includes('Files')) return
      event.preventDefault()
      if (kind === 'dragleave' && event.relatedTarget) return // something else was entered already
      const at = shown(), node = at && event.target.closest?.('.onto'), over = kind === 'dragenter' || kind === 'dragover'
      const here = node && !(own && dragged.some(({ id }) => id === node.dataset.id)) ? node : null
      document.querySelector('.over')?.classList.remove('over')
      if (over) here?.classList.add('over')
      if (over && own && !here) event.dataTransfer.dropEffect = 'none'
      document.body.classList.toggle('dropping', !!at && !own && !here && over)
      if (kind !== 'drop' || !at) return
      const folder = here ? folders.get(here)() : at.folder
      if (!own) dropped(at.api, folder, event.dataTransfer).catch(sorry)
      else if (here) take(at.api, dragged, folder).catch(sorry)
    })
  }
}

async function take(api, items, found) {
  const folder = await found
  const others = items.filter(({ parent_id: parent }) => parent !== folder.id)
  if (others.length) await moveTo(api, others, folder)
}
