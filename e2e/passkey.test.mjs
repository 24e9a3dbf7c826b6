// Passkeys as people use them, in Chromium with a virtual authenticator, through
// nginx with TLS; and as SimpleWebAuthn does, whose client is used untouched and
// whose server judges the same bytes. Each test is somebody with an account.
import assert from 'node:assert/strict'
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server'
import { authenticator } from './authenticator.mjs'
import { accessible, desktop, keep, launch, phone } from './browser.mjs'
import { password, people } from './people.mjs'
import { start, strangers } from './site.mjs'

let site, browser, admin, ask, member, secondStep

before(async () => {
  site = await start({ content: false })
  browser = await launch(site)
  ;({ admin, ask, member, secondStep } = await people(site))
})

after(async () => {
  await browser?.close()
  await site?.stop()
})

// recorded is how the audit log says that a member signed in, the newest first.
async function recorded({ id }) {
  const { body } = await ask('GET', `/audit/events?actor=${id}&action=auth.login`, null, admin)
  return body.items.map(({ details }) => details.by)
}

// What Chromium writes on the console by itself when an answer is a refusal
// that the page asked for. A page asks for the space used as soon as it is
// there, and may be left meanwhile.
const quiet = (person, also = /^$/) => assert.deepEqual(person.complaints.filter((text) => !/status of 401 .*\/(auth\/(refresh|login|me)|files\/usage)\)/.test(text) && !also.test(text)), [])

// Pages of the storage frontend, by their headings.
const files = (page) => page.getByRole('heading', { name: 'All files' }).waitFor()
const account = (page) => page.getByRole('heading', { name: 'Account', exact: true }).waitFor()
const signedOut = (page) => page.getByRole('heading', { name: 'Sign in' }).waitFor()
const click = (page, name) => page.getByRole('button', { name, exact: true }).click()

async function fill(page, { email }) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await click(page, 'Sign in')
}

// enter is somebody new at the storage frontend, with an authenticator and
// signed in by password.
async function enter(somebody, { options, ...kind } = {}) {
  const person = await browser.person(options), page = await person.page()
  const device = await authenticator(page, kind)
  await page.goto(`${site.storage}/`)
  await fill(page, somebody)
  return { person, page, device }
}

// enrolled is somebody who has a passkey, with its name.
async function enrolled(somebody, kind) {
  const all = await enter(somebody, kind)
  await files(all.page)
  await all.page.evaluate(() => { location.hash = '#/account' })
  await click(all.page, 'Add a passkey')
  await all.page.getByText('signs you in from now on').waitFor()
  return { ...all, name: await all.page.getByRole('list', { name: 'Passkeys' }).locator('.name').innerText() }
}

// leave signs out. Nobody is there then: an offer of passkeys that is still
// open when somebody comes back stays without an answer.
async function leave({ page, device }) {
  await device.present(false)
  await page.evaluate(() => { location.hash = '#/account' })
  await account(page)
  await page.getByRole('main').getByRole('button', { name: 'Sign out', exact: true }).click()
  await signedOut(page)
  await page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor()
}

test('a passkey is made in three clicks, and signs in with one at every frontend', async () => {
  const ada = await member('ada'), { person, page, device } = await enter(ada)
  await files(page)
  let clicks = 0
  await page.exposeFunction('counted', () => { clicks++ })
  await page.evaluate(() => addEventListener('click', () => window.counted(), true))
  await page.getByRole('link', { name: 'Account' }).click()
  await click(page, 'Add a passkey') // the third is the browser's own
  const key = page.getByRole('list', { name: 'Passkeys' }).getByRole('listitem')
  await key.getByText('this device · not used yet').waitFor()
  assert.equal(clicks, 2)
  const [credential] = await device.credentials()
  assert.deepEqual([credential.rpId, credential.isResidentCredential, Buffer.from(credential.userHandle, 'base64').length], ['site.test', true, 64])
  assert.equal(credential.userName, ada.email)

  await leave({ page, device })
  await device.present(true)
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click() // an offer is open still
  await account(page)
  await key.getByText(/this device · used \d/).waitFor()

  await leave({ page, device })
  await device.present(true)
  await page.goto(`${site.portfolio}/`)
  await page.evaluate(async () => {
    const { Homebase } = await import('/homebase.js')
    await new Homebase().signInWithPasskey()
  })
  await page.reload()
  await page.getByText(`Signed in as ${ada.email}`).waitFor()
  await page.goto(`${site.storage}/`)
  await files(page)
  quiet(person)
  await person.close()
})

