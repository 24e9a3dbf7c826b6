// Programs without a sign-in of their own, behind nginx as deploy/gate.conf
// configures it, in Chromium and with TLS; two workers are asked in turn. The
// programs tell what reaches them.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { start } from './site.mjs'

let site, browser, admin
const servers = []
const password = 'nine grey herons wading'
const graphs = 'https://graphs.site.test', rules = 'https://rules.site.test', secret = 'https://secret.site.test'
const accountPage = /^https:\/\/storage\.site\.test\/account\.html#action=gate&request=/

// program answers what it was asked, and what a WebSocket says.
async function program(name) {
  const server = createServer(async (request, response) => {
    let size = 0
    for await (const part of request) size += part.length
    response.setHeader('Content-Type', request.headers.accept?.startsWith('text/html') ? 'text/html' : 'application/json')
    if (request.url === '/own-401') response.statusCode = 401
    response.end(JSON.stringify({ name, method: request.method, url: request.url, size, headers: request.headers }))
  })
  server.on('upgrade', (request, socket) => {
    const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    const hello = Buffer.from(`hello from ${name}`)
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`)
    socket.write(Buffer.concat([Buffer.from([0x81, hello.length]), hello]))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(server)
  return server.address().port
}

before(async () => {
  const guarded = { graphs: await program('graphs'), rules: await program('rules'), secret: await program('secret') }
  site = await start({ content: false, second: true, guarded, settings: { HOMEBASE_RATE_LIMITS: 'on' } })
  admin = await site.sign()
  await want(201, 'POST', '/auth/gate/hosts', { host: 'graphs.site.test', name: 'Graphs' }, admin)
  await want(201, 'POST', '/auth/gate/hosts', { host: 'rules.site.test', name: 'Rules', roles: ['member'], identify: true }, admin)
  browser = await launch(site) // nginx guards secret.site.test, which nobody has registered
})

after(async () => {
  await browser?.close()
  await site?.stop()
  for (const server of servers) {
    server.close()
    server.closeAllConnections()
  }
})

// want is a request without a browser, of which the status is known.
async function want(status, method, path, json, headers = {}) {
  const answer = await fetch(site.inside + path, {
    method, headers: { ...headers, ...json && { 'Content-Type': 'application/json' } }, body: json && JSON.stringify(json),
  })
  const text = await answer.text()
  assert.equal(answer.status, status, `${method} ${path}: ${text}`)
  return text && JSON.parse(text)
}

// member is somebody new with a browser.
async function member(name, { roles = ['member'], called = name } = {}) {
  const email = `${name}@example.com`
  const { id } = await want(201, 'POST', '/auth/users', { email, password, name: called, roles }, admin)
  const person = await browser.person(), page = await person.page()
  return { id, email, page, person }
}

// enter opens an address behind the gate and signs in on the way.
async function enter({ page, email }, url) {
  await page.goto(url)
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.waitForURL(url)
  return told(page)
}

const told = async (page) => JSON.parse(await page.locator('body').innerText())

// call is a script's request in the page: its status and what came.
const call = (page, path, options) => page.evaluate(async ([path, options]) => {
  const answer = await fetch(path, { ...options, redirect: 'manual' })
  return { status: answer.status, type: answer.type, text: await answer.text() }
}, [path, options])

// listen opens a WebSocket: what it says, or that it was refused.
const listen = (page) => page.evaluate(() => new Promise((done) => {
  const socket = new WebSocket(`wss://${location.host}/live`)
  socket.onmessage = ({ data }) => done(data)
  socket.onerror = () => done('refused')
}))

test('a deep link leads through the sign-in to where it points, and the next program needs none', async () => {
  const ada = await member('ada', { called: 'Ada L.' }), { page } = ada
  const url = `${graphs}/d/7?from=now-1h&to=now&var=a%20b`
  const { name, headers } = await enter(ada, url)
  assert.equal((await told(page)).url, '/d/7?from=now-1h&to=now&var=a%20b')
  assert.equal(name, 'graphs')
  for (const name of Object.keys(headers)) assert.ok(!name.startsWith('remote-'), name)
  const cookies = await ada.person.context.cookies(graphs)
  const { httpOnly, secure, sameSite, path, domain } = cookies.find(({ name }) => name === '__Host-hb-gate')
  assert.deepEqual({ httpOnly, secure, sameSite, path, domain }, { httpOnly: true, secure: true, sameSite: 'Lax', path: '/', domain: 'graphs.site.test' })
  for (const { name } of cookies) assert.match(name, /^__Host-hb-/) // none of the API's

  // Signed in already: no form, no click. Who it is reaches the program, and nothing that the browser claims.
  await page.goto(`${rules}/edit?rule=1`)
  await page.waitForURL(`${rules}/edit?rule=1`)
  await page.setExtraHTTPHeaders({ 'Remote-User': 'root@example.com', 'Remote-Groups': 'admin', 'X-Forwarded-Host': 'evil.example', 'X-Original-URL': `${graphs}/` })
  await page.reload()
  const seen = (await told(page)).headers
  assert.deepEqual(['user', 'email', 'name', 'groups'].map((what) => seen[`remote-${what}`]), [ada.email, ada.email, 'Ada L.', 'member'])
  await page.goto(`${graphs}/`)
  assert.equal((await told(page)).headers['remote-user'], undefined)
  await page.setExtraHTTPHeaders({})

  // A page elsewhere links to it, and the cookie comes along.
  await page.goto('https://evil.example/')
  await page.evaluate((url) => { location.href = url }, `${graphs}/linked`)
  await page.waitForURL(`${graphs}/linked`)
  assert.equal((await told(page)).url, '/linked')

  // nginx guards this one, but Homebase does not know it: nobody is let through.
  assert.equal((await page.goto(`${secret}/`)).status(), 403)
})

