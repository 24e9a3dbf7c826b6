// Pictures of the portfolio are files of its writer: chosen where they lie, or
// brought from the device.
import { button, el, icon } from '../dom.js'
import { open } from '../form.js'
import { Upload } from '../tus.js'
import { frame } from './choices.js'

const kinds = /^image\/(png|jpeg|gif)$/

// thumbnail is a small picture: of one's own file, else as visitors see it.
export function thumbnail(api, id, { status } = {}, alt = '') {
  const img = el('img', { src: api.url(`/files/items/${id}/thumbnail`, { size: 256 }), alt, loading: 'lazy', onerror: () => {
    img.onerror = null
    if (status !== 'draft') img.src = api.url(`/portfolio/images/${id}`, { size: 512 })
  } })
  return img
}

// pictures is the row of a form; with most 1 there is one or none.
export function pictures(api, { name, label, hint, value, of, most = 50 }) {
  let ids = [...value]
  const list = el('ul.pictures', { 'aria-label': label })
  const changed = () => {
    show()
    list.dispatchEvent(new Event('input', { bubbles: true }))
  }
  const place = (i, to, words, picture) => ids[to] && button(picture, `Move picture ${i + 1} ${words}`, () => {
    [ids[i], ids[to]] = [ids[to], ids[i]]
    changed()
    list.children[to].querySelector('button')?.focus()
  }, { hide: true, kind: 'plain' })
  const show = () => {
    list.replaceChildren(...ids.map((id, i) => el('li', {}, thumbnail(api, id, of, `Picture ${i + 1}`), el('div.tools', {}, place(i, i - 1, 'to the front', 'left'), place(i, i + 1, 'to the back', 'right'),
      button('cross', `Remove picture ${i + 1}`, () => { ids.splice(i, 1); changed() }, { hide: true, kind: 'plain' })))))
  }
  const add = button('plus', most === 1 ? 'Choose a picture' : 'Add pictures', async () => {
    const chosen = await choose(api, most)
    if (!chosen?.length) return
    ids = most === 1 ? chosen : [...new Set([...ids, ...chosen])]
    changed()
  })
  show()
  const row = frame(name, label, hint, [list, add])
  return { ...row, value: () => ids }
}

// choose walks through the person's folders and answers with the ids of the
// pictures that were marked.
const choose = (api, most) => open('Your pictures', (close) => {
  const place = el('div.chooser'), progress = el('div'), marked = new Set()
  const done = button(null, 'Add', () => close([...marked]), { kind: 'main', disabled: true })
  const mark = (id, on) => {
    if (on && most === 1) return close([id])
    if (on) marked.add(id)
    else marked.delete(id)
    done.disabled = !marked.size
    done.textContent = marked.size > 1 ? `Add ${marked.size} pictures` : 'Add'
  }
  const refused = (problem) => {
    if (problem.name !== 'Problem') throw problem
    progress.replaceChildren(el('p.problem', { role: 'alert' }, problem.message))
  }
  const walk = (id) => look(id).catch(refused)
  const look = async (id) => {
    const folder = await api.get(`/files/items/${id}`), items = []
    for await (const one of api.list(`/files/items/${id}/children`, { limit: 500 })) items.push(one)
    const folders = items.filter(({ type }) => type === 'folder'), images = items.filter((one) => kinds.test(one.media_type))
    place.replaceChildren(
      el('p.here', {}, folder.parent_id && button('left', 'Up', () => walk(folder.parent_id), { hide: true, kind: 'plain' }), icon('folder'), el('strong', {}, folder.name || 'All files')),
      el('ul.list', {}, folders.map((one) => el('li', {}, button('folder', one.name, () => walk(one.id), { kind: 'open' })))),
      images.length ? el('ul.pictures', { 'aria-label': 'Pictures' }, images.map((one) => el('li', {}, el('label', {}, thumbnail(api, one.id),
        el('span.name', {}, el('input', { type: 'checkbox', checked: marked.has(one.id), onchange: ({ target }) => mark(one.id, target.checked) }), one.name)))))
        : el('p.hint', {}, 'No pictures in this folder.'))
  }
  walk('root')
  const file = el('input', { type: 'file', accept: 'image/png,image/jpeg,image/gif', multiple: most > 1, hidden: true, onchange: () => bring(api, [...file.files], progress).then((ids) => close([...marked, ...ids]), refused) })
  return [place, progress, file, el('div.ends', {}, button('upload', 'Upload from this device', () => file.click()), done)]
})

// bring uploads pictures into the folder “Portfolio”.
async function bring(api, files, progress) {
  const folder = await api.post('/files/folders', { path: '/Portfolio', parents: true }).catch((problem) => {
    if (problem.status !== 409) throw problem
    return api.get('/files/lookup', { path: '/Portfolio' })
  })
  const ids = [], taken = new Set()
  for await (const { name } of api.list(`/files/items/${folder.id}/children`, { limit: 500 })) taken.add(name.toLowerCase())
  for (const one of files) {
    const meter = el('progress', { max: 1, value: 0, 'aria-label': one.name })
    progress.replaceChildren(el('p.small', {}, `${one.name} (${ids.length + 1} of ${files.length})`), meter)
    const upload = new Upload(api, one, { folder: folder.id, name: free(one.name, taken) })
    upload.addEventListener('change', () => { meter.value = upload.sent / Math.max(1, one.size) })
    ids.push(await upload.start())
  }
  return ids
}

// free is a name that nothing has: phones call every picture the same, and one of
// another project must not be replaced.
function free(name, taken) {
  const [, stem, kind] = /^(.*?)(\.[^.]*)?$/.exec(name)
  for (let n = 1; ; n++) {
    const other = n === 1 ? name : `${stem} ${n}${kind ?? ''}`
    if (taken.has(other.toLowerCase())) continue
    taken.add(other.toLowerCase())
    return other
  }
}
