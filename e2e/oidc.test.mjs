// Signing in to other programs, in Chromium and through nginx with TLS, with
// two workers behind it: openid-client and oauth4webapi are programs on
// servers, oidc-client-ts is one in the browser, all untouched, and oidc-provider
// says how another provider answers. Each test is somebody with an account.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { authenticator } from './authenticator.mjs'
import { accessible, desktop, keep, launch, phone } from './browser.mjs'
import { relying, watch } from './oidc.mjs'
import * as oracle from './oracle.mjs'
import { password, people } from './people.mjs'
import { apps, start } from './site.mjs'
import { codeOf } from './totp.mjs'

const near = `https://${apps[0]}`
const wiki = createServer((_, response) => response.end('a page of the wiki')) // behind the gate
let site, browser, seen
let admin, ask, member, secondStep // of people
let issuer, get, register, openidClient, oauth4webapi, shut // of programs

before(async () => {
  await once(wiki.listen(0, '127.0.0.1'), 'listening')
  site = await start({ content: false, second: true, guarded: { wiki: wiki.address().port } })
  browser = await launch(site)
  seen = watch(site)
  ;({ admin, ask, member, secondStep } = await people(site))
  ;({ issuer, get, register, openidClient, oauth4webapi, shut } = relying(site, { admin, ask }, seen))
  site.put('app', 'index.html', '<!doctype html><title>A program</title><h1>Back in the program</h1>')
})

after(async () => {
  await browser?.close()
  await site?.stop()
  wiki.close()
})

afterEach(() => seen.check())

// visitor is a browser of somebody's own, watched, with its first page.
async function visitor(options) {
  const person = await browser.person(options)
  seen.person(person)
  const page = await person.page()
  return { person, page }
}

const click = (page, name) => page.getByRole('button', { name, exact: true }).click()
const heading = (page, name) => page.getByRole('heading', { name, exact: true }).waitFor()
const back = (page, { at }) => page.waitForURL((url) => url.href.startsWith(`${at}?`))

async function fill(page, { email }) {
  await heading(page, 'Sign in')
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await click(page, 'Sign in')
}

// enter is somebody at the storage frontend, signed in by password.
async function enter(somebody, options) {
  const all = await visitor(options)
  await all.page.goto(`${site.storage}/`)
  await fill(all.page, somebody)
  await heading(all.page, 'All files')
  return all
}

// open signs in to a program of the kind that openidClient makes, without a click.
async function open(page, program) {
  await page.goto(await program.begin())
  await back(page, program)
  return program.end(page.url())
}

test('openid-client: somebody signs in, allows it once, and signs out of all', async () => {
  const ada = await member('ada', { name: 'Ada Lovelace' }), program = await openidClient('Grafana', { consent: true }), { person, page } = await visitor()
  await page.goto(await program.begin())
  await page.getByText('to go on to Grafana').waitFor()
  await fill(page, ada)
  await heading(page, 'Sign in to Grafana?')
  await page.getByText('You are signed in as Ada Lovelace (ada@example.com).').waitFor()
  assert.deepEqual(await page.getByRole('list', { name: 'What it is told' }).locator('.name').allInnerTexts(), ['That it is you', 'Your name', 'Your e-mail address', 'Also while you are away'])
  await click(page, 'Allow')
  await back(page, program)
  await heading(page, 'Back in the program')
  const tokens = await program.end(page.url())
  const { sub, email, email_verified: verified, name } = await program.told(tokens)
  assert.deepEqual({ sub, email, verified, name }, { sub: ada.id, email: ada.email, verified: true, name: 'Ada Lovelace' })
  assert.equal(tokens.claims().email, ada.email)
  const refreshed = await program.refresh(tokens)
  assert.equal(refreshed.claims().sub, ada.id)
  await program.told(refreshed)

  // The second time nobody is asked.
  const again = await open(page, program)

  await page.goto(program.leave({ id_token_hint: again.id_token, post_logout_redirect_uri: `${program.at}/bye`, state: 's1' }))
  await page.getByText('Grafana asks for it.').waitFor()
  await program.told(again) // nothing has ended yet
  await click(page, 'Sign out')
  await page.waitForURL(`${program.at}/bye?state=s1`)
  await shut(refreshed, program)
  await shut(again, program)
  await assert.rejects(program.told(again))
  await assert.rejects(program.refresh(again), { error: 'invalid_grant', status: 400 })
  await page.goto(await program.begin())
  await heading(page, 'Sign in')
  // Signed out already: it goes back at once.
  await page.goto(program.leave({ client_id: program.client_id, post_logout_redirect_uri: `${program.at}/bye` }))
  await page.waitForURL(`${program.at}/bye`)
  await person.close()
})

