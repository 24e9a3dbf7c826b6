// Programs that sign people in with accounts of this server, by OpenID Connect.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { again, badge, head, nothing } from './parts.js'
import { roleRow } from './people.js'
import { copied } from './secret.js'
import { table } from './table.js'

export async function clients(api, main, tabs) {
  const list = await table({
    label: 'Programs', read: (cursor) => api.get('/auth/clients', { limit: 100, cursor }), find: ({ name, redirect_uris: uris }) => [name, ...uris].join(' '), columns: [
      ['Program', (one) => el('button.link', { type: 'button', title: `What ${one.name} has to know`, onclick: () => told(api, one) }, el('strong', {}, one.name))],
      ['Returns to', ({ redirect_uris: uris }) => el('ul', {}, uris.map((uri) => el('li', {}, uri)))],
      ['For', ({ roles }) => roles.length ? roles.join(', ') : 'everybody'],
      ['Sign-in', ({ public: open, consent }) => el('span.badges', {}, badge(open ? 'without a secret' : 'with a secret'), badge(consent ? 'asks people first' : 'at once'))],
      ['', (one) => el('div.tools', {}, button(null, 'What to enter', () => told(api, one), { kind: 'plain' }), button('rename', `Change ${one.name}`, () => change(api, one), { hide: true, kind: 'plain' }),
        !one.public && button('key', `New secret for ${one.name}`, () => secret(api, one), { hide: true, kind: 'plain' }), button('trash', `Remove ${one.name}`, () => remove(api, one), { hide: true, kind: 'plain' }))],
    ], words: nothing('program', 'People can sign in to other programs with their account here: to Nextcloud, Grafana, Miniflux and all others that know OpenID Connect.', button('plus', 'Add a program', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Programs', button('plus', 'Add a program', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, one) => [
  { name: 'name', label: 'Name', required: true, value: one.name ?? '', autocomplete: 'off', hint: 'People see it when they sign in to it.' },
  { name: 'redirect_uris', label: 'Redirect address', type: 'lines', value: one.redirect_uris, required: true, hint: 'Where people return to after signing in. The program’s documentation calls it “redirect URI” or “callback URL”. One per line.' },
  { name: 'post_logout_redirect_uris', label: 'Address after signing out', type: 'lines', value: one.post_logout_redirect_uris, hint: 'Optional. One per line.' },
  await roleRow(api, one.roles ?? [], 'Who may sign in', 'Only people with one of these roles; if you choose none, everybody.'),
  { name: 'consent', label: 'Ask people before the program learns who they are', type: 'checkbox', checked: one.consent ?? true },
]

async function make(api) {
  const made = await ask('Add a program', {
    submit: 'Add', fields: [...await fieldsOf(api, {}), { name: 'public', label: 'It runs in a browser or on phones, and cannot keep a secret', type: 'checkbox' }],
    act: (values) => api.post('/auth/clients', values),
  })
  if (!made) return
  await told(api, made)
  again()
}

// told shows what the program has to be given, with a secret that is new.
function told(api, { name, client_id: id, client_secret: secret, public: open }) {
  const line = (label, text) => el('div', {}, el('strong', {}, label), copied(label, text))
  return ask(name, { submit: secret ? 'I have saved it' : 'Done', words: el(secret ? 'div.kept.told' : 'div.told', {},
    el('p', {}, `Enter this in the settings of ${name}:`),
    line('Issuer', `${api.base}/auth/oidc`), line('Client ID', id), secret && line('Client secret', secret),
    el('p.hint', {}, secret ? 'Copy the secret now: it is shown only this once.' : open ? 'It needs no secret.' : 'The secret was shown when it was created. If it is lost, create a new one with the key button in the list.'),
    el('p.hint', {}, 'If it asks for a discovery address, add /.well-known/openid-configuration to the issuer.')) })
}

async function change(api, one) {
  const done = await ask(one.name, { fields: await fieldsOf(api, one), submit: 'Save', act: (values) => api.patch(`/auth/clients/${one.client_id}`, values, { headers: { 'If-Match': `"r${one.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function secret(api, one) {
  const { name, client_id: id } = one
  if (!await sure(`New secret for “${name}”?`, 'The old one stops working at once: nobody can sign in to the program until it has the new one.', 'Create a new one')) return
  const made = await api.post(`/auth/clients/${id}/secret`)
  await told(api, { ...one, ...made })
}

async function remove(api, { name, client_id: id }) {
  if (!await sure(`Remove “${name}”?`, 'Nobody can sign in to it with their account here any more, and it loses all access that people have given it.', 'Remove')) return
  await api.delete(`/auth/clients/${id}`)
  say(`“${name}” is removed.`)
  again()
}
