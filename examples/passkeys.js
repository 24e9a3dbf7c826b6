// Passkeys: the button that asks for one, and the account's list of them. A
// browser without them, and a server that has none, show neither.
import { Homebase } from './homebase.js'
import { button, el, icon, say, sorry, when } from './dom.js'
import { ask, sure } from './form.js'

// passkeysOf answers with the user's, and with null where there cannot be any.
export async function passkeysOf(api) {
  if (!Homebase.passkeys) return null
  const { items } = await api.get('/auth/passkeys').catch((problem) => {
    if (problem.code !== 'passkeys_off') throw problem
    return { items: null }
  })
  return items
}

// passkeyButton is a button with a place below it, which tells what went wrong:
// also by itself, with refused.
export function passkeyButton(words, act) {
  const alert = el('p.problem', { role: 'alert', hidden: true })
  const refused = (problem) => {
    if (problem.name !== 'Problem') throw problem
    alert.textContent = problem.message
    alert.hidden = false
  }
  const press = button('passkey', words, async () => {
    alert.hidden = true
    press.disabled = true
    await act().catch(refused).finally(() => { press.disabled = false })
  }, { kind: 'wide' })
  return { node: el('div.other', {}, press, alert), refused }
}

// passkeyList is what the account page shows of them.
export function passkeyList(api, keys, again) {
  return [el('p', {}, 'Sign in with your fingerprint, face or PIN, without a password or code.'),
    el('ul.list', { 'aria-label': 'Passkeys' }, keys.map((key) => row(api, key, again))),
    button('plus', 'Add a passkey', () => add(api, again).catch(sorryUnless), { kind: 'wide' })]
}

function row(api, key, again) {
  const used = key.last_used_at ? `used ${when(key.last_used_at)}` : 'not used yet'
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('passkey')), el('span.name', {}, key.name), el('span.facts', {}, `${place(key)} · ${used}`)),
    button('rename', `Rename ${key.name}`, () => rename(api, key, again), { hide: true, kind: 'plain' }),
    button('cross', `Remove ${key.name}`, async () => {
      if (!await sure(`Remove “${key.name}”?`, 'It does not sign you in any more. If its device still offers it, delete it there too.', 'Remove it')) return
      await api.removePasskey(key).then(again, sorryUnless)
    }, { hide: true, kind: 'plain' }))
}

// Which of them this browser has made: nobody else knows what "this" is.
const made = () => JSON.parse(localStorage.getItem('homebase-passkeys') ?? '[]')

// place is where a passkey is. One that came from a phone by its camera is hybrid.
function place({ id, synced, transports }) {
  if (synced) return 'synced'
  if (transports.length && !transports.includes('internal')) return 'security key'
  return made().includes(id) && !transports.includes('hybrid') ? 'this device' : 'one device'
}

async function add(api, again) {
  const key = await api.addPasskey()
  localStorage.setItem('homebase-passkeys', JSON.stringify([...made(), key.id]))
  await again()
  say(`“${key.name}” signs you in from now on.`, 'Name it', () => rename(api, key, again))
}

async function rename(api, key, again) {
  const renamed = await ask('Name of the passkey', {
    fields: [{ name: 'name', label: 'Name', value: key.name, required: true, autocomplete: 'off', hint: 'Where it is: “the laptop”, “my password manager”.' }],
    submit: 'Rename', act: (values) => api.patch(`/auth/passkeys/${key.id}`, values),
  })
  if (renamed) await again()
}

// Who turns away knows it.
const sorryUnless = (problem) => problem.name === 'AbortError' || sorry(problem)
