// What a browser does with the server behind its proxy: one sign-in for all
// frontends, kept by its cookies and lost everywhere at once; a strange page
// that gets nothing out of it; the portfolio as people see and use it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessible, desktop, keep, launch, phone } from './browser.mjs'
import { start, strangers } from './site.mjs'

let site, browser, headers

before(async () => {
  site = await start()
  browser = await launch(site)
  headers = { ...await site.sign(), 'Content-Type': 'application/json' }
})

after(async () => {
  await browser?.close()
  await site?.stop()
})

const inside = async (method, path, body) => {
  const answer = await fetch(site.inside + path, { method, headers, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  return answer.status === 204 ? null : answer.json()
}

// visit opens a page and waits until it has read what it shows.
const visit = async (person, address) => {
  const page = await person.page()
  await page.goto(address)
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true]'))
  return page
}

// signIn is what the frontend's own form does, with its own client.
const signIn = (page) => page.evaluate(async (credentials) => {
  const { Homebase } = await import('/homebase.js')
  await new Homebase().signIn(credentials)
}, { email: site.email, password: site.password })

// call asks the API as the page's client does; the status of a refusal.
const call = (page, path) => page.evaluate(async (path) => {
  const { Homebase } = await import('/homebase.js')
  window.client ??= new Homebase()
  return window.client.get(path).catch(({ status }) => status)
}, path)

test('who signs in on one frontend is signed in on the other', async () => {
  const person = await browser.person()
  const before = await visit(person, `${site.portfolio}/`)
  assert.equal(await before.getByText('Signed in as').isVisible(), false)
  assert.equal(await before.getByRole('link', { name: 'Harbour' }).count(), 0)
  await signIn(await visit(person, `${site.storage}/`))
  const portfolio = await visit(person, `${site.portfolio}/`) // within the minute that answers to strangers are kept
  await portfolio.getByText(`Signed in as ${site.email}`).waitFor()
  await portfolio.getByRole('link', { name: 'Harbour' }).waitFor()
  await keep(portfolio, 'portfolio-signed-in', true)

  const cookies = await person.context.cookies(site.api)
  assert.deepEqual(cookies.map(({ name }) => name).sort(), ['__Host-at', '__Host-dv', '__Host-rt'])
  for (const cookie of cookies) {
    const { httpOnly, secure, sameSite, path, domain } = cookie
    // A domain without a leading dot is the host alone.
    assert.deepEqual({ httpOnly, secure, sameSite, path, domain }, { httpOnly: true, secure: true, sameSite: 'Strict', path: '/', domain: 'api.site.test' })
  }
  for (const frontend of [site.portfolio, site.storage]) assert.deepEqual(await person.context.cookies(frontend), [])
  assert.equal(await portfolio.evaluate(() => document.cookie), '')

  await portfolio.getByRole('button', { name: 'Sign out' }).click()
  await portfolio.getByText('Signed in as').waitFor({ state: 'hidden' })
  assert.equal(await portfolio.getByRole('link', { name: 'Harbour' }).count(), 0)
  await person.close()
})

test('three tabs on two frontends stay signed in when the access token expires', async () => {
  const person = await browser.person()
  const tabs = [await visit(person, `${site.storage}/`)]
  await signIn(tabs[0])
  tabs.push(await visit(person, `${site.storage}/`), await visit(person, `${site.portfolio}/`))
  await Promise.all(tabs.map((tab) => call(tab, '/auth/me')))
  for (let round = 0; round < 10; round++) {
    let refreshes = 0
    const count = (request) => { if (request.url().endsWith('/auth/refresh') && request.method() === 'POST') refreshes++ }
    person.context.on('request', count)
    await person.context.clearCookies({ name: '__Host-at' }) // its Max-Age is the token's life
    const answers = await Promise.all(tabs.flatMap((tab) => ['/auth/me', '/files/usage', '/auth/sessions'].map((path) => call(tab, path))))
    for (const answer of answers) assert.equal(typeof answer, 'object', `round ${round}: ${answer}`)
    person.context.off('request', count)
    assert.ok(refreshes >= 1 && refreshes <= 2, `${refreshes} refreshes of two origins`)
  }
  const me = await call(tabs[2], '/auth/me')
  assert.deepEqual(me.notices, [])
  await person.close()
})

test('signing out everywhere ends every tab, every device and every stream', async (t) => {
  const [here, there] = [await browser.person(), await browser.person()]
  const storage = await visit(here, `${site.storage}/`)
  await signIn(storage)
  const portfolio = await visit(here, `${site.portfolio}/`)
  await portfolio.getByText('Signed in as').waitFor()
  const device = await visit(there, `${site.storage}/`)
  await signIn(device)

  await device.evaluate((api) => new Promise((opened) => {
    window.heard = []
    window.stream = new EventSource(`${api}/api/v1/files/events`, { withCredentials: true })
    for (const type of ['created', 'changed']) window.stream.addEventListener(type, ({ data }) => window.heard.push([JSON.parse(data).item.name, Date.now()]))
    window.stream.onopen = opened
  }), site.api)
  const stored = Date.now()
  await fetch(`${site.inside}/files/content/heard.txt`, { method: 'PUT', headers, body: 'x' })
  const heard = await device.waitForFunction(() => window.heard.find(([name]) => name === 'heard.txt'))
  t.diagnostic(`an event came through nginx after ${(await heard.jsonValue())[1] - stored} ms`)

  await storage.evaluate(async () => {
    const { Homebase } = await import('/homebase.js')
    await new Homebase().signOut('all')
  })
  for (const page of [storage, portfolio, device]) assert.equal(await call(page, '/auth/me'), 401)
  await portfolio.reload()
  await portfolio.getByRole('heading', { level: 1 }).waitFor()
  assert.equal(await portfolio.getByText('Signed in as').isVisible(), false)
  await device.waitForFunction(() => window.stream.readyState === EventSource.CLOSED)
  assert.deepEqual((await here.context.cookies(site.api)).map(({ name }) => name), ['__Host-dv'])
  for (const person of [here, there]) await person.close()
  headers = { ...await site.sign(), 'Content-Type': 'application/json' } // ours ended too
})

// A page on a sibling name gets the cookies sent with its requests, one on
// another site does not; neither is in HOMEBASE_ORIGINS.
for (const stranger of strangers.map((name) => `https://${name}`)) {
  test(`a page on ${stranger} can neither read nor change anything`, async () => {
    const person = await browser.person()
    const own = await visit(person, `${site.storage}/`)
    await signIn(own)
    const evil = await visit(person, `${stranger}/`)
    const tries = (page) => page.evaluate(async (api) => {
      const say = async (path, init) => {
        try {
          return (await fetch(`${api}/api/v1${path}`, { credentials: 'include', ...init })).status
        } catch { return 'refused' }
      }
      const json = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"path":"/made","parents":true}' }
      return [await say('/auth/me'), await say('/files/items/root/children'), await say('/files/folders', json)]
    }, site.api)
    assert.deepEqual(await tries(evil), ['refused', 'refused', 'refused'])
    assert.equal(await call(own, '/files/lookup?path=/made'), 404)
    for (const [path, enctype, fields] of [
      ['/auth/logout?scope=all', 'application/x-www-form-urlencoded', {}], // else nobody would be signed in below
      ['/auth/login', 'text/plain', { '{"email":"eve@example.com","password":"': '"}' }],
      ['/files/folders', 'text/plain', { '{"path":"/forged","x":"': '"}' }],
    ]) {
      const forger = await visit(person, `${stranger}/`)
      const [answer] = await Promise.all([
        forger.waitForResponse((response) => response.url().startsWith(site.api)),
        forger.evaluate(({ action, enctype, fields }) => {
          const form = Object.assign(document.createElement('form'), { method: 'POST', action, enctype })
          for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement('input'), { name, value }))
          document.body.append(form)
          form.submit()
        }, { action: `${site.api}/api/v1${path}`, enctype, fields }),
      ])
      assert.ok([401, 403, 415].includes(answer.status()), `${path}: ${answer.status()}`)
      await forger.close()
    }
    assert.equal((await call(own, '/auth/me')).email, site.email)
    assert.equal(await call(own, '/files/lookup?path=/forged'), 404)
    assert.deepEqual(await tries(own), [200, 200, 201]) // the same from a frontend
    await inside('DELETE', `/files/items/${(await inside('GET', '/files/lookup?path=/made')).id}`)
    await person.close()
  })
}

