// What is done to items of a tree, to one as to several at once. Each is an
// operation of its own: one that is refused stops none of the others.
import { bytes, el, say, sorry } from '../dom.js'
import { chooseFolder } from './folders.js'

const most = 500 // items of one request

const named = (items) => items.length === 1 ? `“${items[0].name}”` : `${items.length} items`
const are = (items) => items.length === 1 ? 'is' : 'are'

// downloadURL is where the bytes are: a file's own, a folder's as a zip.
export const downloadURL = (api, item) => item.type === 'folder'
  ? api.url(`/files/items/${item.id}/archive`) : api.url(item.content ?? `/files/items/${item.id}/content`, { download: true })

// batch carries an operation out on each item. It answers with the items that it
// was done to, as { item, result }, and with those that it was not.
async function batch(api, items, operation) {
  const done = [], refused = []
  for (let at = 0; at < items.length; at += most) {
    const some = items.slice(at, at + most)
    const { results } = await api.post('/files/batch', { operations: some.map(operation) })
    results.forEach((result, i) => (result.problem ? refused : done).push({ item: some[i], result }))
  }
  return { done, refused }
}

const only = (outcomes) => outcomes.map(({ item }) => item)

// tell says what was done and what was not.
function tell({ done, refused }, words, undo) {
  const why = refused.length && `“${refused[0].item.name}”${refused.length > 1 ? ` and ${refused.length - 1} more` : ''}: ${refused[0].result.problem.detail ?? refused[0].result.problem.title}`
  const text = done.length ? `${named(only(done))} ${words}.` : ''
  say([text, why && (done.length ? `Not ${why}` : why)].filter(Boolean).join(' '), 'Undo', undo && done.length ? () => undo(only(done)).catch(sorry) : null)
}

// discard puts items into the trash of their tree, which not everybody reaches.
export async function discard(api, items, { restores }) {
  const outcome = await batch(api, items, ({ id }) => ({ op: 'trash', id }))
  tell(outcome, `${are(only(outcome.done))} in the trash`, restores && (async (back) => {
    for (const { id } of back) await api.post(`/files/trash/${id}/restore`)
  }))
}

// move asks where to. What lies in another tree goes there as a copy, and the
// original into its trash.
export async function move(api, items) {
  const folder = await chooseFolder(api, { title: `Move ${named(items)}`, submit: 'Move here', from: items[0].parent_id, without: items })
  if (folder) await moveTo(api, items, folder)
}

export async function moveTo(api, items, folder) {
  const moved = await batch(api, items, ({ id }) => ({ op: 'move', id, parent_id: folder.id }))
  const away = moved.refused.filter(({ result }) => result.problem.code === 'other_tree')
  const there = (done) => `${are(only(done))} in “${folder.name || 'All files'}” now`
  if (!away.length) {
    return tell(moved, there(moved.done), (back) => {
      const homes = new Map(items.map(({ id, parent_id: parent }) => [id, parent]))
      return batch(api, back, ({ id }) => ({ op: 'move', id, parent_id: homes.get(id) }))
    })
  }
  const copied = await batch(api, only(away), ({ id }) => ({ op: 'copy', id, parent_id: folder.id }))
  const whole = copied.done.filter(({ result }) => !result.left_out?.length)
  if (whole.length) await batch(api, only(whole), ({ id }) => ({ op: 'trash', id }))
  tell({ done: copied.done, refused: [...moved.refused.filter((one) => !away.includes(one)), ...copied.refused] },
    whole.length === copied.done.length ? there(whole) : `${are(only(copied.done))} copied; where something could not be read the original stays`)
}

export async function copyTo(api, items) {
  const folder = await chooseFolder(api, { title: `Copy ${named(items)}`, submit: 'Copy here', from: items[0].parent_id })
  if (!folder) return
  const outcome = await batch(api, items, ({ id }) => ({ op: 'copy', id, parent_id: folder.id }))
  const lacks = outcome.done.flatMap(({ result }) => result.left_out ?? [])
  tell(outcome, `${are(only(outcome.done))} copied to “${folder.name || 'All files'}”${lacks.length ? `, without “${lacks[0].path}”${lacks.length > 1 ? ` and ${lacks.length - 1} more` : ''}` : ''}`)
}

// download saves one item by the browser's own download, several as one zip. A
// zip of several has no address of its own: it is read here first, and browsers
// keep what is large on the disk.
export async function download(api, items) {
  await api.fresh()
  if (items.length === 1) return save(downloadURL(api, items[0]))
  const stop = new AbortController()
  const note = say('Creating the zip …', 'Stop', () => stop.abort(), true)
  try {
    const answer = await api.fetch('/files/archive', { method: 'POST', json: { ids: items.map(({ id }) => id) }, signal: stop.signal })
    let read = 0
    const counted = answer.body.pipeThrough(new TransformStream({ transform(piece, out) {
      note.firstChild.textContent = `Creating the zip: ${bytes(read += piece.length)} so far.`
      out.enqueue(piece)
    } }))
    const url = URL.createObjectURL(await new Response(counted).blob())
    save(url, 'files.zip')
    setTimeout(() => URL.revokeObjectURL(url), 60_000)
  } finally {
    note.remove()
  }
}

const save = (href, name = '') => el('a', { href, download: name }).click()
