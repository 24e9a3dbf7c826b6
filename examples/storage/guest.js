// The page for whoever was given a link, share.html#<token>: nothing to sign
// in to. Nothing is shown by itself that would count as a download.
import { Homebase, Problem } from '../homebase.js'
import { button, bytes, el, icon, sorry, when } from '../dom.js'
import { form } from '../form.js'
import { pictureOf } from './preview.js'

const api = new Homebase()
const main = document.querySelector('main')
const at = () => `/files/shared/${encodeURIComponent(location.hash.slice(1))}`
const small = (picture, title, ...inside) => main.replaceChildren(el('div.centre', {}, el('section.card.small', {}, el('span.big', {}, icon(picture)), el('h1', {}, title), inside)))
const download = (item, what = 'content') => api.url(`${at()}/${what}`, { item_id: item?.id, download: what === 'content' ? true : null })

async function show() {
  const mine = at()
  main.ondragover = main.ondrop = null
  try {
    const { mode, item, max_size: most } = await api.get(mine)
    if (mine !== at()) return // another link was opened meanwhile
    if (mode === 'drop') drop(most)
    else if (item.type === 'folder') folder([item])
    else file(item)
  } catch (problem) {
    if (mine !== at()) return
    if (problem.code === 'share_password_required') return locked()
    if (problem.status !== 404) return sorry(problem)
    small('cross', 'This link does not work', el('p', {}, 'It has ended, or part of it is missing. Ask whoever gave it to you for a new one.'))
  }
}

function locked() {
  small('lock', 'A password, please', form({
    fields: [{ name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'off' }], submit: 'Open',
    act: async ({ password }) => { await api.post(`${at()}/unlock`, { password }); await show() },
  }))
}

function file(item) {
  document.title = item.name
  small(pictureOf(item), item.name, el('p.facts', {}, bytes(item.size)),
    el('a.main.wide', { href: download(null) }, icon('download'), 'Download'))
}

// folder shows the last of the folders that lead there.
async function folder(path, cursor = null, before = []) {
  const here = path.at(-1)
  document.title = here.name
  const page = await api.get(`${at()}/children`, { item_id: here.id, limit: 100, cursor })
  const items = [...before, ...page.items]
  const open = (to) => folder(to).catch(sorry)
  main.replaceChildren(el('div.head', {}, el('nav.way', { 'aria-label': 'Path' }, el('ol', {}, path.map((step, i) =>
    el('li', {}, button(i ? null : 'folder', step.name, () => open(path.slice(0, i + 1)), { kind: 'plain', 'aria-current': step === here ? 'page' : null }))))),
  el('div.tools', {}, el('a.main', { href: download(here, 'archive') }, icon('download'), 'Download all'))),
  el('ul.list', { 'aria-label': 'Files and folders' }, items.length ? items.map((item) => {
    const inside = [el(`span.picture.${pictureOf(item)}`, {}, icon(pictureOf(item))), el('span.name', {}, item.name),
      item.type === 'file' && el('span.facts', {}, `${bytes(item.size)} · ${when(item.modified_at)}`)]
    return el('li', {}, item.type === 'folder' ? button(null, inside, () => open([...path, item]), { kind: 'open' }) : el('a.open', { href: download(item) }, inside, icon('download')))
  }) : el('li.nothing', {}, icon('folder'), el('p', {}, 'This folder is empty.'))),
  ...page.next_cursor ? [button(null, 'Show more', () => folder(path, page.next_cursor, items).catch(sorry), { kind: 'wide' })] : [])
}

// drop takes files and shows none of those that are there.
function drop(most) {
  const list = el('ul.list', { 'aria-label': 'Your files' }), to = at()
  const input = el('input', { type: 'file', multiple: true, className: 'heard', tabIndex: -1, 'aria-label': 'Files', onchange: () => send([...input.files]) })
  const send = async (files) => { for (const one of files) await put(to, one, most, list).catch(sorry) }
  small('upload', 'Upload your files here', el('p.hint', {}, `Up to ${bytes(most)} each. Only the owner sees them.`),
    button('plus', 'Choose files', () => input.click(), { kind: 'main' }), input, list)
  main.ondragover = (event) => event.preventDefault()
  main.ondrop = (event) => { event.preventDefault(); send([...event.dataTransfer.files]) }
}

// put sends one file; XMLHttpRequest tells how far it is.
function put(to, file, most, list) {
  const meter = el('progress', { max: file.size || 1, value: 0, 'aria-label': file.name }), facts = el('span.facts', {}, bytes(file.size))
  list.append(el('li', {}, el('span.open', {}, el('span.picture', {}, icon('file')), el('span.name', {}, file.name), facts, meter)))
  return new Promise((done, fail) => {
    if (file.size > most) throw new Problem({ detail: `“${file.name}” is larger than ${bytes(most)}.` })
    const request = new XMLHttpRequest()
    request.open('PUT', api.url(`${to}/drop/${encodeURIComponent(file.name)}`))
    request.withCredentials = true
    if (file.lastModified > 0) request.setRequestHeader('X-OC-Mtime', file.lastModified / 1000)
    request.upload.onprogress = ({ loaded }) => { meter.value = loaded }
    request.onerror = () => fail(new Problem())
    request.onload = () => {
      let told = {}
      try { told = JSON.parse(request.responseText) } catch { /* a proxy's page */ }
      if (request.status !== 201) return fail(new Problem({ ...told, status: request.status }))
      meter.value = meter.max
      facts.textContent = 'Received. Thank you!'
      done()
    }
    request.send(file)
  }).catch((problem) => { facts.textContent = problem.message; throw problem })
}

addEventListener('hashchange', show)
await show()
