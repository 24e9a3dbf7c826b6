// Access keys of the person who is signed in, for scripts and programs.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { mayChoose } from './choices.js'
import { again, badge, exactly, head, nothing } from './parts.js'
import { once } from './secret.js'
import { table } from './table.js'

export async function keys(api, main, tabs) {
  const list = await table({
    label: 'Access keys', read: (cursor) => api.get('/auth/keys', { limit: 100, cursor }), find: ({ name }) => name, columns: [
      ['Key', ({ name, hint }) => [el('strong', {}, name), el('code.small', {}, `${hint}…`)]],
      ['May', ({ permissions: all }) => el('span.badges', {}, all.map((one) => badge(one)))],
      ['From', ({ allow }) => allow.length ? allow.join(', ') : 'anywhere'], ['Used', ({ last_used_at: at }) => exactly(at)], ['Ends', ({ expires_at: at }) => exactly(at)],
      ['', (key) => button('cross', `Revoke ${key.name}`, () => revoke(api, key), { hide: true, kind: 'plain' })],
    ], words: nothing('key', 'You have no access keys. A script sends one in place of a password, and it may do only what you say.', button('plus', 'New key', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Access keys', button('plus', 'New key', () => make(api), { kind: 'main' })), tabs, list)
}

async function make(api) {
  const made = await ask('New access key', {
    submit: 'Make it', fields: [
      { name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'What uses it: “backup of the laptop”.' },
      await mayChoose(api, 'It may', ['files:read']),
      { name: 'days', label: 'Days until it ends', type: 'number', min: 1, max: 365, value: 90, required: true },
      { name: 'allow', label: 'Only from', type: 'lines', rows: 2, hint: 'Addresses or networks such as 192.168.1.0/24, one a line. Empty: from anywhere.' }],
    act: ({ days, ...values }) => api.post('/auth/keys', { ...values, expires_at: new Date(Date.now() + days * 864e5).toISOString() }),
  })
  if (!made) return
  await once(made.name, 'Key', made.key, 'Sent as “Authorization: Bearer …”. It is shown this once: copy it now.')
  again()
}

async function revoke(api, { id, name }) {
  if (!await sure(`Revoke “${name}”?`, 'What uses it stops working.', 'Revoke it')) return
  await api.delete(`/auth/keys/${id}`)
  say('It is revoked.')
  again()
}
