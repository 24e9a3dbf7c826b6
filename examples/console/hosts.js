// Hosts behind the gate: programs without a sign-in of their own, to which nginx
// lets through whoever is signed in here.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { again, badge, head, nothing } from './parts.js'
import { roleRow } from './people.js'
import { table } from './table.js'

export async function hosts(api, main, tabs) {
  const list = await table({
    label: 'Protected sites', read: (cursor) => api.get('/auth/gate/hosts', { limit: 100, cursor }), find: ({ name, host }) => `${name} ${host}`, columns: [
      ['Site', ({ name, host }) => [el('strong', {}, name), el('span.small', {}, host)]],
      ['For', ({ roles }) => roles.length ? roles.join(', ') : 'everybody with an account'],
      ['Learns', ({ identify }) => identify ? 'who visits' : 'nothing'],
      ['', (one) => el('div.tools', {}, el('a.plain', { href: `https://${one.host}/`, target: '_blank', rel: 'noopener' }, 'Open'), button('rename', `Change ${one.name}`, () => change(api, one), { hide: true, kind: 'plain' }),
        button('trash', `Remove ${one.name}`, () => remove(api, one), { hide: true, kind: 'plain' }))],
    ], words: nothing('lock', 'A program without a sign-in of its own can be opened only to people with an account here. The web server in front of it, nginx, asks this server for each visitor.', button('plus', 'Protect a site', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Protected sites', button('plus', 'Protect a site', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, one) => [
  { name: 'name', label: 'Name', required: true, value: one.name ?? '', autocomplete: 'off' },
  { name: 'host', label: 'Address', required: true, value: one.host ?? '', autocomplete: 'off', placeholder: 'notes.example.com', hint: 'Without https://, and below the same domain as this server.' },
  await roleRow(api, one.roles ?? [], 'Who may visit', 'Only people with one of these roles; if you choose none, everybody with an account.'),
  { name: 'identify', label: 'Tell the program who visits', type: 'checkbox', checked: one.identify ?? true },
]

async function make(api) {
  const made = await ask('Protect a site', { words: 'In Nginx Proxy Manager, all of deploy/gate.conf goes into the “Advanced” tab of this site, with the address of this server in its first line. Until then it is open as before.', fields: await fieldsOf(api, {}), submit: 'Protect', act: (values) => api.post('/auth/gate/hosts', values) })
  if (!made) return
  say(`“${made.name}” is added. It is protected as soon as nginx asks this server.`)
  again()
}

async function change(api, one) {
  const done = await ask(one.name, { fields: await fieldsOf(api, one), submit: 'Save', act: (values) => api.patch(`/auth/gate/hosts/${one.id}`, values, { headers: { 'If-Match': `"r${one.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, { id, name }) {
  if (!await sure(`Remove “${name}”?`, 'As long as nginx asks for it, nobody gets through to it any more.', 'Remove')) return
  await api.delete(`/auth/gate/hosts/${id}`)
  say(`“${name}” is removed.`)
  again()
}
