// One user: roles, room, devices, second step, and the end of the account.
import { button, bytes, el, icon, say } from '../dom.js'
import { form, sure } from '../form.js'
import { forget } from './names.js'
import { again, badge, card, day, exactly, facts, files, gigabytes, given, head, usual, way } from './parts.js'
import { roleRow } from './people.js'

export async function userPage(api, main, id) {
  const path = `/auth/users/${id}`
  const [user, { items: sessions }, room] = await Promise.all([api.get(path), api.get(`${path}/sessions`), stored(api, id)])
  const called = user.name || user.email, self = id === api.user.id
  const held = { headers: { 'If-Match': `"r${user.revision}"` } }
  const change = async (json, words, undo) => {
    await api.patch(path, json, held)
    forget()
    say(words, ...undo ? ['Undo', () => api.patch(path, undo).then(again)] : [])
    again()
  }
  main.replaceChildren(way('#/people', 'People'), head(called, user.status === 'active' ? badge('active', 'good') : badge('disabled', 'bad')), el('div.cards', {},
    card('person', 'Profile and rights', form({
      fields: [{ name: 'name', label: 'Name', value: user.name, autocomplete: 'off' }, await roleRow(api, user.roles), gigabytes(user.quota),
        { name: 'entry_quota', label: 'Most files and folders', type: 'number', min: 0, inputMode: 'numeric', value: user.entry_quota ?? '', hint: usual }],
      submit: 'Save', act: ({ quota, entry_quota: entries, ...values }) => change({ ...values, quota: given(quota), entry_quota: entries === '' ? null : Number(entries) }, 'Saved.'),
    })),
    card('text', 'Account', facts({ 'E-mail': user.email, Joined: day(user.created_at), ...room && { Stored: `${bytes(room.used)} of ${bytes(room.quota)}` }, 'Second step': user.totp ? 'on' : 'off' }),
      api.can('audit:read') && el('p', {}, el('a', { href: `#/audit/events/actor=${id}` }, self ? 'What you have done' : 'What they have done'))),
    card('device', 'Devices', sessions.length ? el('ul.list', {}, sessions.map((one) => el('li', {}, el('span.open', {}, el('span.picture', {}, icon('device')),
      el('span.name', {}, one.name, one.current && el('em', {}, ' this one')), el('span.facts', {}, [one.address, `used ${exactly(one.last_used_at)}`].filter(Boolean).join(' · ')))))) : el('p', {}, 'Not signed in anywhere.'),
    sessions.length > 0 && button('out', 'Sign out all devices', () => signOut(api, path, called), { kind: 'wide' })),
    card('lock', 'Signing in', self ? el('p', {}, 'Your password, passkeys and second step are on ', el('a', { href: `${files}#/account` }, 'your account page'), '.')
      : el('p.hint', {}, `Forgot the password? Where this server sends mail, they ask for a new one where they sign in. Else “homebase user password ${user.email}” on the server sets one.`),
      user.totp && el('p.hint', {}, 'Lost the phone with the code app? A recovery code still signs in. Without one, reset the second step: then the password is enough, and they set it up anew.'),
      user.totp && button('restore', 'Reset the second step', () => reset(api, path, called), { kind: 'wide' }),
      !self && (user.status === 'active'
        ? button('pause', 'Disable', async () => {
          if (await sure(`Disable ${called}?`, 'They are signed out everywhere and cannot sign in any more. Their files and links stay, and you can enable them again.', 'Disable')) await change({ status: 'disabled' }, `${called} is disabled.`, { status: 'active' })
        }, { kind: 'wide' })
        : button('play', 'Enable again', () => change({ status: 'active' }, `${called} can sign in again.`, { status: 'disabled' }), { kind: 'wide' }))),
    !self && card('trash', 'Delete for good', el('p.hint', {}, 'The account goes with all its files. To keep them when somebody leaves, disable it instead.'),
      button('trash', 'Delete with all files', () => remove(api, path, called), { kind: 'wide' }))))
}

// stored is how much the user keeps, for who may know it.
async function stored(api, id) {
  if (!api.can('system:read')) return null
  for (let cursor; cursor !== null;) {
    const page = await api.get('/system/storage', { limit: 500, cursor })
    const found = page.users.find((one) => one.user_id === id)
    if (found) return found
    cursor = page.next_cursor
  }
}

async function signOut(api, path, called) {
  if (!await sure(`Sign ${called} out everywhere?`, 'They can sign in again with their password.', 'Sign out')) return
  await api.delete(`${path}/sessions`)
  say(`${called} is signed out.`)
  again()
}

async function reset(api, path, called) {
  if (!await sure(`Reset the second step of ${called}?`, 'First make sure that it really is them who asks. After that the password alone opens the account, and all their devices are signed out.', 'Reset')) return
  await api.post(`${path}/totp/reset`)
  say('The second step is off.')
  again()
}

async function remove(api, path, called) {
  if (!await sure(`Delete ${called}?`, 'The account goes for good, with all its files, links and keys. What the audit log says of them stays.', 'Delete for good')) return
  await api.delete(path)
  forget()
  location.hash = '#/people'
  say(`${called} is deleted.`)
}
