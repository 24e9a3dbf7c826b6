// A folder: the way to it, what is in it, page by page, and the news of it.
import { button, bytes, el, icon, say, sorry, when } from './dom.js'
import { ask } from './form.js'
import { actions, itemURL } from './items.js'
import { hasThumbnail, pictureOf, preview } from './preview.js'
import { dropped, pick } from './uploads.js'

const orders = [['name', 'By name'], ['-modified_at', 'Newest first'], ['-size', 'Largest first']]
let here // the folder that is shown: { api, folder, items, cursor, sort, list, reload }

// browse shows the folder at a path.
export async function browse(api, main, path) {
  here = { api, sort: localStorage.getItem('sort') ?? 'name', items: [], rows: new Map() }
  const mine = here
  let folder
  try {
    folder = await api.get('/files/lookup', { path })
  } catch (problem) {
    if (problem.status !== 404) throw problem
    location.replace('#/files')
    return say('That folder is not there any more.')
  }
  if (folder.type === 'file') return location.replace(itemURL({ path: path.replace(/\/[^/]*$/, '') }))
  mine.folder = folder
  mine.list = el('ul.list', { 'aria-label': 'Files and folders', onkeydown: arrows })
  mine.more = button(null, 'Show more', () => load(mine, false).catch(sorry), { kind: 'wide' })
  const sort = el('select', { 'aria-label': 'Order', onchange: () => {
    localStorage.setItem('sort', mine.sort = sort.value)
    load(mine, true).catch(sorry)
  } }, orders.map(([value, words]) => el('option', { value, selected: value === mine.sort }, words)))
  const search = el('input.search', { type: 'search', placeholder: 'Search', 'aria-label': 'Search all files', oninput: () => {
    clearTimeout(mine.typed)
    mine.typed = setTimeout(() => {
      sort.disabled = !!(mine.find = search.value.trim())
      mine.rows = new Map() // what is found says also where it lies
      load(mine, true).catch(sorry)
    }, 250)
  } })
  await load(mine, true)
  main.replaceChildren(
    el('div.head', {}, way(folder.path), el('div.tools', {}, search, sort,
      button('newfolder', 'New folder', () => newFolder(api, folder), { kind: 'seldom' }),
      button('upload', 'Upload', () => pick(api, folder), { kind: 'main' }))),
    mine.list, mine.more)
}

// way is the breadcrumb.
function way(path) {
  const names = path.split('/').filter(Boolean)
  return el('nav.way', { 'aria-label': 'Path' }, el('ol', {},
    el('li', {}, el('a', { href: '#/files' }, icon('home'), names.length ? el('span.heard', {}, 'All files') : el('h1', {}, 'All files'))),
    names.map((name, i) => el('li', {}, el('a', {
      href: itemURL({ path: '/' + names.slice(0, i + 1).join('/') }), 'aria-current': i === names.length - 1 ? 'page' : null,
    }, i === names.length - 1 ? el('h1', {}, name) : name)))))
}

// load reads the first page again, as long as what was shown, or the next one:
// of the folder, or of what was found.
async function load(at, again) {
  const most = again ? Math.max(50, at.items.length) : 50, items = []
  const { find, sort } = at
  let cursor = again ? null : at.cursor
  do {
    const limit = Math.min(500, most - items.length)
    const page = await (find ? at.api.get('/files/search', { q: find, limit, cursor }) : at.api.get(`/files/items/${at.folder.id}/children`, { sort, limit, cursor }))
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
  if (focused) (rows.get(focused)?.node ?? at.list).querySelector('a, button')?.focus()
  at.list.classList.toggle('empty', rows.size === 0)
  if (rows.size === 0 && at.find) {
    at.list.append(el('li.nothing', { role: 'status' }, el('p', {}, 'Nothing has such a name.')))
  } else if (rows.size === 0) {
    at.list.append(el('li.nothing', {}, icon('upload'), el('p', {}, 'Nothing here yet.'),
      button(null, 'Choose files', () => pick(at.api, at.folder), { kind: 'plain' }), el('p.hint', {}, 'or drop them here')))
  }
}

function row(at, item) {
  const folder = item.type === 'folder', time = item.modified_at ?? item.updated_at // a folder has no time of its bytes
  const picture = hasThumbnail(item)
    ? el('img', { src: at.api.url(`/files/items/${item.id}/thumbnail`, { size: 128, v: null }), alt: '', loading: 'lazy', onerror: (event) => event.target.replaceWith(icon(pictureOf(item))) })
    : icon(pictureOf(item))
  const inside = [el(`span.picture.${pictureOf(item)}`, {}, picture), el('span.name', {}, item.name),
    el('span.facts', {}, at.find ? `${item.path.replace(/\/[^/]*$/, '') || '/'} · ` : '', folder ? '' : `${bytes(item.size)} · `, el('time', { dateTime: time }, when(time)))]
  return el('li', { 'data-id': item.id },
    folder ? el('a.open', { href: itemURL(item) }, inside)
      : button(null, inside, () => preview(at.api, item, at.items), { kind: 'open' }),
    button('more', `What to do with ${item.name}`, () => actions(at.api, item), { hide: true, kind: 'plain' }))
}

// arrows walks through the list with the keyboard.
function arrows(event) {
  const step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key]
  const next = step && event.target.closest('li')?.[step]?.querySelector('.open')
  if (next) event.preventDefault()
  next?.focus()
}

const newFolder = (api, folder) => ask('New folder', {
  submit: 'Make it', fields: [{ name: 'name', label: 'Name', required: true, autocomplete: 'off' }],
  act: ({ name }) => api.post('/files/folders', { parent_id: folder.id, name }),
})

// changed takes an event of the stream. Many come at once when many files
// do, so the folder is read again a moment after the first.
export function changed({ type, data }) {
  const at = here
  if (!at?.list?.isConnected) return
  if (type !== 'open') {
    const { item } = data
    if (item.id === at.folder.id) return type === 'moved' ? location.replace(itemURL(item)) : type === 'trashed' && location.replace('#/files')
    if (item.parent_id !== at.folder.id && !at.rows.has(item.id)) return
  }
  at.timer ??= setTimeout(() => {
    at.timer = null
    load(at, true).catch(() => {})
  }, 200)
}

// Files may be dropped anywhere on the page, and land in the folder.
for (const kind of ['dragover', 'dragleave', 'drop']) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes('Files')) return
    event.preventDefault()
    const shown = here?.list?.isConnected
    document.body.classList.toggle('dropping', shown && kind === 'dragover')
    if (shown && kind === 'drop') dropped(here.api, here.folder, event.dataTransfer)
  })
}
