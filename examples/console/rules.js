// For whom a flag is on: a list of rules, of which one has to match. A rule
// matches whoever is all that it names.
import { button, el } from '../dom.js'
import { frame } from './choices.js'

export function rulesIn({ roles = [], users = [], percentage }) {
  return [roles.length && `with the role ${roles.join(' or ')}`, users.length && `${users.length === 1 ? 'one named person' : `${users.length} named people`}`, percentage != null && `${percentage} % of people`].filter(Boolean).join(' and ')
}

// ruleRow is the row of a form with the rules.
export async function ruleRow(api, value) {
  const people = new Map(), roles = []
  if (api.can('users:manage')) {
    for await (const { id, email } of api.list('/auth/users', { limit: 500 })) people.set(id, email)
    for await (const { name } of api.list('/auth/roles', { limit: 200 })) roles.push(name)
  }
  const idOf = (text) => [...people].find(([, email]) => email.toLowerCase() === text.toLowerCase())?.[0] ?? text
  const list = el('ul.rules'), of = new Map()
  const lines = (text) => text.split(/[\n,]/).map((part) => part.trim()).filter(Boolean)
  const add = (rule = {}) => {
    const named = el('input', { value: (rule.roles ?? []).join(', '), placeholder: roles.join(', ') })
    const users = el('textarea', { rows: 2, value: (rule.users ?? []).map((id) => people.get(id) ?? id).join('\n') })
    const part = el('input', { type: 'number', min: 0, max: 100, step: 'any', value: rule.percentage ?? '' })
    const label = (words, input) => el('label', {}, words, input)
    const li = el('li', {}, label('With one of these roles', named), label('One of these people: e-mail addresses, one per line', users), label('Percent of people', part),
      button('cross', 'Remove this rule', () => {
        li.remove()
        list.dispatchEvent(new Event('input', { bubbles: true }))
      }, { kind: 'plain' }))
    of.set(li, () => ({ ...named.value.trim() && { roles: lines(named.value) }, ...users.value.trim() && { users: lines(users.value).map(idOf) }, ...part.value !== '' && { percentage: Number(part.value) } }))
    list.append(li)
    return named
  }
  value.forEach(add)
  const row = frame('rules', 'Only for some', 'Without a rule it is for everybody. With several, one of them has to match.', [list, button('plus', 'Add a rule', () => add().focus())])
  return { ...row, value: () => [...list.children].map((li) => of.get(li)()) }
}
