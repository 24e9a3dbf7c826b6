// Rows for forms in which several things can be chosen, or pairs be written.
import { button, el } from '../dom.js'
import { permissions } from '../permissions.js'

let ids = 0

// frame is a row with several inputs.
export function frame(name, label, hint, inside) {
  const wrong = el('p.problem', { id: `choices-${++ids}`, hidden: true })
  const node = el('fieldset.field', { 'aria-describedby': wrong.id }, el('legend', {}, label), hint && el('p.hint', {}, hint), inside, wrong)
  return { name, node, wrong(text) {
    wrong.textContent = text
    wrong.hidden = !text
    return !!text
  } }
}

// choices are checkboxes: options [value, words]; the value is a list.
export function choices({ name, label, hint, options, value = [] }) {
  const boxes = options.map(([one, words]) => [one, el('input', { type: 'checkbox', checked: value.includes(one) }), words ?? one])
  const row = frame(name, label, hint, el('div.choices', {}, boxes.map(([, input, words]) => el('label', {}, input, el('span', {}, words)))))
  return { ...row, value: () => boxes.filter(([, input]) => input.checked).map(([one]) => one) }
}

// mayChoose are the permissions that somebody can give: those of their own, and
// those that are given already, in the server's sentences.
export async function mayChoose(api, label, value) {
  const options = [...await permissions(api)].filter(([name]) => api.user.permissions.includes(name) || value.includes(name))
  return choices({ name: 'permissions', label, options, value })
}

// links are pairs of a label and an address. What else a link has stays with it.
export function links({ name, label, hint, value = [] }) {
  const list = el('ul.pairs'), of = new Map()
  const add = (one = { label: '', url: '' }) => {
    const words = el('input', { value: one.label, 'aria-label': 'Text of the link', placeholder: 'Text' })
    const url = el('input', { value: one.url, type: 'url', 'aria-label': 'Address of the link', placeholder: 'https://…' })
    const li = el('li', {}, words, url, button('cross', 'Remove this link', () => {
      li.remove()
      list.dispatchEvent(new Event('input', { bubbles: true }))
    }, { hide: true, kind: 'plain' }))
    of.set(li, () => ({ ...one, label: words.value.trim(), url: url.value.trim() }))
    list.append(li)
    return words
  }
  value.forEach(add)
  const row = frame(name, label, hint, [list, button('plus', 'Add a link', () => add().focus())])
  return { ...row, value: () => [...list.children].map((li) => of.get(li)()).filter((one) => one.label || one.url) }
}
