// A file that a route answers with, saved under a name. While it comes, its button
// counts.
import { button, bytes, el, say } from '../dom.js'

// saving is the button; from answers with the path and the query.
export function saving(label, api, from, name) {
  const node = button('download', label, async () => {
    const words = node.lastChild
    node.disabled = true
    try {
      const parts = [], [path, query] = from(), answer = await api.fetch(path, { query })
      let size = 0
      for (const reader = answer.body.getReader(); ;) {
        const { value, done } = await reader.read()
        if (done) break
        parts.push(value)
        words.textContent = `${bytes(size += value.length)} …`
      }
      const href = URL.createObjectURL(new Blob(parts, { type: answer.headers.get('Content-Type') }))
      el('a', { href, download: name }).click()
      setTimeout(() => URL.revokeObjectURL(href), 60_000)
      say(`“${name}” is saved: ${bytes(size)}.`)
    } finally {
      words.textContent = label
      node.disabled = false
    }
  })
  return node
}
