// The queue of uploads, and the panel that shows it. Each goes on by itself
// after the network was away; one that a reload broke off goes on when its
// file is chosen again, because a page may not keep files.
import { Upload } from '../tus.js'
import { button, bytes, el, icon, say } from '../dom.js'
import { open } from '../form.js'
import { above } from './tree.js'

const atOnce = 3
const panel = document.querySelector('.uploads')
const uploads = new Map() // to their rows
const states = {
  ready: 'Waiting for its turn', waiting: 'Waiting for the network', paused: 'Paused', done: 'Done', cancelled: 'Cancelled',
}

// pick lets files be chosen for a folder.
export function pick(api, folder, multiple = true) {
  const input = el('input', { type: 'file', multiple })
  input.addEventListener('change', () => add(api, folder, [...input.files].map((file) => ({ file, folder: '' }))))
  input.click()
}

// dropped takes what was dropped, folders with all that is in them, also where
// that is nothing. The folder may be a promise: what was dropped is read at once.
export async function dropped(api, folder, { items }) {
  const all = [...items].filter(({ kind }) => kind === 'file')
  const entries = all.map((item) => item.webkitGetAsEntry())
  const found = all.filter((_, i) => !entries[i]).map((item) => ({ file: item.getAsFile(), folder: '' })) // no folders here
  const folders = []
  const walk = async (entry, path) => {
    if (entry.isFile) return found.push({ file: await new Promise((done, fail) => entry.file(done, fail)), folder: path })
    folders.push(`${path}/${entry.name}`)
    const reader = entry.createReader()
    for (let some; (some = await new Promise((done, fail) => reader.readEntries(done, fail))).length;) {
      for (const inside of some) await walk(inside, `${path}/${entry.name}`)
    }
  }
  for (const entry of entries.filter(Boolean)) await walk(entry, '')
  await add(api, await folder, found, folders)
}

// add queues files; the folders that they were in are made, and what would
// replace another file is asked about once.
async function add(api, folder, found, folders = []) {
  const targets = new Map([['', { id: folder.id, names: found.some((one) => !one.folder) ? await namesIn(api, folder.id) : new Set() }]])
  for (const path of folders) { // each behind the one that it is in
    const answer = await api.fetch('/files/folders', { method: 'POST', json: { parent_id: targets.get(above(path)).id, name: path.split('/').pop(), parents: true } })
    const { id } = await answer.json()
    targets.set(path, { id, names: answer.status === 200 ? await namesIn(api, id) : new Set() }) // 201: it was not there before
  }
  const wanted = [], twice = []
  for (const { file, folder } of found) {
    const one = { file, name: file.name, target: targets.get(folder) }
    if (one.target.names.has(one.name.normalize())) twice.push(one)
    one.target.names.add(one.name.normalize())
    wanted.push(one)
  }
  const choice = twice.length && await open(twice.length === 1 ? `“${twice[0].name}” is there already` : `${twice.length} files are there already`, (close) => [
    el('p', {}, 'What is replaced stays for a while: “Versions” brings it back.'),
    el('div.ends', {}, button(null, 'Leave out', () => close('skip')), button(null, 'Keep both', () => close('both')), button(null, 'Replace', () => close('replace'), { kind: 'main' }))])
  for (const one of wanted) {
    if (twice.includes(one) && choice !== 'replace') {
      if (choice !== 'both') continue
      for (let n = 2; one.target.names.has(one.name.normalize()); n++) one.name = one.file.name.replace(/(\.[^.]*)?$/, (ending) => ` (${n})${ending}`)
    }
    one.target.names.add(one.name.normalize())
    const upload = new Upload(api, one.file, { folder: one.target.id, name: one.name })
    const same = [...uploads.keys()].find(({ key, state }) => key === upload.key && state !== 'done' && state !== 'cancelled')
    if (same) same.start().catch(() => {})
    else show(upload)
  }
  next()
}

// namesIn are those in a folder, as the server compares them.
async function namesIn(api, id) {
  const names = new Set()
  for await (const { name } of api.list(`/files/items/${id}/children`, { limit: 500 })) names.add(name.normalize())
  return names
}

// next begins as many as may be under way.
function next() {
  const all = [...uploads.keys()]
  const free = atOnce - all.filter(({ state }) => state === 'sending' || state === 'waiting').length
  for (const upload of all.filter(({ state }) => state === 'ready').slice(0, Math.max(0, free))) upload.start().catch(() => {})
}

