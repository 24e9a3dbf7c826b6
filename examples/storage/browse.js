// A folder: the way to it, what is in it, page by page, and the news of it.
import { Choice } from './choose.js'
import { button, bytes, el, icon, moment, say, sorry, when } from '../dom.js'
import { dropHere, draggable, onto } from './drag.js'
import { ask } from '../form.js'
import { actions } from './items.js'
import { copyTo, discard, download, move } from './operations.js'
import { hasThumbnail, pictureOf, preview } from './preview.js'
import { above, own } from './tree.js'
import { pick } from './uploads.js'

const orders = [['name', 'By name'], ['-modified_at', 'Newest first'], ['modified_at', 'Oldest first'], ['-size', 'Largest first']]
let here // the folder that is shown: { api, tree, folder, items, cursor, sort, list, choice }

// browse shows the folder of a tree that the rest of an address names, below
// what stands above it.
export async function browse(api, main, tree, rest, top = []) {
  here = { api, tree, sort: localStorage.getItem('sort') ?? 'name', items: [], rows: new Map() }
  const mine = here
  let folder, steps
  try {
    folder = await tree.find(api, rest)
    steps = await tree.way(api, folder)
  } catch (problem) {
    if (problem.status !== 404) throw problem
    location.replace(tree.at)
    return say('That folder is not there any more.')
  }
  if (folder.type === 'file') return location.replace(tree.page({ path: above(folder.path), id: folder.parent_id }))
  mine.folder = folder
  mine.list = el('ul.list', { 'aria-label': 'Files and folders' })
  mine.choice = new Choice(mine.list, () => count(mine))
  if (tree.writes) draggable(mine.list, (id) => chosen(mine, id))
  mine.more = button(null, 'Show more', () => load(mine, false).catch(sorry), { kind: 'wide' })
  const sort = el('select', { 'aria-label': 'Order', onchange: () => {
    localStorage.setItem('sort', mine.sort = sort.value)
    load(mine, true).catch(sorry)
  } }, orders.map(([value, words]) => el('option', { value, selected: value === mine.sort }, words)))
  const search = el('input.search', { type: 'search', placeholder: 'Search', 'aria-label': tree.id ? `Search ${tree.name}` : 'Search all files', oninput: () => {
    clearTimeout(mine.typed)
    mine.typed = setTimeout(() => {
      sort.disabled = !!(mine.find = search.value.trim())
      mine.rows = new Map() // what is found says also where it lies
      load(mine, true).catch(sorry)
    }, 250)
  } })
  mine.head = el('div.head', {}, way(api, tree, steps), bar(mine), el('div.tools', {}, tree.searches && search, sort, tree.writes && [
    button('newfolder', 'New folder', () => newFolder(api, folder), { kind: 'seldom' }),
    button('upload', 'Upload', () => pick(api, folder), { kind: 'main' })]))
  await load(mine, true)
  main.replaceChildren(...top, mine.head, mine.list, mine.more)
  mine.shown = true
  if (!tree.follows) watch(mine)
}

// way is the breadcrumb, from the tree's own name on.
function way(api, tree, steps) {
  const last = steps.length
  return el('nav.way', { 'aria-label': 'Path' }, el('ol', {}, [{ name: tree.name }, ...steps].map((step, i) => {
    const name = i === last ? el('h1', {}, step.name) : i || tree !== own ? step.name : el('span.heard', {}, step.name) // a house says it
    const link = el('a', { href: i ? tree.page(step) : tree.at, draggable: false, 'aria-current': i && i === last ? 'page' : null }, !i && icon(tree.picture), name)
    return el('li', {}, onto(link, () => step.id ? step : tree.find(api, step.path?.split('/') ?? [])))
  })))
}

// bar says how many are chosen, and what can be done with them.
function bar(at) {
  const { api, tree } = at, act = (deed) => () => deed(api, chosen(at), tree).catch(sorry)
  at.count = el('strong', { role: 'status' })
  at.bar = el('div.chosen', { role: 'group', 'aria-label': 'What is chosen', hidden: true },
    button('cross', 'Choose nothing', () => at.choice.choose([]), { hide: true, kind: 'plain' }), at.count,
    button('download', 'Download', act(download)), tree.writes ? button('move', 'Move', act(move)) : button('copy', 'Copy', act(copyTo)),
    tree.writes && button('trash', 'Trash', act(discard)))
  return at.bar
}

function count(at) {
  const { size } = at.choice.ids
  at.count.textContent = size ? `${size} chosen` : ''
  at.bar.hidden = size === 0
  at.head.classList.toggle('choosing', size > 0)
}

// chosen are the items that are chosen, with one that may not be among them: it
// is alone then.
function chosen(at, id) {
  const { ids } = at.choice
  return at.items.filter((item) => id === undefined || ids.has(id) ? ids.has(item.id) : item.id === id)
}

// load reads the first page again, as long as what was shown, or the next one:
// of the folder, or of what was found. One waits for the other, so that an old
// answer never comes last.
const load = (at, again, size = 50) => at.turn = (at.turn ?? Promise.resolve()).catch(() => {}).then(() => read(at, again, size))

