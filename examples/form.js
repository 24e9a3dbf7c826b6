// Forms and dialogs: each field has a label, what is wrong stands beside the
// field that it is about, and the keyboard finds its way back.
import { Problem } from './homebase.js'
import { button, el, sorry } from './dom.js'

let ids = 0

// form makes a form of fields { name, label, type?, value?, hint?, options?,
// … attributes of the input }, or of rows { name, node, value(), wrong(text) } that
// are made elsewhere. act is given the values by name; a Problem that it throws
// is shown and the form stays. data-changed says that something in it is not kept.
export function form({ fields = [], submit, danger = false, act, extra = [] }) {
  const rows = fields.map((one) => one.node ? one : field(one))
  const alert = el('p.problem', { role: 'alert', hidden: true })
  const send = el('button', { type: 'submit', className: danger ? 'danger' : 'main' }, submit)
  const node = el('form', { noValidate: true }, rows.map((row) => row.node), alert, el('div.ends', {}, extra, send))
  node.addEventListener('input', () => { node.dataset.changed = 'yes' })
  node.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (send.disabled) return
    for (const row of rows) row.wrong('')
    const empty = rows.find(({ input }) => input && !input.checkValidity())
    if (empty) {
      empty.wrong(empty.input.validationMessage)
      return empty.input.focus()
    }
    alert.hidden = true
    send.disabled = true
    send.ariaBusy = 'true'
    try {
      await act(Object.fromEntries(rows.map((row) => [row.name, row.value()])))
      delete node.dataset.changed
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem
      const told = rows.filter((row) => row.wrong(wrongOf(problem.fields, row.name)))
      alert.textContent = [problem.message, ...told.length ? [] : Object.values(problem.fields)].join(' ')
      alert.hidden = told.length > 0
      ;(told[0]?.input ?? rows.at(-1)?.input)?.focus()
    } finally {
      send.disabled = false
      send.ariaBusy = null
    }
  })
  return node
}

// wrongOf is what the server says of a field, or of a part of it: links/1/url.
function wrongOf(fields, name) {
  const [at, text] = Object.entries(fields).find(([at]) => at === name || at.startsWith(`${name}/`)) ?? []
  const part = Number(at?.split('/')[1])
  return part >= 0 ? `${part + 1}: ${text}` : text ?? ''
}

// field has the types of an input, "text" with rows for a text of many lines, and
// "lines" for a list: one a line, or parted by what split says.
function field({ name, label, hint, options, type = 'text', split = '\n', ...more }) {
  const id = `field-${++ids}`, lines = type === 'lines'
  if (lines) more.value = (more.value ?? []).join('\n')
  const input = options ? el('select', { id, name }, options.map(([value, words]) => el('option', { value }, words)))
    : lines || more.rows ? el('textarea', { id, name, rows: 3, ...more })
    : el('input', { id, name, type, ...more })
  if (options && more.value) input.value = more.value
  const wrong = el('p.problem', { id: `${id}-wrong`, hidden: true })
  const note = hint && el('p.hint', { id: `${id}-hint` }, hint)
  input.setAttribute('aria-describedby', `${id}-wrong${hint ? ` ${id}-hint` : ''}`)
  const words = el('label', { htmlFor: id }, label)
  const read = { checkbox: () => input.checked, lines: () => input.value.split(split).map((line) => line.trim()).filter(Boolean) }[type] ?? (() => input.value)
  return {
    name, input, value: read,
    node: el(type === 'checkbox' ? 'div.field.check' : 'div.field', {}, type === 'checkbox' ? [input, words] : [words, input], note, wrong),
    wrong(text) {
      input.toggleAttribute('aria-invalid', !!text)
      wrong.textContent = text
      wrong.hidden = !text
      return !!text
    },
  }
}

// open shows a dialog; fill is given the function that closes it with a
// result, which open answers with. Escape, the cross and a click beside it close
// it with undefined; a click beside it only where nothing is lost by that.
export function open(title, fill, { kind = '', tools = [] } = {}) {
  return new Promise((done) => {
    let result
    const id = `dialog-${++ids}`
    const dialog = el(`dialog${kind && `.${kind}`}`, { 'aria-labelledby': id })
    const close = (value) => { result = value; dialog.close() }
    const head = el('header', {}, el('h2', { id }, title), tools, button('cross', 'Close', () => close(), { hide: true, kind: 'plain' }))
    dialog.append(head, el('div.content', {}, fill(close, dialog)))
    let beside = false // where a click began: text that is marked may end outside
    dialog.addEventListener('pointerdown', (event) => { beside = event.target === dialog })
    dialog.addEventListener('click', (event) => beside && event.target === dialog && !dialog.querySelector('[data-changed], .kept') && close())
    dialog.addEventListener('close', () => { dialog.remove(); done(result) })
    document.body.append(dialog)
    dialog.showModal()
    // What has to be filled in, else what is most likely wanted: of a long form its beginning.
    const first = dialog.querySelectorAll('.field').length > 2 ? '.content input:not([type=checkbox]), ' : ''
    // Before what cannot be undone it is the button that leaves all as it is.
    ;(dialog.querySelector('.content input:required') ?? dialog.querySelector(`${first}.content .main, .content .cancel`))?.focus()
  })
}

// leaveDialogs closes what is open when its page is left, as with the back button of
// a phone. It answers false where something would be lost by that, or was shown only
// once: the page stays. A password that is asked for is asked for on any page.
export function leaveDialogs() {
  const dialogs = [...document.querySelectorAll('dialog[open]')].filter((one) => !one.querySelector('[autocomplete=current-password]'))
  if (dialogs.some((one) => one.querySelector('[data-changed], .kept'))) return false
  for (const one of dialogs) one.close()
  return true
}

// sheet shows what can be done, one below the other: links, and [picture, words,
// act] for buttons. What act refuses is said.
export const sheet = (title, rows) => open(title, (close) => el('ul.actions', { onclick: ({ target }) => target.closest('a') && close() },
  rows.filter(Boolean).map((row) => el('li', {}, Array.isArray(row) ? button(row[0], row[1], () => {
    close()
    Promise.resolve(row[2]()).catch(sorry)
  }) : row))), { kind: 'sheet' })

// ask shows a form in a dialog and answers with what act answers.
export function ask(title, { words, ...of }) {
  return open(title, (close) => [words && el('p', {}, words), form({ extra: of.danger ? button(null, 'Cancel', () => close(), { kind: 'cancel' }) : [], ...of, act: async (values) => close(await of.act?.(values) ?? true) })])
}

// sure asks before what cannot be undone.
export const sure = (title, words, submit) => ask(title, { words, submit, danger: true })