function show(upload) {
  panel.hidden = false
  const meter = el('progress', { max: upload.size || 1, value: 0, 'aria-label': upload.name })
  const facts = el('span.facts'), tools = el('span.tools')
  const row = el('li', {}, el('span.name', {}, upload.name), tools, meter, facts)
  let state = ''
  const tell = () => {
    meter.value = upload.state === 'done' ? meter.max : upload.sent
    const left = upload.speed > 0 ? ` · ${duration((upload.size - upload.sent) / upload.speed)}` : ''
    facts.textContent = upload.state === 'sending' ? `${bytes(upload.sent)} of ${bytes(upload.size)}${left}`
      : upload.state === 'failed' ? upload.problem.message : states[upload.state]
    if (state === upload.state) return
    state = row.dataset.state = upload.state
    const held = state === 'paused' || state === 'failed', over = state === 'done' || state === 'cancelled'
    tools.replaceChildren(...over ? [icon(state === 'done' ? 'check' : 'cross')] : [
      held ? button('play', `Go on with ${upload.name}`, () => upload.start().catch(() => {}), { hide: true, kind: 'plain' })
        : button('pause', `Pause ${upload.name}`, () => upload.pause(), { hide: true, kind: 'plain' }),
      button('cross', `Cancel ${upload.name}`, () => upload.cancel(), { hide: true, kind: 'plain' })])
    if (state !== 'sending') summary()
    if (over || held) next()
  }
  upload.addEventListener('change', tell)
  uploads.set(upload, row)
  tell()
  list().append(row)
  summary()
}

function list() {
  const known = panel.querySelector('ul')
  if (known) return known
  const made = el('ul')
  panel.replaceChildren(el('header', {}, el('h2', {}, el('span', { role: 'status' })), button('cross', 'Hide what is done', clear, { hide: true, kind: 'plain' })), made)
  return made
}

// summary is what is read out: one line for all, not each percent of each.
function summary() {
  const all = [...uploads.keys()], done = all.filter(({ state }) => state === 'done').length
  const going = all.filter(({ state }) => !['done', 'cancelled', 'failed'].includes(state)).length
  list()
  panel.querySelector('header button').hidden = going > 0
  panel.querySelector('h2 span').textContent = going ? `Uploading ${all.length - going + 1} of ${all.length}` : `${done} uploaded`
}

function clear() {
  for (const [upload, row] of uploads) {
    if (['done', 'cancelled', 'failed'].includes(upload.state)) { row.remove(); uploads.delete(upload) }
  }
  panel.hidden = uploads.size === 0
}

const duration = (s) => s < 60 ? `${Math.ceil(s)} s left` : s < 3600 ? `${Math.ceil(s / 60)} min left` : `${(s / 3600).toFixed(1)} h left`

// unfinished offers to go on with what a reload broke off, a folder at a time,
// and forgets what the server has forgotten.
export async function unfinished(api) {
  const { id } = api.user, going = [...uploads.keys()].map(({ key }) => key), folders = {}
  for (const [key, url] of Object.entries(localStorage)) {
    if (!key.startsWith(`tus ${id} `) || going.includes(key)) continue
    const state = await api.get(url).then((upload) => upload.state, ({ status }) => status === 404 ? 'forgotten' : 'unknown')
    if (state === 'open') (folders[key.split(' ')[2]] ??= []).push(key)
    else if (state !== 'unknown') localStorage.removeItem(key)
  }
  if (api.user?.id !== id) return
  for (const [folder, keys] of Object.entries(folders)) {
    const name = keys[0].split(' ').slice(5).join(' '), more = keys.length - 1
    say(more ? `“${name}” and ${more} more were not uploaded to the end. Choose them again to go on.`
      : `“${name}” was not uploaded to the end. Choose it again to go on.`, 'Choose', () => {
      api.get(`/files/items/${folder}`).then((to) => pick(api, to), (problem) => {
        if (problem.status !== 404) throw problem
        for (const key of keys) localStorage.removeItem(key)
      })
    }, true)
  }
}

// leaveUploads lets go of everything when the person signs out.
export function leaveUploads() {
  for (const upload of uploads.keys()) if (!['done', 'failed', 'cancelled'].includes(upload.state)) upload.pause()
  uploads.clear()
  panel.replaceChildren()
  panel.hidden = true
}

addEventListener('beforeunload', (event) => {
  if ([...uploads.keys()].some(({ state }) => state === 'sending' || state === 'waiting')) event.preventDefault()
})