test('openid-client: who denies is not signed in, and may change the account', async () => {
  const [eve, mallory] = [await member('eve'), await member('mallory')], program = await openidClient('Nextcloud', { consent: true }), { person, page } = await enter(eve)
  await page.goto(await program.begin())
  await click(page, 'Deny')
  await back(page, program)
  await assert.rejects(program.end(page.url()), { error: 'access_denied' })

  await page.goto(await program.begin())
  await page.getByText(`You are signed in as ${eve.email}.`).waitFor()
  await click(page, 'Not you? Use another account')
  await fill(page, mallory)
  await page.getByText(`You are signed in as ${mallory.email}.`).waitFor()
  await click(page, 'Allow')
  await back(page, program)
  assert.equal((await program.end(page.url())).claims().sub, mallory.id)
  await person.close()
})

test('at the question one signs in by passkey, from the form or by its autofill, and by code', async () => {
  const grace = await member('grace'), program = await openidClient('Immich'), { person, page } = await enter(grace)
  const device = await authenticator(page)
  await page.evaluate(() => { location.hash = '#/account' })
  await click(page, 'Add a passkey')
  await page.getByText('signs you in from now on').waitFor()
  const leave = async () => {
    await device.present(false)
    await page.goto(`${site.storage}/account.html#action=logout`)
    await click(page, 'Sign out')
    await heading(page, 'Signed out')
  }
  await leave()
  await page.goto(await program.begin())
  await page.getByRole('button', { name: 'Sign in with a passkey' }).waitFor()
  await device.present(true)
  await click(page, 'Sign in with a passkey')
  await back(page, program)
  assert.equal((await program.end(page.url())).claims().sub, grace.id)

  await leave()
  await device.present(true)
  await page.goto(await program.begin()) // whose form offers it by itself
  await back(page, program)
  assert.equal((await program.end(page.url())).claims().sub, grace.id)

  await leave()
  const secret = await secondStep(grace)
  await page.goto(await program.begin())
  await fill(page, grace)
  await page.getByLabel('Code').fill(codeOf(secret, 1))
  await click(page, 'Sign in')
  await back(page, program)
  assert.equal((await program.end(page.url())).claims().sub, grace.id)
  await person.close()
})

test('oauth4webapi: prompt and max_age hold, and a trusted program needs no click', async () => {
  const joan = await member('joan'), trusted = await oauth4webapi('Proxmox'), asking = await oauth4webapi('Jellyfin', { consent: true }), { person, page } = await visitor()
  // come goes to the provider and comes back; between them nothing is clicked.
  const come = async (program, params) => {
    await page.goto(await program.begin(params))
    await back(page, program)
    return program.end(page.url())
  }
  await assert.rejects(come(trusted, { prompt: 'none' }), { error: 'login_required' })
  await page.goto(await trusted.begin())
  await fill(page, joan)
  await back(page, trusted)
  const first = await trusted.end(page.url())
  assert.equal(first.claims.sub, joan.id)
  const silent = await come(trusted, { prompt: 'none' })
  assert.equal(silent.claims.auth_time, first.claims.auth_time)
  await come(trusted)
  await assert.rejects(come(asking, { prompt: 'none' }), { error: 'consent_required' })

  // Who is there is asked once more, and only then.
  await sleep(Math.max(0, (first.claims.auth_time + 2) * 1000 + 50 - Date.now()))
  await come(trusted, { max_age: '3600' })
  await assert.rejects(come(trusted, { max_age: '1', prompt: 'none' }), { error: 'login_required' })
  for (const params of [{ max_age: '1' }, { prompt: 'login' }]) {
    await page.goto(await trusted.begin(params))
    const proof = page.getByRole('dialog', { name: 'Is it you?' })
    await proof.getByText('Proxmox wants to know that it is still you.').waitFor()
    await page.keyboard.press('Escape') // not now: the question remains
    await heading(page, 'Sign in to Proxmox?')
    await click(page, 'Allow')
    await proof.getByLabel('Password').fill(password)
    await page.keyboard.press('Enter')
    await back(page, trusted)
    assert.ok((await trusted.end(page.url())).claims.auth_time > first.claims.auth_time)
  }
  await page.goto(await trusted.begin({ prompt: 'consent' }))
  await click(page, 'Allow')
  await back(page, trusted)
  await trusted.end(page.url())
  await person.close()
})

