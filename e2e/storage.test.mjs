// The storage frontend as people use it, in Chromium, through nginx with TLS:
// each test is somebody with a browser who does something with files.
import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { accessible, colour, desktop, keep, launch, phone } from './browser.mjs'
import { mailbox } from './mailbox.mjs'
import { start } from './site.mjs'
import { codeOf } from './totp.mjs'
import { video } from './webm.mjs'

let site, browser, headers, dir, post

before(async () => {
  post = await mailbox()
  site = await start({ settings: { HOMEBASE_SMTP_URL: post.url, HOMEBASE_MAIL_FROM: 'Homebase <homebase@example.com>' } })
  browser = await launch(site)
  headers = await site.sign()
  dir = mkdtempSync(join(tmpdir(), 'homebase-storage-'))
})

after(async () => {
  await browser?.close()
  await site?.stop()
  post?.stop()
  if (dir) rmSync(dir, { recursive: true, force: true })
})

// What Chromium writes on the console by itself when an answer is a refusal
// that the page asked for: nobody is signed in, a code or a password is needed.
const expected = /status of 401 .*\/(auth\/refresh|auth\/login|auth\/me|shared\/[\w-]+|unlock|files\/events)\)/
const quiet = (person, also = /^$/) => assert.deepEqual(person.complaints.filter((text) => !expected.test(text) && !also.test(text)), [])

// enter opens the frontend and signs in by its form.
async function enter(person, options = {}) {
  const page = await person.page()
  await page.goto(`${site.storage}/`)
  await page.getByLabel('E-mail').fill(options.email ?? site.email)
  await page.getByLabel('Password').fill(options.password ?? site.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  if (!options.second) await page.getByRole('heading', { name: 'All files' }).waitFor()
  return page
}

// row is a line of a list, and not of the panel of uploads, which tells the name too.
const row = (page, name) => page.locator('li:not(.uploads li)').filter({ has: page.getByText(name, { exact: true }) })
const go = (page, place) => page.evaluate((hash) => { location.hash = hash }, `#/${place}`)

// act opens what can be done with a row and does it.
async function act(page, name, what) {
  await page.getByRole('button', { name: `What to do with ${name}`, exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: what, exact: true }).click()
}

// choose picks files for what `click` opens.
async function choose(page, click, files) {
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), click()])
  await chooser.setFiles(files)
}

// put stores a file as a program would.
async function put(path, body, type = 'application/octet-stream') {
  const answer = await fetch(`${site.inside}/files/content/${path}?parents=true`, { method: 'PUT', headers: { ...headers, 'Content-Type': type }, body })
  assert.ok(answer.ok, `${path}: ${answer.status}`)
  return answer.json()
}

// large makes a file of random bytes and says what they hash to.
function large(name, size) {
  const path = join(dir, name), bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1 << 30) randomFillSync(bytes, at, Math.min(1 << 30, size - at))
  writeFileSync(path, bytes)
  return { path, sum: createHash('sha256').update(bytes).digest('hex') }
}

async function hashOf(stream) {
  const hash = createHash('sha256')
  for await (const piece of stream) hash.update(piece)
  return hash.digest('hex')
}

async function stored(path) {
  const answer = await fetch(`${site.inside}/files/content/${path}`, { headers })
  assert.equal(answer.status, 200)
  return hashOf(answer.body)
}

// sentBytes is how far the panel says that an upload is.
const sentBytes = (page, name) => page.locator('.uploads progress').and(page.getByLabel(name)).evaluate((meter) => meter.value)
async function until(condition) {
  for (const end = Date.now() + 60000; !await condition();) {
    assert.ok(Date.now() < end, 'it did not come to that')
    await new Promise((done) => setTimeout(done, 50))
  }
}

// uploaded waits until the panel says so, and tells what it says else.
async function uploaded(page) {
  const panel = page.locator('.uploads')
  for (const end = Date.now() + 300000; !(await panel.innerText()).includes('1 uploaded');) {
    assert.ok(Date.now() < end, await panel.innerText())
    await page.waitForTimeout(200)
  }
}

