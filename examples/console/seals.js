// The seals of the log: each names the one before it, so that none can be taken
// out unseen.
import { button, el } from '../dom.js'
import { ask } from '../form.js'
import { count, exactly, head, nothing } from './parts.js'
import { copied } from './secret.js'
import { table } from './table.js'

export async function seals(api, main, bar) {
  let newest
  const read = async (cursor) => {
    const page = await api.get('/audit/seals', { limit: 50, cursor })
    newest ??= page.items[0]
    return page
  }
  const list = await table({
    label: 'Seals', read, columns: [
      ['Seal', ({ id }) => el('strong', {}, `No. ${id.toLocaleString()}`)], ['Made', ({ at }) => exactly(at)], ['Events', ({ events: n }) => n.toLocaleString()],
      ['Fingerprint', ({ hash }) => el('code', {}, `${hash.slice(0, 16)}…`)], ['Seal before', ({ previous_hash: hash }) => hash ? el('code', {}, `${hash.slice(0, 16)}…`) : 'the first'],
    ], words: nothing('lock', 'The first seal is made half a minute after the first event.'),
  })
  const result = el('p', { role: 'status' })
  main.replaceChildren(head('Seals', newest && button('copy', 'Copy the newest', () => keep(newest)), newest && button('check', 'Check the chain', () => check(api, result))), bar,
    el('p.hint', {}, 'Each seal covers some events and names the seal before it, so an event or a seal that is changed or removed later breaks the chain. “homebase audit verify” on the server also checks every event.'), result, list)
}

// check reads all seals and compares what each says of the one before it.
async function check(api, result) {
  let later, n = 0
  for await (const seal of api.list('/audit/seals', { limit: 500 })) {
    if (later && later.previous_hash !== seal.hash) return result.replaceChildren(el('span.problem', {}, `The chain is broken: seal ${later.id} names another one than seal ${seal.id} before it.`))
    later = seal
    if (++n % 500 === 0) result.textContent = `Checked ${n.toLocaleString()} …`
  }
  result.textContent = later?.previous_hash ? `The chain is broken: seal ${later.id} is the first, but names one before it.` : `${count(n, 'seal')} checked: each names the one before it.`
}

const keep = ({ id, hash, at }) => ask(`Seal ${id.toLocaleString()}`, { submit: 'Done', words: el('div', {},
  el('p', {}, `Made on ${exactly(at)}. Keep this fingerprint outside of the server: “homebase audit verify --last-seal …” then also finds out whether the newest seals were removed.`), copied('Fingerprint', hash)) })
