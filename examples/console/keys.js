// Access keys of the person who is signed in, for scripts and programs.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { permissions } from '../permissions.js'
import { mayChoose } from './choices.js'
import { again, day, exactly, head, nothing } from './parts.js'
import { once } from './secret.js'
import { table } from './table.js'

export async function keys(api, main, tabs) {
  const allows = await permissions(api)
  const list = await table({
    label: 'Access keys', read: (cursor) => api.get('/auth/keys', { limit: 100, cursor }), find: ({ name }) => name, columns: [
      ['Key', ({ name, hint }) => [el('strong', {}, name), el('code.small', {}, `${hint}…`)]],
      ['Allowed to', ({ permissions: all }) => el('ul.small', {}, all.map((one) => el('li', {}, allows.get(one) ?? one)))],
      ['From', ({ allow }) => allow.length ? allow.join(', ') : 'anywhere'], ['Last used', ({ last_used_at: at }) => exactly(at)], ['Expires', ({ expires_at: at }) => day(at)],
      ['', (key) => button('cross', `Revoke ${key.name}`, () => revoke(api, key), { hide: true, kind: 'plain' })],
    ], words: nothing('key', 'You have no access keys. A script sends one in place of your password, and can do only what you allow it.', button('plus', 'New key', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Access keys', button('plus', 'New key', () => make(api), { kind: 'main' })), tabs, list)
}

async function make(api) {
  const made = await ask('New access key', {
    submit: 'Create', fields: [
      { name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'What will use it, such as “backup of the laptop”.' },
      await mayChoose(api, 'It is allowed to', ['files:read']),
      { name: 'days', label: 'Days until it expires', type: 'number', min: 1, max: 365, value: 90, required: true },
      { name: 'allow', label: 'Only from', type: 'lines', rows: 2, hint: 'Addresses or networks such as 192.168.1.0/24, one per line. Leave it empty for anywhere.' }],
    act: ({ days, ...values }) => api.post('/auth/keys', { ...values, expires_at: new Date(Date.now() + days * 864e5).toISOString() }),
  })
  if (!made) return
  await once(made.name, 'Key', made.key, 'Copy it now: it is shown only this once. Scripts send it as “Authorization: Bearer …”.')
  again()
}

async function revoke(api, { id, name }) {
  if (!await sure(`Revoke “${name}”?`, 'Whatever uses it stops working.', 'Revoke')) return
  await api.delete(`/auth/keys/${id}`)
  say(`“${name}” is revoked.`)
  again()
}
