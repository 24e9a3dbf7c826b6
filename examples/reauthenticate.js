// What changes the account, and a program that wants to be sure, asks once more
// who is there: by the password, with the code where there is one, or by a
// passkey.
import { el } from './dom.js'
import { form, open } from './form.js'
import { passkeyButton, passkeysOf } from './passkeys.js'

export async function reauthenticate(api, why = 'Enter your password again before this is changed.') {
  const keys = await passkeysOf(api)
  const proven = await open('Is it you?', (close) => [
    el('p', {}, why),
    form({
      fields: [
        { name: 'password', label: 'Password', type: 'password', required: true, autocomplete: 'current-password' },
        ...api.user.totp ? [{ name: 'code', label: 'Code', required: true, autocomplete: 'one-time-code', inputMode: 'numeric' }] : [],
      ], submit: 'Go on',
      act: async (values) => { await api.post('/auth/reauthenticate', values); close(true) },
    }),
    keys?.length ? passkeyButton('Use a passkey instead', async () => { await api.reauthenticateWithPasskey(); close(true) }).node : [],
  ])
  if (!proven) throw new DOMException('Not now', 'AbortError')
}
