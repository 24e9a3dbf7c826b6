// Other programs of the house sign people in with Homebase, in Chromium and
// through nginx with TLS: Apache with mod_auth_openidc, miniflux with its own
// database, and one made with go-oidc. Two workers answer them in turn.
// Miniflux asks when somebody signs in, and never again: it stands behind the
// gate as well.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch } from './browser.mjs'
import { watch } from './oidc.mjs'
import { password, people } from './people.mjs'
import { build, names, ports, start as startPrograms } from './programs.mjs'
import { start } from './site.mjs'

let site, at, browser, seen, admin, ask, newMember, programs
const clients = {}
const home = Object.fromEntries(names.map((name) => [name, `https://${name}.site.test`]))
const fields = {
  apache: { name: 'Wiki', redirect_uris: [`${home.apache}/oidc`], post_logout_redirect_uris: [`${home.apache}/bye.html`], consent: true },
  miniflux: { name: 'Feeds', redirect_uris: [`${home.miniflux}/oauth2/oidc/callback`], roles: ['member', 'admin'] },
  reader: { name: 'Reader', redirect_uris: [`${home.reader}/callback`], post_logout_redirect_uris: [`${home.reader}/bye`] },
}

before(async () => {
  const bin = join(import.meta.dirname, '../bin/e2e')
  const built = build(bin)
  built.catch(() => {}) // it is awaited below, when there is a site to stop
  at = await ports()
  site = await start({ content: false, second: true, programs: { apache: at.apache, reader: at.reader }, guarded: { miniflux: at.miniflux } })
  seen = watch(site, Object.values(home))
  ;({ admin, ask, member: newMember } = await people(site))
  for (const name of names) {
    const made = clients[name] = await want(201, 'POST', '/auth/clients', fields[name])
    seen.register([...made.redirect_uris, ...made.post_logout_redirect_uris])
  }
  await want(201, 'POST', '/auth/gate/hosts', { host: 'miniflux.site.test', name: 'Feeds' })
  await built
  programs = await startPrograms(site, { bin, ports: at, clients })
  browser = await launch(site)
})

after(async () => {
  await browser?.close()
  await programs?.stop()
  await site?.stop()
})

afterEach(() => seen.check())

// want is an admin's request, of which the status is known.
async function want(status, method, path, json) {
  const answer = await ask(method, path, json, admin)
  assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

// member is somebody new with a browser.
async function member(name, roles = ['member']) {
  const { id, email } = await newMember(name, { name, roles })
  const person = await browser.person()
  seen.person(person)
  const page = await person.page()
  return { id, email, page, context: person.context }
}

// signIn is what a person does on the account page, to which a program has
// sent the browser. Some programs are let in without being asked.
async function signIn({ page, email }, click) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  if (click) await page.getByRole('button', { name: click, exact: true }).click()
}

// until goes to a page until it reads so: a program may ask Homebase only now
// and then, and the worker that nginx asks hears of a session's end a moment
// after the one that ended it.
async function until(page, url, reads) {
  for (let i = 0; ; i++) {
    await page.goto(url)
    if (reads.test(page.url() + await page.locator('body').innerText())) return
    assert.ok(i < 300, `${page.url()}: ${await page.locator('body').innerText()}`)
    await sleep(200)
  }
}

