// Several rows of a list are chosen: by their boxes, by clicks with Ctrl and
// Shift, with the keyboard, and on a touch screen by a long press. The rows are
// the list's own, each with the id of its item.
import { el } from '../dom.js'

const long = 500 // ms that a finger rests
const near = 10 // pixels that it may move meanwhile

export class Choice {
  ids = new Set()
  #list
  #told
  #anchor = null // the id from which Shift reaches
  #edge = null // and to which it did
  #touch = false // the last pointer was a finger
  #pressed = false // and what it lifts off from was a long press

  // told hears whenever others are chosen.
  constructor(list, told) {
    this.#list = list
    this.#told = told
    list.addEventListener('click', (event) => this.#click(event), true)
    list.addEventListener('keydown', (event) => this.#key(event))
    // Space would press the button that it stands on, in some browsers here.
    list.addEventListener('keyup', (event) => event.key === ' ' && event.target.matches('.open') && event.preventDefault())
    list.addEventListener('pointerdown', (event) => this.#down(event))
    list.addEventListener('contextmenu', (event) => this.#touch && event.preventDefault())
    list.addEventListener('dragstart', (event) => this.#touch && event.preventDefault())
  }

  // box is for the row of an item. A row that is drawn anew is as it was.
  box({ id, name }) {
    return el('label.choose', {}, el('input', { type: 'checkbox', checked: this.ids.has(id), 'aria-label': `Choose ${name}` }))
  }

  choose(ids) {
    this.ids = new Set(ids)
    this.#anchor = this.#edge = null
    this.draw()
  }

  all() { this.choose(this.#rows().map(idOf)) }

  // draw shows what is chosen, without what is no longer in the list.
  draw() {
    const rows = this.#rows(), there = new Set(rows.map(idOf))
    for (const id of this.ids) if (!there.has(id)) this.ids.delete(id)
    for (const row of rows) {
      const chosen = this.ids.has(idOf(row))
      row.classList.toggle('chosen', chosen)
      const box = row.querySelector('.choose input')
      if (box) box.checked = chosen
    }
    this.#list.classList.toggle('choosing', this.ids.size > 0)
    this.#told()
  }

  #rows() { return [...this.#list.querySelectorAll(':scope > [data-id]')] }

  #toggle(row) {
    const id = idOf(row)
    if (!this.ids.delete(id)) this.ids.add(id)
    this.#anchor = this.#edge = id
    this.draw()
  }

  // extend chooses from the anchor to a row, in place of what it reached before.
  #extend(row) {
    const ids = this.#rows().map(idOf), from = ids.indexOf(this.#anchor)
    if (from < 0) return this.#toggle(row)
    const reach = (to) => ids.slice(Math.min(from, to), Math.max(from, to) + 1)
    for (const id of reach(ids.indexOf(this.#edge))) this.ids.delete(id)
    for (const id of reach(ids.indexOf(idOf(row)))) this.ids.add(id)
    this.#edge = idOf(row)
    this.draw()
  }

  #click(event) {
    const row = rowOf(event)
    if (!row) return
    const box = event.target.matches('.choose input')
    if (event.target.closest('.choose') && !box) return // the click on the box follows
    const reaches = event.shiftKey && event.detail > 0
    const goesOn = this.#touch && this.ids.size > 0 && event.target.closest('.open')
    if (!box && !this.#pressed && !reaches && !event.ctrlKey && !event.metaKey && !goesOn) return
    event.stopPropagation()
    if (!box) event.preventDefault()
    if (this.#pressed) this.#pressed = false
    else if (reaches) this.#extend(row)
    else this.#toggle(row)
  }

  #key(event) {
    const row = rowOf(event), step = { ArrowDown: 'nextElementSibling', ArrowUp: 'previousElementSibling' }[event.key]
    const next = step && row?.[step]?.querySelector('.open')
    if (event.key === ' ' && event.target.matches('.open')) {
      event.preventDefault()
      this.#toggle(row)
    } else if (next) {
      event.preventDefault()
      next.focus()
      if (!event.shiftKey) return
      if (!this.ids.has(this.#anchor)) {
        this.ids.add(idOf(row))
        this.#anchor = this.#edge = idOf(row)
      }
      this.#extend(next.closest('[data-id]'))
    }
  }

  #down(event) {
    this.#touch = event.pointerType === 'touch'
    this.#pressed = false
    const row = rowOf(event)
    if (!this.#touch || !row || !event.target.closest('.open')) return
    const { clientX: x, clientY: y } = event, over = new AbortController(), { signal } = over
    const timer = setTimeout(() => {
      over.abort()
      this.#pressed = true
      navigator.vibrate?.(10)
      this.#toggle(row)
    }, long)
    signal.addEventListener('abort', () => clearTimeout(timer))
    for (const kind of ['pointerup', 'pointercancel']) addEventListener(kind, () => over.abort(), { signal })
    addEventListener('pointermove', (moved) => Math.hypot(moved.clientX - x, moved.clientY - y) > near && over.abort(), { signal })
  }
}

const idOf = (row) => row.dataset.id
const rowOf = (event) => event.target.closest('[data-id]')
