// Hosts behind the gate: programs without a sign-in of their own, to which nginx
// lets through whoever is signed in here.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { again, badge, head, nothing } from './parts.js'
import { roleRow } from './people.js'
import { table } from './table.js'

export async function hosts(api, main, tabs) {
  const list = await table({
    label: 'Guarded hosts', read: (cursor) => api.get('/auth/gate/hosts', { limit: 100, cursor }), find: ({ name, host }) => `${name} ${host}`, columns: [
      ['Host', ({ name, host }) => [el('strong', {}, name), el('span.small', {}, host)]],
      ['For', ({ roles }) => roles.length ? roles.join(', ') : 'everybody with an account'],
      ['Is told', ({ identify }) => badge(identify ? 'who comes' : 'nothing')],
      ['', (one) => el('div.tools', {}, el('a.plain', { href: `https://${one.host}/`, rel: 'noopener' }, 'Open'), button('rename', `Change ${one.name}`, () => change(api, one), { hide: true, kind: 'plain' }),
        button('trash', `Close ${one.name}`, () => remove(api, one), { hide: true, kind: 'plain' }))],
    ], words: nothing('lock', 'No host is guarded. A program without a sign-in of its own is opened only to people with an account here, once nginx asks this server.', button('plus', 'Guard a host', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Guarded hosts', button('plus', 'Guard a host', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, one) => [
  { name: 'name', label: 'Name', required: true, value: one.name ?? '', autocomplete: 'off' },
  { name: 'host', label: 'Host', required: true, value: one.host ?? '', autocomplete: 'off', placeholder: 'notes.example.com', hint: 'As browsers write it, below the same domain as this server.' },
  { ...await roleRow(api, one.roles ?? []), name: 'roles' },
  { name: 'identify', label: 'Tell the program who comes', type: 'checkbox', checked: one.identify ?? true },
]

async function make(api) {
  const made = await ask('Guard a host', { words: 'nginx also has to ask: deploy/gate.conf is the file for it.', fields: await fieldsOf(api, {}), submit: 'Guard it', act: (values) => api.post('/auth/gate/hosts', values) })
  if (!made) return
  say(`“${made.name}” is guarded.`)
  again()
}

async function change(api, one) {
  const done = await ask(one.name, { fields: await fieldsOf(api, one), submit: 'Save', act: (values) => api.patch(`/auth/gate/hosts/${one.id}`, values, { headers: { 'If-Match': `"r${one.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, { id, name }) {
  if (!await sure(`Close “${name}” to everybody?`, 'Nobody gets through to it any more, until it is guarded anew.', 'Close it')) return
  await api.delete(`/auth/gate/hosts/${id}`)
  say(`“${name}” is closed.`)
  again()
}
