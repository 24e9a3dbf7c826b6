// Programs that sign people in with accounts of this server, by OpenID Connect.
import { button, el, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { again, badge, facts, head, nothing } from './parts.js'
import { roleRow } from './people.js'
import { once } from './secret.js'
import { table } from './table.js'

export async function clients(api, main, tabs) {
  const list = await table({
    label: 'Programs', read: (cursor) => api.get('/auth/clients', { limit: 100, cursor }), find: ({ name, redirect_uris: uris }) => [name, ...uris].join(' '), columns: [
      ['Program', ({ name, client_id: id }) => [el('strong', {}, name), el('code.small', {}, id)]],
      ['Comes back to', ({ redirect_uris: uris }) => el('ul', {}, uris.map((uri) => el('li', {}, uri)))],
      ['For', ({ roles }) => roles.length ? roles.join(', ') : 'everybody'],
      ['Kind', ({ public: open, consent }) => el('span.badges', {}, badge(open ? 'no secret' : 'with a secret'), consent && badge('asks first'))],
      ['', (one) => el('div.tools', {}, button('rename', `Change ${one.name}`, () => change(api, one), { hide: true, kind: 'plain' }),
        !one.public && button('key', `New secret for ${one.name}`, () => secret(api, one), { hide: true, kind: 'plain' }), button('trash', `Shut ${one.name} out`, () => remove(api, one), { hide: true, kind: 'plain' }))],
    ], words: nothing('program', 'No program signs people in here yet. Nextcloud, Grafana, Miniflux and others can: they then need no passwords of their own.', button('plus', 'Let a program in', () => make(api), { kind: 'main' })),
  })
  main.replaceChildren(head('Programs', button('plus', 'Let a program in', () => make(api), { kind: 'main' })), tabs, list)
}

const fieldsOf = async (api, one) => [
  { name: 'name', label: 'Name', required: true, value: one.name ?? '', autocomplete: 'off', hint: 'People see it when they sign in.' },
  { name: 'redirect_uris', label: 'Where it comes back to', type: 'lines', value: one.redirect_uris, required: true, hint: 'One address a line, exactly as the program says: its “redirect URI”.' },
  { name: 'post_logout_redirect_uris', label: 'After signing out', type: 'lines', value: one.post_logout_redirect_uris, hint: 'May stay empty.' },
  { ...await roleRow(api, one.roles ?? []), name: 'roles' },
  { name: 'consent', label: 'Ask people before it is told who they are', type: 'checkbox', checked: one.consent ?? true },
]

async function make(api) {
  const made = await ask('Let a program in', {
    submit: 'Let it in', fields: [...await fieldsOf(api, {}), { name: 'public', label: 'It cannot keep a secret: a page or an app on a phone', type: 'checkbox' }],
    act: (values) => api.post('/auth/clients', values),
  })
  if (!made) return
  const issuer = `${api.base}/auth/oidc`
  if (made.client_secret) await once(made.name, 'Client secret', made.client_secret, facts({ Issuer: el('code', {}, issuer), 'Client ID': el('code', {}, made.client_id), Secret: 'is shown this once: copy it now.' }))
  else await ask(made.name, { words: facts({ Issuer: el('code', {}, issuer), 'Client ID': el('code', {}, made.client_id) }), submit: 'Done' })
  again()
}

async function change(api, one) {
  const done = await ask(one.name, { fields: await fieldsOf(api, one), submit: 'Save', act: (values) => api.patch(`/auth/clients/${one.client_id}`, values, { headers: { 'If-Match': `"r${one.revision}"` } }) })
  if (!done) return
  say('Saved.')
  again()
}

async function secret(api, { name, client_id: id }) {
  if (!await sure(`New secret for “${name}”?`, 'The old one ends at once: the program signs nobody in until it has the new one.', 'Make a new one')) return
  const made = await api.post(`/auth/clients/${id}/secret`)
  await once(name, 'Client secret', made.client_secret)
}

async function remove(api, { name, client_id: id }) {
  if (!await sure(`Shut “${name}” out?`, 'Nobody can sign in to it with this server any more, and all that people have allowed it ends.', 'Shut it out')) return
  await api.delete(`/auth/clients/${id}`)
  say(`“${name}” is shut out.`)
  again()
}