test('oidc-client-ts: a program in the browser signs in, renews, and signs out', async () => {
  const lise = await member('lise'), { person, page } = await visitor()
  const spa = await register('Notes', { public: true, redirect_uris: [`${near}/notes.html`], post_logout_redirect_uris: [`${near}/notes.html?out`] })
  seen.register([`${near}/notes.html?out`, `${near}/notes.html?out&`])
  site.put('app', 'oidc-client-ts.js', readFileSync(new URL('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js', import.meta.url)))
  site.put('app', 'notes.html', `<!doctype html><title>Notes</title><link rel="icon" href="data:,"><script src="oidc-client-ts.js"></script><script>
    window.manager = new oidc.UserManager(${JSON.stringify({
    authority: issuer, client_id: spa.client_id, redirect_uri: spa.at, post_logout_redirect_uri: spa.post_logout_redirect_uris[0],
    scope: 'openid profile email offline_access', loadUserInfo: true, automaticSilentRenew: false, silentRequestTimeoutInSeconds: 1,
  })})</script>`)
  const finish = () => page.evaluate(async () => {
    const answer = await window.manager.signinRedirectCallback().then(({ profile }) => ({ profile }), ({ error }) => ({ error }))
    history.replaceState(null, '', location.pathname)
    return answer
  })
  const go = async (more) => {
    await page.evaluate((more) => { window.manager.signinRedirect(more) }, more)
  }
  await page.goto(spa.at)
  await go()
  await fill(page, lise)
  await back(page, spa)
  const { profile } = await finish()
  assert.deepEqual([profile.sub, profile.email, profile.email_verified], [lise.id, lise.email, true])
  const tokens = () => page.evaluate(() => window.manager.getUser().then(({ access_token, refresh_token }) => ({ access_token, refresh_token })))
  const old = await tokens()
  await page.evaluate(() => window.manager.signinSilent())
  assert.notEqual((await tokens()).refresh_token, old.refresh_token)

  // In the window prompt=none answers at once.
  await go({ prompt: 'none' })
  await back(page, spa)
  assert.equal((await finish()).profile.sub, lise.id)

  // In a frame nothing is answered, though this one gets the cookies: a page
  // that could be framed could have its clicks stolen.
  const decided = []
  page.on('request', (request) => /\/oidc\/requests\//.test(request.url()) && decided.push(request.method()))
  const framed = () => page.evaluate(() => window.manager.getUser().then((user) => window.manager.storeUser(Object.assign(user, { refresh_token: undefined }))).then(() => window.manager.signinSilent()).catch(({ name }) => name))
  await person.context.route('**/account.html', async (route) => {
    const answer = await route.fetch()
    const headers = answer.headers()
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/)
    delete headers['content-security-policy'] // the page holds it by itself too
    await route.fulfill({ response: answer, headers })
  })
  assert.equal(await framed(), 'ErrorTimeout')
  await person.context.unroute('**/account.html')
  assert.equal(await framed(), 'ErrorTimeout')
  assert.deepEqual(decided, [])

  const last = await tokens()
  await page.evaluate(() => { window.manager.signoutRedirect() })
  await page.getByText('Notes asks for it.').waitFor()
  await click(page, 'Sign out')
  await page.waitForURL((url) => url.href.startsWith(`${near}/notes.html?out`))
  await page.evaluate(() => window.manager.signoutRedirectCallback())
  assert.equal((await get(`${issuer}/userinfo`, { headers: { Authorization: `Bearer ${last.access_token}` } })).status, 401)
  await page.goto(spa.at)
  await go({ prompt: 'none' })
  await back(page, spa)
  assert.deepEqual(await finish(), { error: 'login_required' })
  await person.close()
})

