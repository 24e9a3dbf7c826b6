// Tables that are read page by page and filtered. On a phone each row becomes a
// small card, whose cells say what they are.
import { button, el, sorry } from '../dom.js'

const atOnce = 25, atMost = 5000 // rows that are shown, and that a filter reads

// table makes one of columns [words, cell(item), 'minor'], of which the first says
// what the row is; on a phone those that are minor are left out, and with dense
// the others stand in one line. read(cursor) answers with a page; with find(item),
// the text that a filter looks at, there is a field for one. words says what to do
// where there is nothing.
export function table({ label, columns, read, find, words, open, dense = false }) {
  const body = el('tbody'), note = el('p.small', { role: 'status' })
  const node = el(`div.table${dense ? '.dense' : ''}`, {}), items = []
  let cursor, started = false, filter = '', shown = atOnce
  const matches = () => filter ? items.filter((item) => find(item).toLowerCase().includes(filter)) : items

  // load reads until there are n rows to show, or no more.
  async function load(n) {
    while ((!started || cursor) && matches().length < n && items.length < atMost) {
      if (filter && cursor) note.textContent = `Searched ${items.length} …`
      const page = await read(cursor)
      started = true
      items.push(...page.items)
      cursor = page.next_cursor
    }
    show()
  }

  function show() {
    const found = matches()
    body.replaceChildren(...found.slice(0, shown).map(row))
    more.hidden = found.length <= shown && !cursor
    note.textContent = filter ? found.length ? `${found.length} found.` : `Nothing found for “${search.value.trim()}”.` : ''
    if (items.length > 10 && find) search.hidden = false
    if (!items.length) node.replaceChildren(words)
  }

  const row = (item) => el('tr', {}, columns.map(([name, cell, kind], i) => {
    const inside = cell(item)
    return i ? el(`td${kind ? `.${kind}` : ''}`, { 'data-label': name }, inside) : el('th', { scope: 'row' }, open ? el('a', { href: open(item) }, inside) : inside)
  }))

  const more = button(null, 'Show more', () => {
    shown += atOnce
    return load(shown + 1).catch(sorry)
  }, { kind: 'wide', hidden: true })
  const search = el('input.search', { type: 'search', placeholder: 'Search', 'aria-label': `Search ${label.toLowerCase()}`, hidden: true, oninput: () => {
    clearTimeout(search.timer)
    search.timer = setTimeout(() => {
      filter = search.value.trim().toLowerCase()
      shown = atOnce
      load(filter ? Infinity : shown + 1).catch(sorry)
    }, 200)
  } })
  node.append(el('div.filter', {}, search, note), el('table', {}, el('caption.heard', {}, label),
    el('thead', {}, el('tr', {}, columns.map(([name]) => el('th', { scope: 'col' }, name || el('span.heard', {}, 'What to do'))))), body), more)
  return load(shown + 1).then(() => node)
}
