// Something that is shown once, with a button that copies it.
import { button, el, say } from '../dom.js'
import { ask } from '../form.js'

export function copied(label, text) {
  const input = el('input', { readOnly: true, value: text, 'aria-label': label, onfocus: () => input.select() })
  return el('div.copy', {}, input, button('copy', 'Copy', () => navigator.clipboard.writeText(text).then(() => say('Copied.'), () => input.focus()), { kind: 'main' }))
}

export const once = (title, label, text, words = 'It is shown this once: copy it now.') =>
  ask(title, { words: el('div', {}, el('p', {}, words), copied(label, text)), submit: 'I have kept it' })