test('a user who is disabled has four open programs shut at once, on each worker', async () => {
  const rosa = await member('rosa'), { person, page } = await enter(rosa), guarded = 'https://wiki.site.test/'
  const programs = await Promise.all([openidClient('One'), openidClient('Two', { public: true }), openidClient('Three', { roles: ['member'] })])
  assert.equal((await ask('POST', '/auth/gate/hosts', { host: 'wiki.site.test', name: 'Wiki' }, admin)).status, 201)
  seen.register([guarded])
  await page.goto(guarded)
  await page.getByText('a page of the wiki').waitFor()
  const cookie = (await person.context.cookies(guarded)).map(({ name, value }) => `${name}=${value}`).join('; ')
  const check = (worker) => fetch(`${worker}/auth/gate/check`, { headers: { 'X-Original-URL': guarded, 'X-Original-Method': 'GET', cookie } }).then(({ status }) => status)
  assert.deepEqual(await Promise.all(site.workers.map(check)), [200, 200])
  const tokens = []
  for (const program of programs) tokens.push(await open(page, program))
  await Promise.all(programs.map((program, i) => program.told(tokens[i])))
  assert.equal((await ask('PATCH', `/auth/users/${rosa.id}`, { status: 'disabled' }, admin)).status, 200)
  await Promise.all(programs.map((program, i) => shut(tokens[i], program)))
  assert.equal(await check(site.workers[0]), 401) // where it was done
  for (let i = 0; await check(site.workers[1]) !== 401; i++) {
    assert.ok(i < 1200, 'the other worker has not heard of it')
    await sleep(50)
  }
  for (const [i, program] of programs.entries()) {
    await assert.rejects(program.told(tokens[i]))
    await assert.rejects(program.refresh(tokens[i]), { error: 'invalid_grant' })
  }
  await page.goto(await programs[0].begin())
  await heading(page, 'Sign in')
  await person.close()
})

test('a session that is ended elsewhere, and a program shut out on the account page, end what they gave', async () => {
  const edith = await member('edith'), program = await openidClient('Miniflux', { consent: true }), [here, there] = [await enter(edith), await enter(edith)]
  const allow = async (page) => {
    await page.goto(await program.begin())
    await click(page, 'Allow')
    await back(page, program)
    return program.end(page.url())
  }
  const tokens = await allow(here.page)
  const known = await open(there.page, program) // allowed once for all of the person's sessions
  await there.page.goto(`${site.storage}/#/account`)
  await there.page.getByRole('button', { name: /^Sign out Chrome/ }).first().click()
  await there.page.getByRole('button', { name: /^Sign out Chrome/ }).waitFor({ state: 'detached' })
  await shut(tokens, program)
  await program.told(known)

  const programs = there.page.getByRole('list', { name: 'Programs' })
  await programs.getByText('name, e-mail address, also while you are away').waitFor()
  await accessible(there.page, 'the programs')
  await click(there.page, 'Shut Miniflux out')
  await there.page.getByRole('dialog', { name: 'Shut “Miniflux” out?' }).waitFor()
  await keep(there.page, 'oidc-withdraw')
  await there.page.keyboard.press('Escape') // nothing has happened
  await program.told(known)
  await click(there.page, 'Shut Miniflux out')
  await click(there.page, 'Shut it out')
  await programs.waitFor({ state: 'detached' })
  await shut(known, program)
  await allow(there.page) // it has to ask once more
  for (const { person } of [here, there]) await person.close()
})

test('the page goes nowhere by its own address, nor where a script would run', async () => {
  const mary = await member('mary'), program = await openidClient('Vaultwarden', { consent: true }), { person, page } = await enter(mary)
  const account = `${site.storage}/account.html`
  for (const fragment of ['action=authorize', 'action=authorize&request=x', 'action=authorize&request=0197ffff-0000-4000-8000-000000000000&redirect_to=https://evil.example/', 'action=authorize&request=../../users']) {
    await page.goto('about:blank')
    await page.goto(`${account}#${fragment}`)
    await heading(page, 'Too late')
  }
  await page.goto('about:blank')
  await page.goto(`${account}#action=logout&request=0197ffff-0000-4000-8000-000000000000`)
  await click(page, 'Stay')
  await heading(page, 'All files')

  for (const [to, stays] of [['javascript:window.ran=1', 'There is no way back to the program.'], ['data:text/html,<h1>x', 'There is no way back to the program.']]) {
    await page.goto(await program.begin())
    await page.route('**/oidc/requests/*', (route) => route.request().method() !== 'POST' ? route.fallback() : route.fulfill({
      json: { redirect_to: to }, headers: { 'Access-Control-Allow-Origin': site.storage, 'Access-Control-Allow-Credentials': 'true' },
    }))
    await click(page, 'Allow')
    await page.getByText(stays).waitFor()
    await page.unroute('**/oidc/requests/*')
    assert.deepEqual([await page.evaluate(() => window.ran), page.url().split('#')[0]], [undefined, account])
  }
  // A click that was meant for a window which has just gone allows nothing, nor one for what the page showed before.
  const allow = page.getByRole('button', { name: 'Allow', exact: true })
  assert.ok(await page.evaluate(() => new Promise((shown) => {
    new MutationObserver(() => shown(document.querySelector('.deliberate .main').disabled)).observe(document.querySelector('main'), { childList: true })
    dispatchEvent(new Event('hashchange'))
  })))
  await page.waitForFunction(() => document.querySelector('.deliberate .main:enabled'))
  assert.ok(await allow.isEnabled())
  await page.evaluate(() => dispatchEvent(new Event('focus')))
  assert.ok(await allow.isDisabled())
  await page.waitForFunction(() => document.querySelector('.deliberate .main:enabled'))

  // What was answered is at its end, whoever opens it again.
  const address = page.url()
  await click(page, 'Deny')
  await back(page, program)
  await page.goto(address)
  await heading(page, 'Too late')
  await accessible(page, 'too late')

  // An app of its own is opened beside the page.
  const app = await register('App', { redirect_uris: ['app.immich:///oauth-callback'] })
  await page.goto(`${issuer}/authorize?${new URLSearchParams({ client_id: app.client_id, redirect_uri: app.at, response_type: 'code', scope: 'openid' })}`)
  assert.match(await page.getByRole('link', { name: 'Open App' }).getAttribute('href'), /^app\.immich:\/\/\/oauth-callback\?code=/)
  await person.close()
})