test('the form offers passkeys as one of its names, however long the page lies open', async () => {
  const { person, page, device } = await enrolled(await member('grace'))
  await page.clock.install()
  await leave({ page, device })
  assert.equal(await page.getByLabel('E-mail').getAttribute('autocomplete'), 'username webauthn')
  await device.present(true)
  const asked = page.waitForRequest((request) => request.url().endsWith('/auth/passkeys/options'))
  await page.clock.fastForward('04:01') // a challenge is good for five minutes
  await asked
  await account(page) // chosen, without a click on the page

  // Who comes with a passkey at hand is in at once.
  await leave({ page, device })
  await device.present(true)
  await page.reload()
  await account(page)
  quiet(person)
  await person.close()
})

test('with a second step a passkey is both, or the second one, and a password alone is neither', async () => {
  const joan = await member('joan'), { person, page, device } = await enrolled(joan)
  await secondStep(joan)
  const alone = page.getByRole('button', { name: 'Sign in with a passkey' }), refusal = page.getByText('This passkey does not sign in here.')

  await leave({ page, device })
  await device.present(true)
  await alone.click()
  await account(page)
  assert.equal((await recorded(joan))[0], 'passkey')

  // Whoever it is who touches it has to be known, where it stands for both.
  await leave({ page, device })
  await device.lying(true)
  await device.present(true)
  await alone.click()
  await refusal.waitFor()
  await keep(page, 'passkey-refused')
  assert.equal((await recorded(joan)).length, 2 + 1) // by password twice before the second step, by passkey once

  // Beside the password the touch is enough.
  await device.lying(false)
  await device.verifying(false)
  await fill(page, joan)
  await page.getByRole('heading', { name: 'One more step' }).waitFor()
  assert.equal((await ask('GET', '/auth/me')).status, 401)
  await accessible(page, 'second step with a passkey')
  await keep(page, 'passkey-second-step')
  await click(page, 'Use a passkey instead')
  await account(page)
  quiet(person)
  await person.close()
})

test('a counter that goes back is told, and locks nobody out', async () => {
  const mary = await member('mary'), { person, page, device } = await enrolled(mary)
  const use = async (signCount) => {
    await leave({ page, device })
    await device.present(true)
    await device.rewind(signCount)
    await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
    await account(page)
  }
  await use(40)
  const told = page.getByText('One of your passkeys may have been copied')
  assert.equal(await told.count(), 0)
  await use(7)
  await told.waitFor()
  await keep(page, 'passkey-counter')
  const { body } = await ask('GET', `/audit/events?actor=${mary.id}&action=passkey.counter`, null, admin)
  assert.equal(body.items.length, 1)
  quiet(person)
  await person.close()
})