// It is cut in the third of eight pieces: a larger file has only more of them.
test('128 MB go on where they were when the network comes back, and arrive as they are', async () => {
  const file = large('large.bin', 128 << 20)
  const person = await browser.person(), page = await enter(person)
  const requests = []
  page.on('request', (request) => request.url().includes('/files/uploads') && requests.push([request.method(), Number(request.headers()['upload-offset'])]))
  await choose(page, () => page.getByRole('button', { name: 'Upload' }).click(), file.path)
  await until(async () => await sentBytes(page, 'large.bin') > 40 << 20)
  await site.cut()
  await person.context.setOffline(true)
  const panel = page.locator('.uploads')
  await panel.getByText('Waiting for the network').waitFor()
  await keep(page, 'storage-upload-waiting')
  const before = requests.length
  site.mend()
  await person.context.setOffline(false)
  await uploaded(page)
  await row(page, 'large.bin').waitFor() // live, in the folder
  const again = requests.slice(before).filter(([method]) => method === 'PATCH')
  assert.ok(again[0][1] >= 16 << 20, `it went on at ${again[0][1]}`)
  assert.equal(requests.filter(([method]) => method === 'POST').length, 1)
  assert.equal(await stored('large.bin'), file.sum)
  quiet(person, /net::ERR_/)
  await person.close()
})

test('an upload that was paused goes on after a reload when its file is chosen again', async () => {
  const file = large('paused.bin', 40 << 20)
  const person = await browser.person(), page = await enter(person)
  // What follows the first 16 MiB is held until the pause.
  const held = (route) => Number(route.request().headers()['upload-offset']) > 0 || route.continue()
  await page.route('**/files/uploads/*', held)
  await choose(page, () => page.getByRole('button', { name: 'Upload' }).click(), file.path)
  await until(async () => await sentBytes(page, 'paused.bin') >= 16 << 20)
  await page.getByRole('button', { name: 'Pause paused.bin' }).click()
  await page.locator('.uploads').getByText('Paused', { exact: true }).waitFor()
  await page.unroute('**/files/uploads/*', held)
  await page.reload()
  const created = []
  page.on('request', (request) => request.url().endsWith('/files/uploads') && created.push(request.method()))
  await page.getByText('was not uploaded to the end').waitFor()
  await choose(page, () => page.getByRole('button', { name: 'Choose', exact: true }).click(), file.path)
  await uploaded(page)
  assert.deepEqual(created, [], 'it was begun again')
  assert.equal(await stored('paused.bin'), file.sum)
  quiet(person)
  await person.close()
})