test('uploads, scripts, answers of the program itself and WebSockets go through', async () => {
  const bob = await member('bob'), { page } = bob
  await enter(bob, `${graphs}/`)
  const posted = await call(page, '/upload?x=1', { method: 'POST', body: 'x'.repeat(3 << 20) })
  assert.equal(posted.status, 200)
  assert.deepEqual((({ method, url, size }) => ({ method, url, size }))(JSON.parse(posted.text)), { method: 'POST', url: '/upload?x=1', size: 3 << 20 })
  assert.equal((await call(page, '/own-401', {})).status, 401)
  assert.equal(JSON.parse((await call(page, '/own-401', {})).text).name, 'graphs')
  const basic = await call(page, '/api', { headers: { Authorization: 'Basic YTpi' } })
  assert.equal(JSON.parse(basic.text).headers.authorization, 'Basic YTpi')
  assert.equal(await listen(page), 'hello from graphs')
  // A page asks for much at once, and no limit of Homebase answers for the program.
  const statuses = await page.evaluate(() => Promise.all(Array.from({ length: 50 }, (_, i) => fetch(`/part/${i}`).then(({ status }) => status))))
  assert.deepEqual([...new Set(statuses)], [200])
})

test('a stranger gets nothing: pages are sent to sign in, and the rest is refused at once', async () => {
  const { page } = await member('eve')
  await page.goto(`${graphs}/d/7`)
  assert.match(page.url(), accountPage)
  for (const [method, path, status = 401] of [
    ['GET', '/api'], ['HEAD', '/'], ['OPTIONS', '/api'], ['PUT', '/x'], ['DELETE', '/x'], ['PROPFIND', '/'], ['GET', '/x/%2e%2e/api'], ['GET', '//evil.example/'], ['GET', '/?q=a\\b'],
    ['GET', '/.HOMEBASE/callback'], ['GET', '/.homebase/callback/x'], ['GET', '/favicon.ico'], ['GET', '/.well-known/x'],
    ['GET', '/.homebase/check', 404], ['GET', '/.homebase/callback', 410], ['POST', '/.homebase/callback', 405], ['GET', '/a\\b', 403], ['GET', '/%zz', 400],
  ]) {
    const answer = await strange(method, path)
    assert.deepEqual([answer.status, answer.headers.location], [status, undefined], `${method} ${path}`)
  }
  assert.equal((await strange('POST', '/api', { body: 'x'.repeat(1 << 20) })).status, 401)
  // Neither the headers of the check nor those of other proxies, as a client sends them.
  for (const [name, value] of [['X-Original-URL', `${graphs}/.homebase/callback`], ['X-Original-Method', 'OPTIONS'], ['X-Forwarded-Host', 'other'], ['Remote-User', 'root'], ['X-Forwarded-Uri', '/public'],
    ['Authorization', admin.Authorization], ['Cookie', '__Host-hb-gate=x'], ['Expect', '100-continue']]) {
    assert.equal((await strange('GET', '/api', { headers: { [name]: value } })).status, 401, name)
  }
})

// strange is a request of no browser.
const strange = (method, path, { headers, body, host = '127.0.0.1' } = {}) => new Promise((done, failed) => {
  request({ host, port: site.port, servername: 'graphs.site.test', rejectUnauthorized: false, method, path, headers: { Host: 'graphs.site.test', ...headers } }, async (answer) => {
    let text = ''
    for await (const part of answer) text += part
    done({ status: answer.statusCode, headers: answer.headers, text })
  }).on('upgrade', ({ statusCode, headers }, socket) => done({ status: statusCode, headers }, socket.destroy())).on('error', failed).end(body)
})