test('a passkey is named and removed, and signs in no more while the password does', async () => {
  const edith = await member('edith'), { person, page, device, name } = await enrolled(edith, { synced: true })
  const keys = page.getByRole('list', { name: 'Passkeys' })
  await keys.getByText('synced · not used yet').waitFor()
  await click(page, `Rename ${name}`)
  await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('my notebook')
  await page.keyboard.press('Enter')
  await keys.getByText('my notebook', { exact: true }).waitFor()
  await page.getByRole('dialog').waitFor({ state: 'detached' })

  // The same authenticator says itself that it has one.
  await click(page, 'Add a passkey')
  await page.getByText('There is a passkey of yours on this device already.').waitFor()

  const [credential] = await device.credentials()
  await click(page, 'Remove my notebook')
  await click(page, 'Remove it')
  await keys.getByText('my notebook', { exact: true }).waitFor({ state: 'detached' })
  assert.deepEqual(await device.credentials(), [], 'its device was told')
  await device.add(credential) // by one that was not
  await leave({ page, device })
  await device.present(true)
  await page.getByRole('button', { name: 'Sign in with a passkey' }).click()
  await page.getByText('This passkey does not sign in here.').waitFor()
  assert.deepEqual(await recorded(edith), ['password'])
  await device.present(false)
  await fill(page, edith)
  await account(page)
  quiet(person)
  await person.close()
})

test('a passkey says once more who it is', async () => {
  const lise = await member('lise'), { person, page } = await enrolled(lise)
  // Ten minutes later the server answers this by itself.
  let late = true
  await page.route('**/auth/keys', (route) => {
    if (!late || route.request().method() !== 'POST') return route.fallback()
    late = false
    return route.fulfill({
      status: 403, contentType: 'application/problem+json', headers: { 'Access-Control-Allow-Origin': site.storage, 'Access-Control-Allow-Credentials': 'true' },
      body: JSON.stringify({ type: 'about:blank', title: 'Prove it', status: 403, code: 'reauthentication_required' }),
    })
  })
  await click(page, 'New key')
  await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('a script')
  await click(page, 'Create')
  const proof = page.getByRole('dialog', { name: 'Is it you?' })
  await proof.getByLabel('Password').waitFor()
  await accessible(page, 'reauthentication')
  await keep(page, 'passkey-reauthentication')
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.url().endsWith('/auth/reauthenticate') && response.request().method() === 'POST'),
    proof.getByRole('button', { name: 'Use a passkey instead' }).click(),
  ])
  assert.equal(answer.status(), 204)
  assert.deepEqual(Object.keys(answer.request().postDataJSON()), ['passkey'])
  await page.getByLabel('Key', { exact: true }).waitFor()
  quiet(person, /status of 403 .*\/auth\/keys\)/)
  await person.close()
})

test('where a browser or a server has no passkeys, nothing is seen of them', async () => {
  const rosa = await member('rosa')
  const without = {
    browser: (context) => context.addInitScript(() => { delete window.PublicKeyCredential }),
    server: (context) => context.route('**/auth/passkeys{,/**}', (route) => route.fulfill({
      status: 409, contentType: 'application/problem+json', headers: {
        'Access-Control-Allow-Origin': site.storage, 'Access-Control-Allow-Credentials': 'true', 'Access-Control-Allow-Headers': 'content-type',
      },
      body: JSON.stringify({ type: 'about:blank', title: 'Off', status: 409, code: 'passkeys_off' }),
    })),
  }
  for (const [what, take] of Object.entries(without)) {
    const person = await browser.person(), page = await person.page()
    await take(person.context)
    await page.goto(`${site.storage}/`)
    await signedOut(page)
    await page.waitForLoadState('networkidle')
    assert.doesNotMatch(await page.locator('main').innerText(), /passkey/i, what)
    await fill(page, rosa)
    await files(page)
    await page.evaluate(() => { location.hash = '#/account' })
    await account(page)
    assert.doesNotMatch(await page.locator('main').innerText(), /passkey/i, what)
    quiet(person, /status of 409 .*\/auth\/passkeys/)
    await person.close()
  }
})