test('Apache signs somebody in, tells the groups, and signs out when the session ends', async () => {
  const ada = await member('ada'), { page } = ada
  await page.goto(`${home.apache}/`)
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  await signIn(ada, 'Allow')
  await page.waitForURL(`${home.apache}/`)
  assert.equal(await page.locator('h1').innerText(), 'ada@example.com')
  assert.equal(await page.locator('p').innerText(), 'groups: member')
  assert.equal((await page.goto(`${home.apache}/admin/`)).status(), 401)
  // The parts of a page come at once, and Apache refreshes for each of them.
  await page.goto(`${home.apache}/`)
  await sleep(5100)
  assert.deepEqual(await page.evaluate(() => Promise.all([...'12345678'].map(async (part) => (await fetch(`/?part=${part}`)).text().then((text) => /<h1>(.*)<.h1>/.exec(text)?.[1])))),
    Array(8).fill(ada.email))
  await want(204, 'DELETE', `/auth/users/${ada.id}/sessions`)
  await until(page, `${home.apache}/`, /account\.html#action=authorize/)
  await signIn(ada, 'Allow')
  await page.waitForURL(`${home.apache}/`)
  await page.goto(`${home.apache}/oidc?logout=${encodeURIComponent(`${home.apache}/bye.html`)}`)
  await page.getByText('Wiki asks for it.').waitFor()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.getByRole('heading', { name: 'Goodbye' }).waitFor()
})

// enterFeeds goes through the gate, with a sign-in the first time, and on to
// miniflux's own sign-in, which needs none.
async function enterFeeds(who, first) {
  await who.page.goto(`${home.miniflux}/`)
  if (first) await signIn(who)
  await who.page.getByRole('link', { name: 'Homebase' }).click().catch(async (cause) => {
    throw new Error(`${who.page.url()}: ${await who.page.locator('body').innerText()}`, { cause })
  })
}

async function leaveFeeds({ page }) {
  await page.getByRole('button', { name: 'Logout' }).click()
  await page.waitForURL(`${home.miniflux}/`)
}

// within is miniflux's answer to the browser's cookies when nobody stands before it.
async function within({ context }) {
  const cookies = (await context.cookies(home.miniflux)).map(({ name, value }) => `${name}=${value}`).join('; ')
  const answer = await fetch(`http://127.0.0.1:${at.miniflux}/unread`, { headers: { cookie: cookies }, redirect: 'manual' })
  return answer.status
}

test('miniflux knows somebody again, makes admins of admins, and lets nobody in without the role', async () => {
  const bob = await member('bob'), root = await member('root', ['admin']), guest = await member('guest', [])
  for (const [who, users, first] of [[bob, 403, true], [root, 200, true], [bob, 403, false]]) {
    await enterFeeds(who, first)
    await who.page.waitForURL(`${home.miniflux}/unread`)
    assert.equal(await who.page.evaluate(async () => (await fetch('/users')).status), users)
    await leaveFeeds(who)
  }
  await enterFeeds(guest, true)
  await guest.page.waitForURL(`${home.miniflux}/`)
  assert.equal(await within(guest), 302)
})

test('miniflux is shut when the session ends', async () => {
  const eve = await member('eve'), { page } = eve
  await enterFeeds(eve, true)
  await page.waitForURL(`${home.miniflux}/unread`)
  await want(204, 'DELETE', `/auth/users/${eve.id}/sessions`)
  await page.waitForFunction(async () => (await fetch('/unread')).status === 401)
  await until(page, `${home.miniflux}/unread`, /account\.html#action=gate/)
  assert.equal(await within(eve), 200) // by itself it would let her in
  await signIn(eve)
  await page.waitForURL(`${home.miniflux}/unread`)
})

const refreshed = (page) => page.evaluate(async () => (await fetch('/refresh', { method: 'POST' })).text())

test('a program made with go-oidc refreshes, and signs out here and there', async () => {
  const cid = await member('cid'), { page } = cid
  await page.goto(`${home.reader}/`)
  await signIn(cid)
  await page.waitForURL(`${home.reader}/`)
  assert.deepEqual(JSON.parse(await page.locator('body').innerText()), {
    sub: cid.id, name: 'cid', preferred_username: cid.email, email: cid.email, email_verified: true, groups: ['member'],
  })
  for (let i = 0; i < 4; i++) assert.equal(await refreshed(page), 'refreshed\n')
  await page.goto(`${home.reader}/logout`)
  await page.getByText('Reader asks for it.').waitFor()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.waitForURL(`${home.reader}/bye`)
  await page.goto(`${home.reader}/`)
  await page.getByRole('heading', { name: 'Sign in' }).waitFor()
})

test('whoever is disabled is out of every program with the next question, whichever worker answers', async () => {
  const dora = await member('dora'), { page } = dora
  await page.goto(`${home.reader}/`)
  await signIn(dora)
  await page.waitForURL(`${home.reader}/`)
  await enterFeeds(dora)
  await page.waitForURL(`${home.miniflux}/unread`)
  assert.equal(await within(dora), 200)
  await page.goto(`${home.apache}/`)
  await page.getByRole('button', { name: 'Allow', exact: true }).click()
  await page.waitForURL(`${home.apache}/`)
  await want(200, 'PATCH', `/auth/users/${dora.id}`, { status: 'disabled' })
  await page.goto(`${home.reader}/`)
  for (let i = 0; i < 4; i++) {
    assert.match(await refreshed(page), /invalid_grant/)
    await page.goto(`${home.reader}/`)
    assert.match(await page.locator('body').innerText(), /no longer signed in: 401 Unauthorized/)
  }
  await until(page, `${home.apache}/`, /account\.html#action=authorize/)
  await until(page, `${home.miniflux}/unread`, /account\.html#action=gate/)
  await signIn(dora)
  await page.getByText('Check both and try again.').waitFor()
})