for (const [device, options] of Object.entries({ phone: { ...phone, viewport: { width: 390, height: 844 } }, desktop })) {
  test(`the question can be answered by everyone on a ${device}, by day and by night, and by keyboard`, async () => {
    const somebody = await member(`looks-${device}`, { name: 'Somebody with a longer name' }), { person, page } = await visitor(options)
    const program = await openidClient(`Home Assistant ${device}`, { consent: true, scope: 'openid profile email groups offline_access' })
    const look = async (name) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        await accessible(page, `${name}, ${device}, ${colorScheme}`)
        await keep(page, `oidc-${name}-${device}-${colorScheme}`, true)
      }
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is wider than the window`)
    }
    await page.goto(await program.begin({ prompt: 'consent' }))
    await heading(page, 'Sign in')
    await look('sign-in')
    await page.keyboard.press('Tab')
    await page.keyboard.type(somebody.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(password)
    await page.keyboard.press('Enter')
    await heading(page, `Sign in to ${program.name}?`)
    await look('consent')
    for (let i = 0; await page.evaluate(() => document.activeElement.textContent) !== 'Allow'; i++) {
      assert.ok(i < 5, 'Allow is not reached by Tab')
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await back(page, program)
    await program.end(page.url())
    await page.goto(`${issuer}/logout`)
    await heading(page, 'Sign out?')
    await look('sign-out')
    await person.close()
  })
}

test('oidc-provider says the same of the same requests', async (t) => {
  const [own, open] = [await register('Oracle'), await register('Oracle open', { public: true, redirect_uris: [`https://${apps[1]}/oracle`] })]
  const other = await oracle.start([own, open])
  t.after(other.stop)
  const [ours, theirs] = [await oracle.discover(issuer, get), await oracle.discover(other.issuer, fetch)]
  assert.deepEqual(oracle.alone(theirs, ours), ['claim_types_supported', 'claims_supported: sid', 'response_modes_supported: form_post', 'response_modes_supported: fragment'])
  assert.deepEqual(oracle.alone(ours, theirs), [...['aud', 'exp', 'iat', 'nonce'].map((claim) => `claims_supported: ${claim}`), 'prompt_values_supported', 'request_parameter_supported'])
  for (const [what, request] of Object.entries(oracle.tokenRequests)) {
    assert.deepEqual(await oracle.token(ours, get, own, request), await oracle.token(theirs, fetch, own, request), what)
  }
  // From the account page a stranger answers what can be answered.
  const decide = async (to) => {
    seen.redirect(to)
    const request = /#action=authorize&request=(.*)$/.exec(to)?.[1]
    if (!request) return to
    const { status, body } = await ask('POST', `/auth/oidc/requests/${request}`, { approve: true })
    if (status === 200) seen.redirect(body.redirect_to)
    return body.redirect_to
  }
  for (const [what, params] of Object.entries(oracle.authorizations)) {
    const mine = await oracle.authorize(ours, get, [own, open], params, decide), its = await oracle.authorize(theirs, fetch, [own, open], params)
    assert.deepEqual(mine, oracle.otherwise[what]?.(its) ?? its, what)
  }
})