test('files are dropped, renamed, moved, put into the trash and brought back, and a second tab sees it', async () => {
  const person = await browser.person(), page = await enter(person)
  const other = await person.page()
  await other.goto(`${site.storage}/`)
  await other.getByRole('heading', { name: 'All files' }).waitFor()
  await page.bringToFront() // a tab behind another draws once a second, and each click waits for two frames

  const dropped = await page.evaluateHandle(() => {
    const data = new DataTransfer()
    data.items.add(new File(['the text'], 'note.txt', { type: 'text/plain', lastModified: 1e12 }))
    return data
  })
  await page.dispatchEvent('main', 'drop', { dataTransfer: dropped })
  await row(page, 'note.txt').waitFor()
  await row(other, 'note.txt').waitFor()
  const { modified_at: modified } = await (await fetch(`${site.inside}/files/lookup?path=/note.txt`, { headers })).json()
  assert.equal(modified, '2001-09-09T01:46:40Z')
  await row(page, 'note.txt').getByText('2001').waitFor()
  await act(page, 'note.txt', 'Make a copy')
  await page.getByText(/“note.+” is the copy/).waitFor()

  await act(page, 'note.txt', 'Rename')
  await page.getByRole('textbox', { name: 'Name' }).fill('Notiz für Jürgen.txt')
  await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click()
  await row(other, 'Notiz für Jürgen.txt').waitFor()

  await page.getByRole('button', { name: 'New folder' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('Post')
  await page.keyboard.press('Enter')
  await row(other, 'Post').waitFor()
  await act(page, 'Notiz für Jürgen.txt', 'Move')
  const chooser = page.getByRole('dialog')
  await chooser.getByRole('button', { name: 'Post', exact: true }).click()
  await chooser.getByText('Post', { exact: true }).waitFor()
  await chooser.getByRole('button', { name: 'Move here' }).click()
  await row(other, 'Notiz für Jürgen.txt').waitFor({ state: 'detached' })

  await page.getByRole('link', { name: /^Post/ }).click()
  await page.getByRole('button', { name: /^Notiz für Jürgen.txt/ }).click()
  await page.getByText('the text').waitFor()
  await page.keyboard.press('Escape')
  await act(page, 'Notiz für Jürgen.txt', 'Put into the trash')
  await page.getByText('Nothing here yet.').waitFor()
  await go(page, 'trash')
  await page.getByRole('button', { name: 'Restore Notiz für Jürgen.txt' }).click()
  await page.getByRole('button', { name: 'Restore Notiz für Jürgen.txt' }).waitFor({ state: 'detached' })
  assert.equal(await (await fetch(`${site.inside}/files/content/Post/Notiz%20f%C3%BCr%20J%C3%BCrgen.txt`, { headers })).text(), 'the text')

  await go(page, 'files/Post')
  await act(page, 'Notiz für Jürgen.txt', 'Put into the trash')
  await page.getByText('Nothing here yet.').waitFor()
  await go(page, 'trash')
  await page.getByRole('button', { name: 'Delete Notiz für Jürgen.txt for good' }).click()
  await page.getByRole('button', { name: 'Delete for good', exact: true }).click()
  await page.getByRole('button', { name: 'Delete Notiz für Jürgen.txt for good' }).waitFor({ state: 'detached' })
  quiet(person)
  await person.close()
})

test('a film seeks by range, and what could be a program is shown as text', async () => {
  const person = await browser.person(), page = await enter(person)
  const film = await video(page, { seconds: 40, padding: 1 << 20 })
  await put('Films/film.webm', film, 'video/webm')
  await put('Films/page.html', '<script>document.title="ran"</script>', 'text/html')
  await put('Films/picture.svg', '<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=\'ran\'"/>', 'image/svg+xml')
  await go(page, 'files/Films')
  const ranges = []
  page.on('response', (response) => response.url().endsWith('/content') && ranges.push([response.status(), response.headers()['content-range']]))
  await page.getByRole('button', { name: /^film.webm/ }).click()
  const look = page.locator('video')
  await look.evaluate((element) => new Promise((done, fail) => {
    element.addEventListener('loadedmetadata', done)
    element.addEventListener('error', () => fail(new Error(element.error?.message)))
    if (element.readyState > 0) done()
  }))
  assert.equal(await look.evaluate(({ duration }) => duration), 40)
  await look.evaluate((element) => { element.currentTime = 35.5 })
  await until(async () => { // the frame of that second, which is hsl(315 70% 50%)
    const [red, green, blue] = await colour(look, 0.5, 0.3)
    return red > 180 && green < 90 && Math.abs(blue - 172) < 40
  })
  assert.ok(ranges.every(([status]) => status === 206), JSON.stringify(ranges))
  assert.ok(ranges.some(([, range]) => Number(/bytes (\d+)-/.exec(range)[1]) > 30 << 20), JSON.stringify(ranges))
  await keep(page, 'storage-film')
  await page.keyboard.press('Escape')
  for (const [name, text] of [['page.html', '<script>'], ['picture.svg', '<svg']]) {
    await page.getByRole('button', { name: new RegExp(`^${name}`) }).click()
    await page.locator('dialog pre').filter({ hasText: text }).waitFor()
    await page.keyboard.press('Escape')
  }
  assert.equal(await page.title(), 'Files · Homebase')
  quiet(person)
  await person.close()
})

test('a link opens its file to a stranger who has the password, until it is ended', async () => {
  await put('For you/letter.txt', 'Dear stranger')
  await put('For you/more/picture.txt', 'more')
  const person = await browser.person(), page = await enter(person)
  const link = async (name, fill = async () => {}) => {
    await act(page, name, 'Share')
    await fill()
    await page.getByRole('button', { name: 'Make a link' }).click()
    const made = await page.getByLabel('Link', { exact: true }).inputValue()
    await page.keyboard.press('Escape')
    return made
  }
  const folder = await link('For you', () => page.getByLabel('Password').fill('sesame seeds'))
  const drop = await link('For you', () => page.getByLabel('What others may do').selectOption('drop'))

  const stranger = await browser.person(phone), there = await stranger.page()
  await there.goto(folder)
  await there.getByLabel('Password').fill('wrong')
  await there.getByRole('button', { name: 'Open' }).click()
  await there.getByRole('alert').waitFor()
  await accessible(there, 'share, locked')
  await keep(there, 'storage-share-locked')
  await there.getByLabel('Password').fill('sesame seeds')
  await there.getByRole('button', { name: 'Open' }).click()
  await there.getByRole('button', { name: /^more/ }).click()
  await there.getByRole('link', { name: /^picture.txt/ }).waitFor()
  await there.getByRole('button', { name: 'For you' }).click()
  await accessible(there, 'share')
  await keep(there, 'storage-share')
  const [download] = await Promise.all([there.waitForEvent('download'), there.getByRole('link', { name: /^letter.txt/ }).click()])
  assert.equal(download.suggestedFilename(), 'letter.txt')
  assert.equal(await hashOf(createReadStream(await download.path())), createHash('sha256').update('Dear stranger').digest('hex'))

  await there.goto('about:blank')
  await there.goto(drop)
  await choose(there, () => there.getByRole('button', { name: 'Choose files' }).click(), { name: 'gift.txt', mimeType: 'text/plain', buffer: Buffer.from('a gift') })
  await there.getByText('Received. Thank you!').waitFor()
  await accessible(there, 'share, drop')
  await keep(there, 'storage-share-drop')
  await go(page, 'files/For you')
  await row(page, 'gift.txt').waitFor()

  // When no more come for a while, who made the link is told, here and by mail.
  site.sql("UPDATE drops SET last_at = last_at - interval '3 minutes'")
  site.run('jobs', 'run', 'files.drops')
  const mail = await post.next()
  assert.match(mail, /a file into a folder of yours/)
  assert.doesNotMatch(mail, /gift|For you/)
  await go(page, 'trash')
  await page.getByRole('heading', { name: 'Trash' }).waitFor()
  await page.reload()
  await page.getByText('A new file is in “For you”.').waitFor()
  await accessible(page, 'notice of a drop')
  await keep(page, 'storage-dropped')
  await page.getByRole('link', { name: '“For you”' }).click()
  await row(page, 'gift.txt').waitFor()
  await page.getByRole('button', { name: 'Got it' }).click()
  await page.reload()
  await row(page, 'gift.txt').waitFor()
  assert.equal(await page.getByText('A new file is in').count(), 0)

  await go(page, 'shared')
  await page.getByRole('heading', { name: 'Shared' }).waitFor()
  const tell = page.getByRole('button', { name: 'Tell me when files come into For you' })
  assert.equal(await tell.getAttribute('aria-pressed'), 'true')
  await tell.click()
  await page.getByText('you are not told').waitFor()
  assert.equal(await tell.getAttribute('aria-pressed'), 'false')
  await page.getByRole('button', { name: 'End the link to For you' }).first().click()
  await page.getByRole('button', { name: 'End it' }).click()
  await page.getByText('Others put files here').waitFor({ state: 'detached' })
  await there.reload()
  await there.getByRole('heading', { name: 'This link does not work' }).waitFor()
  quiet(person)
  quiet(stranger, /status of 404 .*\/shared\//)
  await Promise.all([person.close(), stranger.close()])
})

test('the second step is set up and asked for, a key is made, and a device is signed out from another', async () => {
  const person = await browser.person(), page = await enter(person)
  await go(page, 'account')
  await page.getByRole('button', { name: 'Set it up' }).click()
  const dialog = page.getByRole('dialog')
  const secret = (await dialog.locator('code').innerText()).replaceAll(' ', '')
  await dialog.getByLabel('The code').fill(codeOf(secret))
  await dialog.getByRole('button', { name: 'Turn it on' }).click()
  await page.getByRole('heading', { name: 'Recovery codes' }).waitFor()
  const [recovery] = (await page.getByRole('dialog').locator('code').innerText()).split('\n')
  await page.getByRole('button', { name: 'I have saved them' }).click()
  await page.getByText('It is on.').waitFor()

  const phoned = await browser.person(phone), there = await enter(phoned, { second: true })
  await there.getByRole('heading', { name: 'One more step' }).waitFor()
  await accessible(there, 'second step')
  await keep(there, 'storage-second-step')
  await there.getByLabel('Code').fill(recovery)
  await there.getByRole('button', { name: 'Sign in', exact: true }).click()
  await there.getByRole('heading', { name: 'All files' }).waitFor()

  await page.reload()
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('a script')
  await page.getByRole('button', { name: 'Create' }).click()
  const key = await page.getByLabel('Key', { exact: true }).inputValue()
  const me = await fetch(`${site.inside}/auth/me`, { headers: { Authorization: `Bearer ${key}` } })
  assert.deepEqual((await me.json()).permissions, ['files:read'])
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByRole('button', { name: 'Revoke a script' }).click()
  await page.getByRole('button', { name: 'Revoke', exact: true }).click()
  await page.getByRole('button', { name: 'Revoke a script' }).waitFor({ state: 'detached' })
  assert.equal((await fetch(`${site.inside}/auth/me`, { headers: { Authorization: `Bearer ${key}` } })).status, 401)

  await page.getByRole('button', { name: 'Sign out all others' }).click()
  // The other device learns it from its stream, and nobody touched it.
  await there.getByRole('heading', { name: 'Sign in' }).waitFor()
  await page.getByRole('button', { name: 'Turn it off' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Turn it off' }).click()
  await page.getByText('asks for a code from your phone').waitFor()
  assert.equal(await page.getByRole('heading', { name: 'Account' }).isVisible(), true)
  quiet(person)
  quiet(phoned)
  headers = await site.sign() // the test's own session went with the others
  await Promise.all([person.close(), phoned.close()])
})

test('signing out in one tab signs out all of them', async () => {
  const person = await browser.person(), first = await enter(person)
  const others = await Promise.all([1, 2].map(async () => {
    const page = await person.page()
    await page.goto(`${site.storage}/`)
    await page.getByRole('heading', { name: 'All files' }).waitFor()
    return page
  }))
  await first.bringToFront()
  await first.getByRole('button', { name: 'Sign out' }).click()
  for (const page of [first, ...others]) await page.getByRole('heading', { name: 'Sign in' }).waitFor()
  assert.deepEqual((await person.context.cookies(site.api)).map(({ name }) => name), ['__Host-dv'])
  quiet(person)
  await person.close()
})

// The mail goes out within 15 seconds: its link is opened after the next tests.
const forgetful = 'forgetful@example.com'

test('who forgot the password asks for a link by mail', async () => {
  const account = { email: forgetful, password: 'nine grey geese going', roles: ['member'] }
  const fresh = await fetch(`${site.inside}/auth/users`, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(account) })
  assert.equal(fresh.status, 201)
  const person = await browser.person(phone), page = await person.page()
  await page.goto(`${site.storage}/account.html#action=forgot`)
  await page.getByLabel('E-mail').fill(forgetful)
  await page.getByRole('button', { name: 'Send the link' }).click()
  await page.getByText('a mail is on its way').waitFor()
  quiet(person)
  await person.close()
})

for (const [device, options] of Object.entries({ phone, desktop })) {
  test(`each page can be used by everyone on a ${device}, by day and by night`, async () => {
    const person = await browser.person(options), page = await enter(person)
    const pages = {
      files: async () => { await go(page, 'files'); await page.getByRole('heading', { name: 'All files' }).waitFor() },
      folder: async () => { await go(page, 'files/images'); await page.locator('.picture img').first().waitFor() },
      picture: async () => { await page.locator('.open[role=button]').first().click(); await page.locator('img.look').waitFor() },
      actions: async () => { await page.keyboard.press('Escape'); await page.getByRole('button', { name: /^What to do with/ }).first().click() },
      share: async () => { await page.getByRole('button', { name: 'Share', exact: true }).click(); await page.getByRole('button', { name: 'Make a link' }).waitFor() },
      move: async () => {
        await page.keyboard.press('Escape')
        await page.getByRole('button', { name: /^What to do with/ }).first().click()
        await page.getByRole('button', { name: 'Move', exact: true }).click()
        await page.getByRole('button', { name: 'Move here' }).waitFor()
      },
      shared: async () => { await page.keyboard.press('Escape'); await go(page, 'shared'); await page.getByRole('heading', { name: 'Shared' }).waitFor() },
      trash: async () => { await go(page, 'trash'); await page.getByRole('heading', { name: 'Trash' }).waitFor() },
      account: async () => { await go(page, 'account'); await page.getByRole('heading', { name: 'Devices' }).waitFor() },
    }
    const look = async (name) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        await accessible(page, `${name}, ${device}, ${colorScheme}`)
        await keep(page, `storage-${name}-${device}-${colorScheme}`)
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`)
    }
    for (const [name, show] of Object.entries(pages)) {
      await show()
      await look(name)
    }
    await page.goto(`${site.storage}/account.html#action=reset&token=worthless`)
    await page.getByLabel('New password').waitFor()
    assert.equal(new URL(page.url()).hash, '#action=reset')
    await look('reset')
    quiet(person)
    await person.close()
  })
}

test('what is sought is found below all folders, and the folder is there again when nothing is sought', async () => {
  await put('letters/autumn/A walk in October.txt', 'leaves', 'text/plain')
  const person = await browser.person(phone), page = await enter(person)
  const search = page.getByRole('searchbox', { name: 'Search all files' })
  await search.fill('october')
  await row(page, 'A walk in October.txt').getByText('/letters/autumn').waitFor()
  assert.equal(await page.getByRole('listitem').filter({ has: page.getByText('letters', { exact: true }) }).count(), 0)
  await accessible(page, 'search')
  await keep(page, 'storage-search')
  await search.fill('nothing is called so')
  await page.getByText('Nothing with such a name was found.').waitFor()
  await search.fill('')
  await row(page, 'letters').waitFor()
  quiet(person)
  await person.close()
})

test('the link in the mail sets a new password, once', async () => {
  const mail = await post.next(), password = 'two red robins resting'
  assert.match(mail, /^To: .*forgetful@example\.com/m)
  const [link] = /https:\S+account\.html#action=reset&token=\S+/.exec(mail)
  const person = await browser.person(phone), page = await person.page()
  const open = async () => {
    await page.goto('about:blank')
    await page.goto(link)
    await page.getByLabel('New password').fill(password)
    await page.getByRole('button', { name: 'Set it' }).click()
  }
  await open()
  await page.getByText('The new password is set').waitFor()
  await keep(page, 'storage-mailed')
  const again = await enter(person, { email: forgetful, password })
  await again.getByRole('heading', { name: 'All files' }).waitFor()
  await open()
  await page.getByRole('alert').waitFor()
  quiet(person, /status of 4\d\d .*\/password\/reset\)/)
  await person.close()
})
