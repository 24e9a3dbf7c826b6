// The account: storage, password, passkeys, second step, devices, programs and access keys.
import { button, el, icon, say, sorry, when } from '../dom.js'
import { ask, form, sure } from '../form.js'
import { passkeyList, passkeysOf } from '../passkeys.js'
import { permissions } from '../permissions.js'
import { historyOf } from './history.js'
import { programList } from './programs.js'
import { secret } from './shares.js'
import { meterOf } from './usage.js'

const manage = document.querySelector('meta[name=homebase-console]').content

export async function account(api, main) {
  const again = async () => {
    api.user = await api.get('/auth/me')
    await account(api, main)
  }
  const [usage, sessions, grants, keys, passkeys, history] = await Promise.all([
    api.get('/files/usage'), api.get('/auth/sessions'), api.get('/auth/grants'), api.get('/auth/keys', { limit: 200 }), passkeysOf(api), historyOf(api)])
  const card = (picture, title, ...inside) => el('section.card', {}, el('h2', {}, icon(picture), title), inside)
  main.replaceChildren(el('div.head', {}, el('h1', {}, 'Account'), el('div.tools', {}, button('out', 'Sign out', () => api.signOut()))),
    el('div.cards', {},
      card('person', api.user.name || api.user.email, api.user.name && el('p', {}, api.user.email), form({
        fields: [{ name: 'name', label: 'Name', value: api.user.name, autocomplete: 'name' }], submit: 'Save',
        act: async ({ name }) => { await api.patch('/auth/me', { name: name || null }); say('Saved.'); await again() },
      }), el('p.hint', {}, 'Your id, with which others can add you to a space: ', el('code.id', {}, api.user.id))),
      card('folder', 'Storage', meterOf(usage)),
      api.user.permissions.some((one) => !one.startsWith('files:')) && card('home', 'This server', el('a', { href: manage }, 'Manage it in the console')),
      card('lock', 'Password', form({
        fields: [
          { name: 'current_password', label: 'Current password', type: 'password', required: true, autocomplete: 'current-password' },
          { name: 'new_password', label: 'New password', type: 'password', required: true, autocomplete: 'new-password', hint: 'At least 12 characters. A sentence is good.' },
        ], submit: 'Change password',
        act: async (values) => { await api.post('/auth/password', values); say('The password is changed; other devices are signed out.'); await again() },
      })),
      passkeys ? card('passkey', 'Passkeys', passkeyList(api, passkeys, again)) : [],
      card('check', 'Second step', secondStep(api, again)),
      card('device', 'Devices', el('ul.list', {}, sessions.items.map((session) => device(api, session, again))),
        sessions.items.length > 1 && button('out', 'Sign out all others', () => api.signOut('others').then(again, sorry), { kind: 'wide' })),
      card('log', 'Security history', history),
      grants.items.length ? card('program', 'Programs', programList(api, grants.items, again)) : [],
      card('key', 'Access keys', el('p.hint', {}, 'For scripts and programs: sent as “Authorization: Bearer hb_…”.'),
        el('ul.list', {}, keys.items.map((key) => el('li', {}, el('span.open', {}, el('span.picture', {}, icon('key')), el('span.name', {}, key.name),
          el('span.facts', {}, `${key.hint}… · ${key.permissions.join(', ')} · until ${when(key.expires_at)}`)),
        button('cross', `Revoke ${key.name}`, async () => {
          if (await sure(`Revoke “${key.name}”?`, 'Whatever uses it stops working.', 'Revoke')) await api.delete(`/auth/keys/${key.id}`).then(again, sorry)
        }, { hide: true, kind: 'plain' })))),
        button('plus', 'New key', () => newKey(api, again), { kind: 'wide' }))))
}

function device(api, session, again) {
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('device')),
    el('span.name', {}, session.name, session.current && el('em', {}, ' this one')), el('span.facts', {}, `${session.address} · ${when(session.last_used_at)}`)),
  !session.current && button('cross', `Sign out ${session.name}`, () => api.delete(`/auth/sessions/${session.id}`).then(again, sorry), { hide: true, kind: 'plain' }))
}

function secondStep(api, again) {
  if (!api.user.totp) {
    return [el('p', {}, 'Signing in then also asks for a code from your phone.'), button('plus', 'Set it up', () => setUp(api).then(again), { kind: 'wide' })]
  }
  return [el('p', {}, 'It is on.'),
    button(null, 'New recovery codes', async () => codes(await api.post('/auth/totp/recovery-codes')), { kind: 'wide' }),
    button(null, 'Turn it off', async () => {
      if (await sure('Turn the second step off?', 'After that the password alone opens your account.', 'Turn it off')) await api.delete('/auth/totp').then(again)
    }, { kind: 'wide' })]
}

// setUp hands the secret to the authenticator app: on the phone that has it by
// the link, elsewhere by typing.
async function setUp(api) {
  const { secret: text, otpauth_uri: uri } = await api.post('/auth/totp')
  const made = await ask('Second step', {
    words: el('span', {}, el('a', { href: uri }, 'Open your authenticator app'), ', or type this into it: ', el('code.long', {}, text.match(/.{1,4}/g).join(' '))),
    fields: [{ name: 'code', label: 'The code that it shows', required: true, autocomplete: 'one-time-code', inputMode: 'numeric' }],
    submit: 'Turn it on', act: ({ code }) => api.post('/auth/totp/confirm', { code: code.trim() }),
  })
  if (made) await codes(made)
}

const codes = ({ recovery_codes: list }) => ask('Recovery codes', {
  words: el('span', {}, 'Each signs you in once without your phone. They are shown only this once: keep them where you keep important papers.', el('code.long', {}, list.join('\n'))),
  submit: 'I have saved them',
})

async function newKey(api, again) {
  const allows = await permissions(api)
  const fields = [
    { name: 'name', label: 'Name', required: true, autocomplete: 'off', hint: 'What will use it, such as “backup of the laptop”.' },
    { name: 'days', label: 'Days until it expires', type: 'number', min: 1, max: 365, value: 90, required: true },
    ...api.user.permissions.map((name) => ({ name, label: allows.get(name) ?? name, type: 'checkbox', checked: name === 'files:read' })),
  ]
  const made = await ask('New access key', { fields, submit: 'Create', act: ({ name, days, ...may }) => api.post('/auth/keys', {
    name, permissions: Object.keys(may).filter((one) => may[one]), expires_at: new Date(Date.now() + days * 864e5).toISOString(),
  }) })
  if (!made) return
  await ask(made.name, { words: secret('Key', made.key, 'Copy it now: it is shown only this once.'), submit: 'I have saved it' })
  await again()
}