async function read(at, again, size) {
  const most = again ? Math.max(size, at.items.length) : size, items = []
  const { find, sort } = at, { id: space } = at.tree
  let cursor = again ? null : at.cursor
  do {
    const limit = Math.min(500, most - items.length)
    const page = await (find ? at.api.get('/files/search', { q: find, limit, cursor, space }) : at.api.get(`/files/items/${at.folder.id}/children`, { sort, limit, cursor }))
    if (find !== at.find) return // somebody types faster than we read
    items.push(...page.items)
    cursor = page.next_cursor
  } while (cursor && items.length < most)
  at.items = again ? items : [...at.items, ...items]
  at.cursor = cursor
  at.more.hidden = !at.cursor
  show(at)
}

// show draws the rows; one that has not changed stays as it is, with its
// picture and the keyboard's place in it.
function show(at) {
  const rows = new Map(at.items.map((item) => {
    const known = at.rows.get(item.id)
    return [item.id, known?.revision === item.revision && known.path === item.path ? known : { ...item, node: row(at, item) }]
  }))
  const focused = document.activeElement?.closest?.('li')?.dataset.id
  at.rows = rows
  at.list.replaceChildren(...[...rows.values()].map(({ node }) => node))
  at.choice.draw()
  if (focused) (rows.get(focused)?.node ?? at.list).querySelector('.open')?.focus()
  at.list.classList.toggle('empty', rows.size === 0)
  if (rows.size === 0 && at.find) {
    at.list.append(el('li.nothing', { role: 'status' }, el('p', {}, 'Nothing with such a name was found.')))
  } else if (rows.size === 0) {
    at.list.append(el('li.nothing', {}, icon(at.tree.writes ? 'upload' : 'folder'), el('p', {}, 'Nothing here yet.'), at.tree.writes && [
      button(null, 'Choose files', () => pick(at.api, at.folder), { kind: 'plain' }), el('p.hint', {}, 'or drop them here')]))
  }
}

function row(at, item) {
  const folder = item.type === 'folder', time = item.modified_at ?? item.updated_at // a folder has no time of its bytes
  const picture = hasThumbnail(item)
    ? el('img', { src: at.api.url(`/files/items/${item.id}/thumbnail`, { size: 128, v: null }), alt: '', loading: 'lazy', draggable: false, onerror: (event) => event.target.replaceWith(icon(pictureOf(item))) })
    : icon(pictureOf(item))
  const inside = [el(`span.picture.${pictureOf(item)}`, {}, picture), el('span.name', {}, item.name),
    el('span.facts', {}, at.find ? `${above(item.path) || '/'} · ` : '', folder ? '' : `${bytes(item.size)} · `, el('time', { dateTime: time, title: moment(time) }, when(time)))]
  const sheet = (one) => actions(at.api, at.tree, one, () => at.choice.choose([...at.choice.ids, one.id]))
  const node = el('li', { 'data-id': item.id, draggable: at.tree.writes }, at.choice.box(item),
    // A file's is a link too: some browsers drag nothing by a button.
    el('a.open', { href: at.tree.page(folder ? item : at.folder), draggable: false, role: folder ? null : 'button', onclick: (event) => {
      if (folder) return
      event.preventDefault()
      preview(at.api, item, at.items, sheet).catch(sorry)
    } }, inside),
    button('more', `What to do with ${item.name}`, () => sheet(item), { hide: true, kind: 'plain' }))
  return folder ? onto(node, () => item) : node
}

const newFolder = (api, folder) => ask('New folder', {
  submit: 'Create', fields: [{ name: 'name', label: 'Name', required: true, autocomplete: 'off' }],
  act: ({ name }) => api.post('/files/folders', { parent_id: folder.id, name }),
})

// changed takes an event of the stream. Many come at once when many files
// do, so the folder is read again a moment after the first.
export function changed({ type, data }) {
  const at = here
  if (!at?.list || at.shown && !at.list.isConnected) return // what comes while it is read first counts too
  if (type !== 'open') {
    const { item } = data
    if (item.id === at.folder.id) return type === 'moved' ? location.replace(at.tree.page(item)) : type === 'trashed' && location.replace(at.tree.at)
    if (item.parent_id !== at.folder.id && !at.rows.has(item.id)) return
  }
  at.timer ??= setTimeout(() => {
    at.timer = null
    load(at, true).catch(() => {})
  }, 200)
}

// watch reads a folder that has no stream again and again while it is looked at.
function watch(at) {
  const timer = setInterval(() => {
    if (!at.list.isConnected) clearInterval(timer)
    else if (document.visibilityState === 'visible') load(at, true).catch(({ status }) => status === 404 && dispatchEvent(new Event('hashchange')))
  }, 2000)
}

// What is chosen answers to the keyboard wherever it stands on the page.
addEventListener('keydown', async (event) => {
  const at = here, { key } = event
  if (!at?.list?.isConnected || document.querySelector('dialog[open]') || event.target.closest?.('input:not([type=checkbox]), select')) return
  if (key === 'Escape') at.choice.choose([])
  if (key === 'a' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault()
    while (at.cursor) await load(at, false, 500)
    at.choice.all()
  }
  const items = key === 'Delete' && at.tree.writes ? chosen(at, at.choice.ids.size ? undefined : event.target.closest?.('[data-id]')?.dataset.id ?? '') : []
  if (items.length) discard(at.api, items, at.tree).catch(sorry)
})

// Files may be dropped anywhere on the page, and land in the folder.
dropHere(() => here?.list?.isConnected && here.tree.writes ? here : null)
