// A list that is put in order: its handles are dragged by mouse or finger, or
// moved by the arrow keys. What it is in the end is saved once.
import { button, el, say } from '../dom.js'

// ordered makes the list of items; row(item) is what is in one. save is given the ids.
export function ordered({ label, items, called, row, save }) {
  const list = el('ul.list.ordered', { 'aria-label': label }), heard = el('span.heard', { role: 'status' })
  const ids = () => [...list.children].map((li) => li.dataset.id)
  let before = items.map(({ id }) => id), timer

  const keep = () => {
    clearTimeout(timer)
    const now = ids(), old = before
    if (now.join() === old.join()) return
    before = now
    save(now).then(() => say('The order is saved.', 'Undo', () => save(old).then(() => arrange(old))), (problem) => {
      arrange(old)
      say(problem.message)
    })
  }
  const arrange = (order) => {
    before = order
    list.append(...order.map((id) => [...list.children].find((li) => li.dataset.id === id)))
  }

  const handle = (li, item) => {
    const node = button('grip', `Move ${called(item)}: arrow keys, or drag`, null, { hide: true, kind: 'handle' })
    node.addEventListener('keydown', (event) => {
      const to = { ArrowUp: li.previousElementSibling, ArrowDown: li.nextElementSibling }[event.key]
      if (to === undefined) return
      event.preventDefault()
      if (!to) return
      if (event.key === 'ArrowUp') li.after(to)
      else li.before(to)
      heard.textContent = `${called(item)} is number ${ids().indexOf(item.id) + 1} of ${items.length}.`
      clearTimeout(timer)
      timer = setTimeout(keep, 1500)
    })
    node.addEventListener('blur', () => timer && node.isConnected && !li.classList.contains('dragged') && keep())
    node.addEventListener('pointerdown', (event) => {
      event.preventDefault()
      node.setPointerCapture(event.pointerId)
      li.classList.add('dragged')
      const follow = ({ clientY }) => {
        const over = [...list.children].find((one) => one !== li && clientY > one.getBoundingClientRect().top && clientY < one.getBoundingClientRect().bottom)
        if (!over) return
        const middle = over.getBoundingClientRect().top + over.offsetHeight / 2, down = li.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING
        // The others go round it: a node that is moved itself loses the pointer.
        if (down && clientY > middle) while (over.compareDocumentPosition(li) & Node.DOCUMENT_POSITION_PRECEDING) li.before(li.nextElementSibling)
        if (!down && clientY < middle) while (over.compareDocumentPosition(li) & Node.DOCUMENT_POSITION_FOLLOWING) li.after(li.previousElementSibling)
      }
      node.addEventListener('pointermove', follow)
      node.addEventListener('lostpointercapture', () => {
        node.removeEventListener('pointermove', follow)
        li.classList.remove('dragged')
        keep()
      }, { once: true })
    })
    return node
  }
  list.append(...items.map((item) => {
    const li = el('li', { 'data-id': item.id })
    li.append(...[items.length > 1 && handle(li, item), row(item)].flat().filter(Boolean))
    return li
  }))
  return [list, heard]
}