test('a letter from the contact form arrives', async () => {
  const person = await browser.person(phone)
  const page = await visit(person, `${site.portfolio}/`)
  const form = page.locator('#contact form')
  await form.getByRole('button').click()
  assert.equal(await form.locator('[aria-invalid=true]').count(), 3)
  await accessible(page, 'the form with its complaints')
  await keep(page, 'portfolio-contact')
  assert.equal(await form.getByLabel('Leave this empty').isVisible() && (await form.getByLabel('Leave this empty').boundingBox()).x >= 0, false)
  await form.getByLabel('Name').fill('Ada')
  await form.getByLabel('Email').fill('ada@example.com')
  await form.getByLabel('Message').fill('I saw your charts on the quay.')
  await form.getByRole('button').click()
  await form.getByText('Your message has arrived').waitFor()
  const { items } = await inside('GET', '/portfolio/contact?state=new')
  assert.deepEqual(items.map(({ name, email, message }) => ({ name, email, message })), [{ name: 'Ada', email: 'ada@example.com', message: 'I saw your charts on the quay.' }])
  assert.deepEqual(person.complaints, [])
  await person.close()
})

test('what a writer has pasted is text to every reader', async () => {
  const hostile = '<img src=x onerror="window.ran=1"><script>window.ran=1</script> [a](javascript:window.ran=1) [b](https://example.com) **bold <b onclick=x>**\n\n# <svg onload="window.ran=1">\n\n- one\n  more\n- `two`'
  const project = await inside('POST', '/portfolio/projects', { title: hostile.slice(0, 40), summary: hostile, body: hostile, status: 'published', tags: ['<i>'] })
  const person = await browser.person()
  const page = await visit(person, `${site.portfolio}/#/projects/${project.slug}`)
  const body = page.locator('#project .body')
  assert.deepEqual(await body.evaluate((body) => [...body.querySelectorAll('*')].map((e) => e.localName + (e.href ? ` ${e.href}` : ''))),
    ['p', 'a https://example.com/', 'strong', 'h2', 'ul', 'li', 'li', 'code'])
  assert.deepEqual(await page.evaluate(() => [window.ran, document.querySelectorAll('#project img, #project i, #project script').length]), [undefined, 0])
  assert.deepEqual(person.complaints, [])
  await inside('DELETE', `/portfolio/projects/${project.id}`)
  await person.close()
})