test('who may open one program gets nothing more by what a request is made of', async () => {
  const hal = await member('hal', { roles: [] }), ivy = await member('ivy')
  const cookies = async ({ person }, url) => (await person.context.cookies(url)).map(({ name, value }) => `${name}=${value}`).join('; ')
  await enter(hal, `${graphs}/`)
  await enter(ivy, `${rules}/`)

  // At this address nginx has no host but rules, and takes any name for it.
  const alone = { headers: { Cookie: await cookies(hal, graphs) }, host: '127.0.1.2' }
  assert.equal((await strange('GET', '/', { headers: alone.headers })).status, 200)
  for (const path of ['/', `${graphs}/`]) assert.equal((await strange('GET', path, alone)).status, 401)

  // Another protocol would lead past the gate, and the next program on the way drops what Connection names.
  const headers = { Host: 'rules.site.test', Cookie: await cookies(ivy, rules) }
  const plain = JSON.parse((await strange('GET', '/', { headers })).text).headers
  assert.equal(plain['remote-user'], ivy.email)
  for (const change of [
    { Connection: 'Upgrade', Upgrade: 'h2c' }, { Connection: 'Upgrade', Upgrade: 'h2c, websocket' }, { Connection: 'close, Remote-User, Cookie' },
    { Remote_User: 'root' }, { 'Remote-User': ['root', 'admin'] },
  ]) {
    const { status, text } = await strange('GET', '/', { headers: { ...headers, ...change } })
    assert.equal(status, 200, JSON.stringify(change))
    assert.deepEqual(JSON.parse(text).headers, plain, JSON.stringify(change))
  }
})

test('signing out elsewhere, a lost role and a disabled user close everything with the next request', async () => {
  const cid = await member('cid'), { page } = cid
  await enter(cid, `${graphs}/`)
  await page.goto(`${rules}/`)
  await page.waitForURL(`${rules}/`)
  const other = await cid.person.page()
  await other.goto(`${site.storage}/`)
  await other.getByRole('heading', { name: 'All files' }).waitFor()

  await want(200, 'PATCH', `/auth/users/${cid.id}`, { roles: [] }, admin)
  await until(async () => (await call(page, '/api', {})).status === 403)
  await page.goto(`${graphs}/`)
  assert.equal((await told(page)).name, 'graphs') // it asks for no role

  await want(204, 'DELETE', `/auth/users/${cid.id}/sessions`, null, admin)
  await until(async () => (await call(page, '/api', {})).status === 401)
  assert.equal((await call(page, '/api', { method: 'POST', body: 'x' })).status, 401)
  assert.equal(await listen(page), 'refused')
  await page.goto(`${graphs}/d/8`)
  await page.getByLabel('E-mail').waitFor()

  // Whoever may not is told so on the account page.
  await page.goto(`${rules}/`)
  await page.getByLabel('E-mail').fill(cid.email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { name: 'Not with this account' }).waitFor()
})

// until waits for what another worker hears a moment later.
async function until(done) {
  for (let i = 0; !await done(); i++) {
    assert.ok(i < 1200, 'it did not come to that')
    await new Promise((next) => setTimeout(next, 50))
  }
}

test('a code that is brought by another browser, or twice, opens nothing', async () => {
  const dan = await member('dan'), fay = await member('fay')
  let callback
  await dan.page.route('**/.homebase/callback*', (route) => { callback = route.request().url(); return route.abort() })
  await dan.page.goto(`${graphs}/mine`)
  await dan.page.getByLabel('E-mail').fill(dan.email)
  await dan.page.getByLabel('Password').fill(password)
  await dan.page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await until(() => callback)
  await fay.page.goto(`${graphs}/`) // a mark of her own
  const slipped = await fay.page.goto(callback)
  assert.equal(slipped.status(), 410)
  assert.deepEqual((await fay.person.context.cookies(graphs)).map(({ name }) => name), ['__Host-hb-begin'])
  // Chromium tries again by itself what has failed, and would use the code up. It may be at it.
  await until(() => dan.page.goto('about:blank').then(() => true, () => false))
  await dan.page.unroute('**/.homebase/callback*')
  await dan.page.goto(callback)
  await dan.page.waitForURL(`${graphs}/mine`)
  assert.equal((await dan.page.goto(callback)).status(), 410)
})

test('Homebase stopped is closed', async () => {
  const gus = await member('gus'), { page } = gus
  await enter(gus, `${graphs}/`)
  await site.halt()
  for (const options of [{}, { method: 'POST', body: 'x' }]) assert.equal((await call(page, '/api', options)).status, 500)
  assert.equal(await listen(page), 'refused')
  assert.equal((await page.goto(`${graphs}/`)).status(), 500)
  assert.equal((await page.goto(`${rules}/`)).status(), 500)
})