for (const [device, options] of Object.entries({ phone: { ...phone, viewport: { width: 390, height: 844 } }, desktop })) {
  test(`passkeys can be used by everyone on a ${device}, by day and by night`, async () => {
    const all = await enrolled(await member(`looks-${device}`), { options, synced: device === 'phone' }), { person, page } = all
    const look = async (name, full) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        await accessible(page, `${name}, ${device}, ${colorScheme}`)
        await keep(page, `passkey-${name}-${device}-${colorScheme}`, full)
      }
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than the window`)
    }
    await look('account', true)
    await leave(all)
    await look('sign-in')
    quiet(person)
    await person.close()
  })
}

// The client of SimpleWebAuthn, for a script element.
const client = readFileSync(join(dirname(createRequire(import.meta.url).resolve('@simplewebauthn/browser')), '../dist/bundle/index.umd.min.js'), 'utf8')

// simple opens a page of its own with that client in it, signed in by password;
// call is a request of that page.
async function simple(somebody) {
  const person = await browser.person(), page = await person.page()
  site.put('portfolio', 'simple.html', `<!doctype html><title>SimpleWebAuthn</title><link rel="icon" href="icon.svg"><input autocomplete="username webauthn"><script>${client}</script>`)
  await page.goto(`${site.portfolio}/simple.html`)
  const call = (path, body) => page.evaluate(async ([url, body]) => {
    const answer = await fetch(url, { method: 'POST', credentials: 'include', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
    return { status: answer.status, body: answer.status === 204 ? null : await answer.json() }
  }, [`${site.api}/api/v1${path}`, body])
  assert.equal((await call('/auth/login', { email: somebody.email, password })).status, 200)
  const register = (optionsJSON) => page.evaluate((optionsJSON) => window.SimpleWebAuthnBrowser.startRegistration({ optionsJSON }), optionsJSON)
  const authenticate = (optionsJSON, more) => page.evaluate((given) => window.SimpleWebAuthnBrowser.startAuthentication(given), { optionsJSON, ...more })
  return { person, page, call, register, authenticate }
}

const rp = { expectedRPID: 'site.test', requireUserVerification: true }

for (const [name, alg] of Object.entries({ EdDSA: -8, ES256: -7, RS256: -257 })) {
  test(`SimpleWebAuthn registers and signs in with ${name}, and its server says the same of the same bytes`, async () => {
    const somebody = await member(name.toLowerCase()), { person, page, call, register, authenticate } = await simple(somebody)
    const expected = { ...rp, expectedOrigin: site.portfolio }
    await authenticator(page)
    const { body: { options } } = await call('/auth/passkeys/registration', {})
    assert.deepEqual(options.pubKeyCredParams.map((one) => one.alg), [-8, -7, -257])
    const made = await register({ ...options, pubKeyCredParams: [{ type: 'public-key', alg }] })
    const { verified, registrationInfo } = await verifyRegistrationResponse({ ...expected, response: made, expectedChallenge: options.challenge, supportedAlgorithmIDs: [alg] })
    assert.ok(verified)
    const stored = await call('/auth/passkeys', { response: made, name })
    assert.deepEqual([stored.status, stored.body.name, stored.body.synced, stored.body.transports], [201, name, registrationInfo.credentialBackedUp, made.response.transports])

    for (const autofill of [false, true]) {
      const { body: { options: wanted } } = await call('/auth/passkeys/options', {})
      assert.equal(wanted.rpId, 'site.test')
      assert.ok(!wanted.allowCredentials?.length)
      const given = await authenticate(wanted, { useBrowserAutofill: autofill })
      const judged = await verifyAuthenticationResponse({ ...expected, response: given, expectedChallenge: wanted.challenge, credential: registrationInfo.credential })
      assert.ok(judged.verified)
      const login = await call('/auth/login', { passkey: given })
      assert.deepEqual([login.status, login.body.user.email], [200, somebody.email])
      assert.equal((await call('/auth/login', { passkey: given })).status, 401, 'a second time')
      assert.equal((await call('/auth/reauthenticate', { passkey: await authenticate((await call('/auth/passkeys/options', {})).body.options) })).status, 204)
    }
    quiet(person)
    await person.close()
  })
}

test('what SimpleWebAuthn refuses is refused, and nobody learns why', async () => {
  const somebody = await member('mallory'), { person, page, call, register, authenticate } = await simple(somebody)
  const device = await authenticator(page)
  const { body: { options } } = await call('/auth/passkeys/registration', {})
  const made = await register(options)
  const { registrationInfo: { credential } } = await verifyRegistrationResponse({ ...rp, expectedOrigin: site.portfolio, response: made, expectedChallenge: options.challenge })
  assert.equal((await call('/auth/passkeys', { response: made })).status, 201)

  const [{ privateKey }] = await device.credentials()
  const key = createPrivateKey({ key: Buffer.from(privateKey, 'base64'), format: 'der', type: 'pkcs8' })
  const bytes = (text, change) => { const all = Buffer.from(text, 'base64url'); change(all); return all.toString('base64url') }
  // signed is what an authenticator would sign that says such things.
  const signed = ({ response }) => {
    const hash = createHash('sha256').update(Buffer.from(response.clientDataJSON, 'base64url')).digest()
    response.signature = sign(null, Buffer.concat([Buffer.from(response.authenticatorData, 'base64url'), hash]), key).toString('base64url')
  }
  const told = (change) => ({ response }) => {
    const data = JSON.parse(Buffer.from(response.clientDataJSON, 'base64url'))
    change(data)
    response.clientDataJSON = Buffer.from(JSON.stringify(data)).toString('base64url')
  }
  const hostile = {
    'as it should be': () => {},
    'another signature': ({ response }) => { response.signature = bytes(response.signature, (all) => { all[0] ^= 1 }) },
    'the signature of other data': told((data) => { data.more = true }),
    'the user not present': ({ response }) => { response.authenticatorData = bytes(response.authenticatorData, (all) => { all[32] &= ~1 }) },
    'the user not verified': ({ response }) => { response.authenticatorData = bytes(response.authenticatorData, (all) => { all[32] &= ~4 }) },
    'another RP ID': ({ response }) => { response.authenticatorData = bytes(response.authenticatorData, (all) => { all[0] ^= 1 }) },
    'another type': told((data) => { data.type = 'webauthn.create' }),
    'another origin': told((data) => { data.origin = 'https://evil.example' }),
    'an unknown challenge': told((data) => { data.challenge = Buffer.alloc(32).toString('base64url') }),
    'a frame elsewhere': told((data) => { data.crossOrigin = true; data.topOrigin = 'https://evil.example' }),
    'an unknown key': (given) => { given.id = given.rawId = Buffer.alloc(32, 1).toString('base64url') },
  }
  const refusals = new Set()
  const judge = async (what, change) => {
    const { body: { options: wanted } } = await ask('POST', '/auth/passkeys/options', {})
    const given = await authenticate(wanted)
    change(given)
    if (!what.includes('signature')) signed(given)
    const theirs = await verifyAuthenticationResponse({ ...rp, expectedOrigin: site.portfolio, response: given, expectedChallenge: wanted.challenge, credential })
      .then(({ verified }) => verified && given.id === credential.id, () => false)
    const ours = await ask('POST', '/auth/login', { passkey: given, mode: 'token' })
    assert.deepEqual([theirs, ours.status], what === 'as it should be' ? [true, 200] : [false, 401], what)
    if (!theirs) refusals.add(JSON.stringify({ ...ours.body, request_id: '' }))
  }
  for (const [what, change] of Object.entries(hostile)) await judge(what, change)

  // A page below the same domain can ask for the passkey, and is not one of ours.
  await page.goto(`https://${strangers[0]}/`)
  await page.addScriptTag({ content: client })
  await judge('a page of our domain that is none of our frontends', () => {})
  await device.remove()
  assert.equal(refusals.size, 1)
  quiet(person)
  await person.close()
})
