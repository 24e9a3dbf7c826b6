// Something that is shown once, with a button that copies it.
import { button, el, say } from '../dom.js'
import { ask } from '../form.js'

export function copied(label, text) {
  const input = el('input', { readOnly: true, value: text, 'aria-label': label, onfocus: () => input.select() })
  return el('div.copy', {}, input, button('copy', 'Copy', () => navigator.clipboard.writeText(text).then(() => say('Copied.'), () => input.focus()), { kind: 'main' }))
}

// once shows it with what else is said; a click beside the dialog does not close it.
export const once = (title, label, text, words = 'Copy it now: it is shown only this once.') =>
  ask(title, { words: el('div.kept', {}, el('div', {}, words), copied(label, text)), submit: 'I have saved it' })