for (const [device, options] of Object.entries({ phone, desktop })) {
  for (const colorScheme of ['light', 'dark']) {
    test(`the portfolio on a ${device}, ${colorScheme}`, async () => {
      const person = await browser.person({ ...options, colorScheme })
      const page = await person.page()
      const [view] = await Promise.all([page.waitForResponse((response) => response.url().endsWith('/analytics/events')), page.goto(`${site.portfolio}/`)])
      assert.equal(view.ok(), true)
      for (const name of ['home', 'project']) {
        if (name === 'project') {
          const counted = page.waitForRequest((request) => request.url().endsWith('/analytics/events') && request.postDataJSON().path === '/projects/tidal')
          await Promise.all([counted, page.getByRole('link', { name: 'Tidal' }).click()])
        }
        await page.locator('h1:visible').waitFor()
        await page.evaluate(() => Promise.all([...document.images].filter((img) => img.checkVisibility()).map((img) => {
          img.loading = 'eager'
          return img.decode() // fails when there is no picture
        })))
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'it is wider than the window')
        await accessible(page, `${name}, ${device}, ${colorScheme}`)
        await keep(page, `portfolio-${name}-${device}-${colorScheme}`, true)
      }
      await page.goBack()
      await page.getByRole('heading', { name: 'Selected work' }).waitFor()
      assert.deepEqual(person.complaints, [])
      await person.close()
    })
  }
}
