// Feature flags: switches that frontends read.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { ruleRow, rulesIn } from './rules.js'
import { again, badge, head, nothing } from './parts.js'
import { table } from './table.js'

export async function flags(api, main) {
  const { items: states } = await api.get('/system/flags')
  const read = async (from = 0) => ({ // the list has no rules: each flag is asked for
    items: await Promise.all(states.slice(from, from + 26).map(({ key }) => api.get(`/system/flags/${key}`))), next_cursor: states.length > from + 26 ? from + 26 : null,
  })
  const list = await table({
    label: 'Feature flags', read, find: ({ key, description }) => `${key} ${description}`, columns: [
      ['Flag', ({ key, description }) => [el('strong', {}, key), description && el('span.small', {}, description)]],
      ['State', ({ enabled }) => badge(enabled ? 'on' : 'off', enabled ? 'good' : '')],
      ['For', ({ rules }) => rules.length ? rules.map(rulesIn).join(', or ') : 'everybody'],
      ['Visitors', ({ public: open }) => open ? 'see it too' : 'do not see it'],
      ['', (flag) => el('div.tools', {}, button(null, `Turn ${flag.enabled ? 'off' : 'on'}`, () => turn(api, flag), { 'aria-label': `Turn ${flag.enabled ? 'off' : 'on'} ${flag.key}` }),
        button('rename', `Change ${flag.key}`, () => edit(api, flag), { hide: true, kind: 'plain' }), button('trash', `Delete ${flag.key}`, () => remove(api, flag), { hide: true, kind: 'plain' }))],
    ], words: nothing('flag', 'There are no feature flags. A flag turns something in your websites on or off, for everybody or only for some people, without a new version.', button('plus', 'New flag', () => edit(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Feature flags', button('plus', 'New flag', () => edit(api), { kind: 'main' })), list)
}

const put = (api, { key, description, enabled, public: open, rules }, init) => api.put(`/system/flags/${encodeURIComponent(key)}`, { description, enabled, public: open, rules }, init)
const held = (flag) => ({ headers: { 'If-Match': `"r${flag.revision}"` } })

async function turn(api, flag) {
  await put(api, { ...flag, enabled: !flag.enabled }, held(flag))
  say(`${flag.key} is ${flag.enabled ? 'off' : 'on'}.`, 'Undo', () => put(api, flag).then(again))
  again()
}

async function edit(api, flag) {
  const done = await ask(flag?.key ?? 'New flag', {
    submit: flag ? 'Save' : 'Create', fields: [
      ...flag ? [] : [{ name: 'key', label: 'Key', required: true, autocomplete: 'off', hint: 'The name that the website asks for: letters, digits, dots, - and _.' }],
      { name: 'description', label: 'What it does', value: flag?.description ?? '', autocomplete: 'off' },
      { name: 'enabled', label: 'Turned on', type: 'checkbox', checked: flag?.enabled ?? false },
      { name: 'public', label: 'Visitors who are not signed in see it too', type: 'checkbox', checked: flag?.public ?? false },
      await ruleRow(api, flag?.rules ?? [])],
    act: (values) => put(api, { key: flag?.key, ...values }, flag ? held(flag) : { headers: { 'If-None-Match': '*' } }),
  })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, flag) {
  if (!await sure(`Delete “${flag.key}”?`, 'Websites that ask for it find it turned off.', 'Delete')) return
  await api.delete(`/system/flags/${flag.key}`)
  say(`“${flag.key}” is deleted.`, 'Undo', () => put(api, flag).then(again))
  again()
}
