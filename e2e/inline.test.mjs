// Hostile files in a real browser: whatever way a page or a person opens what
// somebody has stored, as its owner or by a link, no script of it runs. It
// needs a running server, a user and Chromium:
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… node --test e2e/inline.test.mjs
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'

const { HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password, CHROMIUM = '/usr/bin/chromium' } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password })) {
  assert.ok(value, `${name} is not set`)
}
const api = `${url}/api/v1`

// The frontend: it embeds what it is told to, serves a hostile page by itself
// to prove that the test would see a script run, and hears of those that do.
const ran = []
const hostile = (who) => `<script>new Image().src = '${frontend}/ran?${who}'</script><img src=x onerror="this.onerror=null;this.src='${frontend}/ran?${who}'">`
const svg = (who) => `<svg xmlns="http://www.w3.org/2000/svg" onload="fetch('${frontend}/ran?${who}')"><script>fetch('${frontend}/ran?${who}')</script></svg>`
const server = createServer((request, response) => {
  const { pathname, search } = new URL(request.url, 'http://localhost')
  if (pathname === '/ran') {
    ran.push(search.slice(1))
    return response.end()
  }
  response.setHeader('Content-Type', pathname === '/control.svg' ? 'image/svg+xml' : 'text/html')
  if (pathname === '/control.svg') return response.end(svg('control'))
  if (pathname === '/control') return response.end(hostile('control'))
  const target = decodeURIComponent(search.slice(1))
  response.end(`<iframe src="${target}"></iframe><object data="${target}"></object><embed src="${target}"><img src="${target}">
    <link rel=stylesheet href="${target}"><video src="${target}"></video>`)
})

let frontend, browser, headers, files

before(async () => {
  server.listen(0, 'localhost')
  await once(server, 'listening')
  frontend = `http://localhost:${server.address().port}`
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, chromiumSandbox: false })
  const login = await fetch(`${api}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(login.status, 200)
  headers = { Authorization: `Bearer ${(await login.json()).access_token}` }
  const folder = `inline-${randomBytes(4).toString('hex')}`
  files = {}
  for (const [name, text] of Object.entries({
    'page.html': hostile('html'), 'page.htm': hostile('htm'), 'page.xhtml': hostile('xhtml'), 'image.svg': svg('svg'), 'feed.xml': svg('xml'),
    'page.png': hostile('png'), 'image.jpg': svg('jpg'), 'page.txt': hostile('txt'), 'page.pdf': hostile('pdf'), 'page.mp4': hostile('mp4'), 'page': hostile('none'),
  })) {
    const put = await fetch(`${api}/files/content/${folder}/${name}?parents=true`, { method: 'PUT', headers: { ...headers, 'Content-Type': 'text/html' }, body: text })
    assert.equal(put.status, 201)
    const item = await put.json()
    const shared = await fetch(`${api}/files/shares`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ item_id: item.id }),
    })
    assert.equal(shared.status, 201)
    files[name] = { own: `${api}/files/items/${item.id}/content`, shared: `${api}/files/shared/${(await shared.json()).token}/content` }
  }
})

after(async () => {
  await browser?.close()
  server.close()
})

// open shows an address in a page of its own until `seen`, or else long enough
// for a script in it to be heard of. A download ends a navigation with an error;
// that is well.
const open = async (context, address, seen) => {
  const page = await context.newPage()
  await page.goto(address, { waitUntil: 'commit' }).catch((problem) => assert.match(String(problem), /Download is starting|ERR_ABORTED/))
  for (let i = 0; i < (seen ? 600 : 20) && !seen?.(); i++) await page.waitForTimeout(100)
  await page.close()
}

test('a script that runs is seen', async () => {
  const context = await browser.newContext()
  for (const control of ['/control', '/control.svg', `/embed?${encodeURIComponent('/control')}`]) {
    ran.length = 0
    await open(context, frontend + control, () => ran.length > 0)
    assert.ok(ran.length > 0, control)
  }
  await context.close()
})

for (const whose of ['own', 'shared']) {
  test(`nothing that is ${whose} runs a script`, async () => {
    ran.length = 0
    const context = await browser.newContext(whose === 'own' ? { extraHTTPHeaders: headers } : {})
    await Promise.all(Object.values(files).map(async (file) => {
      await open(context, file[whose])
      await open(context, `${frontend}/embed?${encodeURIComponent(file[whose])}`)
    }))
    await context.close()
    assert.deepEqual(ran, [])
  })
}
