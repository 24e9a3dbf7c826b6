// The console as an owner uses it, in Chromium, through nginx with TLS: each
// test is somebody with a browser who manages something.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { accessible, desktop, keep, launch } from './browser.mjs'
import { password, people } from './people.mjs'
import { start } from './site.mjs'

const phone = { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true }
let site, browser, known

before(async () => {
  site = await start({ settings: { HOMEBASE_REGISTRATION: 'invite' } })
  browser = await launch(site)
  known = await people(site)
})

after(async () => {
  await browser?.close()
  await site?.stop()
})

// What Chromium writes by itself when an answer is a refusal that was asked for.
const expected = /status of 401 .*\/(auth\/refresh|auth\/login|auth\/me)\)/
const quiet = (person, also = /^$/) => assert.deepEqual(person.complaints.filter((text) => !expected.test(text) && !also.test(text)), [])

async function sign(page, { email = site.email, password = site.password } = {}) {
  await page.getByLabel('E-mail').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

async function enter(person, who) {
  const page = await person.page()
  await page.goto(`${site.console}/`)
  await sign(page, who)
  await page.getByRole('heading', { level: 1 }).filter({ hasNotText: 'Sign in' }).waitFor()
  return page
}

const go = (page, place) => page.evaluate((hash) => { location.hash = hash }, `#/${place}`)
const row = (page, text) => page.getByRole('row').filter({ hasText: text })

test('one sign-in is for all frontends, and somebody is invited with the link that is shown', async () => {
  const person = await browser.person(), page = await enter(person)
  await page.getByText('Ready', { exact: true }).waitFor()
  const files = await person.page()
  await files.goto(`${site.storage}/`)
  await files.getByRole('heading', { name: 'All files' }).waitFor()
  await page.getByRole('link', { name: 'Invite somebody' }).click()
  await page.getByRole('dialog').getByLabel('E-mail').fill('ida@example.com')
  await page.mouse.click(4, 4) // beside the dialog, in which something is written
  assert.equal(await page.getByRole('dialog').getByLabel('E-mail').inputValue(), 'ida@example.com')
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  const link = await page.getByLabel('Link for ida@example.com').inputValue()
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await row(page, 'ida@example.com').waitFor()

  const guest = await browser.person(phone), there = await guest.page()
  await there.goto(link)
  await there.getByLabel('Your name').fill('Ida Holm')
  await there.getByLabel('New password').fill('nine grey geese going')
  await there.getByRole('button', { name: 'Join' }).click()
  await there.getByRole('heading', { name: 'All files' }).waitFor()

  await go(page, 'people')
  await row(page, 'Ida Holm').getByRole('link').click()
  await page.getByRole('heading', { name: 'Ida Holm' }).waitFor()
  await page.getByRole('button', { name: 'Disable' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await page.getByText('Ida Holm is disabled.').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByRole('button', { name: 'Disable' }).waitFor()
  quiet(person)
  await Promise.all([person.close(), guest.close()])
})

test('the console is small, asks no foreign host, and its policy allows nothing inline', async () => {
  const person = await browser.person(), page = await person.page(), hosts = new Set()
  page.on('request', (request) => hosts.add(new URL(request.url()).origin))
  const answer = await page.goto(`${site.console}/`)
  await sign(page)
  await page.getByText('Ready', { exact: true }).waitFor()
  assert.deepEqual([...hosts].sort(), [site.api, site.console])
  assert.match(answer.headers()['content-security-policy'], /frame-ancestors 'none'/)
  const policy = await page.locator('meta[http-equiv=Content-Security-Policy]').getAttribute('content')
  assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/)
  assert.doesNotMatch(policy, /unsafe|\*/)
  const size = ['../examples', '../examples/console'].map((folder) => fileURLToPath(new URL(folder, import.meta.url))).flatMap((folder) => readdirSync(folder).map((file) => `${folder}/${file}`))
    .filter((file) => /\.(js|css|svg|html)$/.test(file)).reduce((all, file) => all + statSync(file).size, 0)
  assert.ok(size < 300_000, `${size} bytes`)
  await person.close()
})

test('a member sees nothing that needs a permission which they lack', async () => {
  const { email } = await known.member('mia')
  const person = await browser.person(phone), page = await enter(person, { email, password: 'eleven brown bears humming' })
  await page.getByRole('heading', { name: 'Nothing to manage' }).waitFor()
  assert.deepEqual(await page.locator('.bar nav a:not(.away, .away ~ a)').allInnerTexts().then((all) => all.map((text) => text.trim())), ['Overview', 'Programs'])
  await go(page, 'people')
  await page.getByRole('heading', { name: 'Nothing to manage' }).waitFor()
  quiet(person)
  await person.close()
})

test('a sign-in that ends in the middle of a form is asked for again, and nothing that was typed is lost', async () => {
  const person = await browser.person(), page = await enter(person), dialog = page.getByRole('dialog')
  await go(page, 'people/roles')
  await page.getByRole('button', { name: 'New role' }).click()
  await dialog.getByLabel('Name', { exact: true }).fill('editor')
  await page.getByLabel('Write and publish the portfolio.').check()
  await page.getByLabel('See the numbers of visitors.').check() // of an app
  await person.context.clearCookies()
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByText('Your sign-in has ended.').waitFor()
  await sign(page)
  await row(page, 'editor').getByText('See the numbers of visitors.').waitFor()

  // A page of its own, whose sign-in somebody ends from another device.
  await go(page, 'portfolio/projects/new')
  const written = { Title: 'Half a thought', Summary: 'It is not finished.', Description: 'Many words.\n\nAnd more of them.' }
  for (const [label, text] of Object.entries(written)) await page.getByLabel(label, { exact: true }).fill(text)
  const { body: { items } } = await known.ask('GET', '/auth/sessions', null, known.admin)
  for (const { id, current } of items) if (!current) await known.ask('DELETE', `/auth/sessions/${id}`, null, known.admin)
  await page.getByRole('button', { name: 'Save as a draft' }).click()
  await page.getByText('Your sign-in has ended.').waitFor()
  await accessible(page, 'console, a sign-in that has ended')
  await keep(page, 'console-ended')
  await page.keyboard.press('Escape')
  await sign(page, { password: 'not the password' })
  await page.getByRole('alert').filter({ visible: true }).waitFor()
  for (const [label, text] of Object.entries(written)) assert.equal(await page.locator('main').getByLabel(label, { exact: true }).inputValue(), text)
  await sign(page)
  await page.getByRole('heading', { name: 'Half a thought' }).waitFor()
  const { body } = await known.ask('GET', '/portfolio/projects/half-a-thought', null, known.admin)
  assert.deepEqual([body.title, body.summary, body.body, body.status], [...Object.values(written), 'draft'])
  assert.equal((await known.ask('DELETE', `/portfolio/projects/${body.id}`, null, known.admin)).status, 204)
  quiet(person, /status of 401/)
  await person.close()
})

test('what is sensitive asks for the password again, and goes on with what was typed', async () => {
  const person = await browser.person(), page = await enter(person), dialog = page.getByRole('dialog')
  const later = () => site.sql("UPDATE sessions SET authenticated_at = authenticated_at - interval '11 minutes' WHERE user_agent LIKE '%Chrome%'; SELECT pg_notify('auth', 'all')")
  const made = () => known.ask('GET', '/auth/roles/keeper', null, known.admin).then(({ status }) => status)
  await go(page, 'people/roles')
  await page.getByRole('button', { name: 'New role' }).click()
  await dialog.getByLabel('Name', { exact: true }).fill('keeper')
  await dialog.getByLabel('Upload, change and delete files.').check()
  later()
  await page.getByRole('button', { name: 'Create' }).click()
  const asked = page.getByRole('dialog', { name: 'Is it you?' })
  await asked.waitFor()
  await accessible(page, 'console, the password once more')
  await keep(page, 'console-is-it-you')
  // Who does not want to is where they were.
  await page.keyboard.press('Escape')
  await asked.waitFor({ state: 'detached' })
  assert.equal(await dialog.getByLabel('Name', { exact: true }).inputValue(), 'keeper')
  assert.ok(await dialog.getByLabel('Upload, change and delete files.').isChecked())
  assert.equal(await made(), 404)
  await page.getByRole('button', { name: 'Create' }).click()
  await asked.getByLabel('Password').fill('not the password')
  await asked.getByRole('button', { name: 'Go on' }).click()
  await asked.getByRole('alert').waitFor()
  assert.equal(await made(), 404)
  await asked.getByLabel('Password').fill(site.password)
  await page.keyboard.press('Enter')
  await row(page, 'keeper').waitFor()
  await asked.waitFor({ state: 'detached' })
  assert.equal(await made(), 200)

  // For a while nothing more is asked, then again: also before something is deleted.
  await page.getByRole('button', { name: 'Delete editor' }).click()
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await row(page, 'editor').waitFor({ state: 'detached' })
  later()
  await page.getByRole('button', { name: 'Delete keeper' }).click()
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await asked.getByLabel('Password').fill(site.password)
  await asked.getByRole('button', { name: 'Go on' }).click()
  await row(page, 'keeper').waitFor({ state: 'detached' })
  assert.equal(await made(), 404)
  quiet(person, /status of 40[134]/)
  await person.close()
})

test('a project is written with a picture, shown by a link, published and put in order', async () => {
  const person = await browser.person(), page = await enter(person)
  await page.getByRole('link', { name: 'Write about a project' }).click()
  await page.getByLabel('Title').fill('Tide clock')
  await page.getByLabel('Tags').fill('tide, brass')
  await page.getByRole('button', { name: 'Add pictures' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'images', exact: true }).click()
  await page.getByRole('dialog').getByLabel('kestrel.jpg').check()
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYPj/HwADAgH/5zqg0QAAAABJRU5ErkJggg==', 'base64')
  await page.getByRole('button', { name: 'Add pictures' }).click()
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Upload from this device' }).click()])
  await chooser.setFiles([1, 2].map(() => ({ name: 'dot.png', mimeType: 'image/png', buffer: png })))
  await page.getByRole('img', { name: 'Picture 3' }).waitFor()
  assert.deepEqual((await known.ask('GET', '/files/search?q=dot', null, known.admin)).body.items.map(({ path }) => path).sort(), ['/Portfolio/dot 2.png', '/Portfolio/dot.png'])

  // Whoever leaves is asked, and stays with what was written.
  await go(page, 'inbox')
  await page.getByRole('heading', { name: 'Leave without saving?' }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Save as a draft' }).click()
  await page.getByRole('heading', { name: 'Tide clock' }).waitFor()

  await page.getByRole('button', { name: 'Preview link' }).click()
  const link = await page.getByLabel('Preview link').inputValue()
  await page.getByRole('button', { name: 'Done' }).click()
  const stranger = await browser.person(phone), there = await stranger.page()
  await there.goto(link)
  await there.getByRole('heading', { name: 'Tide clock' }).waitFor()
  await there.goto(`${site.portfolio}/`)
  await there.getByRole('heading', { name: 'Tidal' }).waitFor()
  assert.equal(await there.getByText('Tide clock').count(), 0)

  await page.getByRole('button', { name: 'Publish' }).click()
  await page.getByText('published', { exact: true }).waitFor()
  const later = await browser.person(phone), then = await later.page() // without what a cache keeps for a minute
  await then.goto(`${site.portfolio}/`)
  await then.getByRole('heading', { name: 'Tide clock' }).waitFor()

  const order = () => page.locator('.ordered .name').allInnerTexts().then((all) => all.map((text) => text.split(' ')[0]))
  await go(page, 'portfolio')
  const handle = page.getByRole('button', { name: /^Move Tide clock/ })
  await handle.focus()
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowUp')
  await page.getByText('The order is saved.').waitFor()
  assert.equal((await order())[0], 'Tide')
  const from = await handle.boundingBox(), to = await page.getByRole('button', { name: /^Move Slow Letters/ }).boundingBox()
  await page.mouse.move(from.x + 10, from.y + 20)
  await page.mouse.down()
  await page.mouse.move(from.x + 10, from.y + 60, { steps: 4 })
  await page.mouse.move(to.x + 10, to.y + to.height - 4, { steps: 8 })
  await Promise.all([page.waitForResponse((answer) => answer.url().endsWith('/projects/order') && answer.ok()), page.mouse.up()])
  const { body } = await known.ask('GET', '/portfolio/projects', null, known.admin)
  assert.deepEqual(body.items.map(({ title }) => title), ['Tidal', 'Lantern', 'Slow Letters', 'Tide clock', 'Kestrel', 'Harbour'])
  assert.deepEqual(body.items[3].tags, ['tide', 'brass'])
  quiet(person)
  for (const one of [stranger, later]) quiet(one)
  await Promise.all([person, stranger, later].map((one) => one.close()))
})

test('a resume is looked at before it is taken over', async () => {
  const person = await browser.person(), page = await enter(person)
  await go(page, 'portfolio/resume')
  const file = { basics: { name: 'Nora Vestergaard', label: 'I make charts.' }, skills: [{ name: 'Machines', keywords: ['Welding'] }], volunteer: [{ organization: 'x' }] }
  const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Choose a file' }).click()])
  await chooser.setFiles({ name: 'resume.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) })
  await page.locator('del').filter({ hasText: 'I build slow, quiet software' }).waitFor()
  await page.locator('ins').filter({ hasText: 'I make charts.' }).waitFor()
  await keep(page, 'console-resume')
  await page.getByRole('button', { name: 'Import', exact: true }).click()
  await page.getByText('Imported: 2 changes.').waitFor()
  await go(page, 'portfolio/skills')
  await page.getByRole('button', { name: /^Welding/ }).waitFor()
  await go(page, 'portfolio/profile')
  await page.getByLabel('E-mail').fill('nobody')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.locator('.field', { hasText: 'E-mail' }).getByText(/@/).waitFor()
  quiet(person, /status of 422/)
  await person.close()
})

// write sends a message by the portfolio's form, with the work that it asks for.
async function write(letter) {
  const { body: { token, bits, min_age_seconds: age } } = await known.ask('GET', '/portfolio/contact/challenge')
  let nonce = 0
  while (Math.clz32(createHash('sha256').update(token + nonce).digest().readUInt32BE()) < bits) nonce++
  await new Promise((done) => setTimeout(done, 1000 * age + 200))
  assert.equal((await known.ask('POST', '/portfolio/contact', { ...letter, token, nonce: String(nonce) })).status, 202)
}

test('a message is read, answered, archived and taken back', async () => {
  await write({ name: 'Karen', email: 'karen@example.org', subject: 'A chart for Ebeltoft', message: 'Would you draw one?' })
  const person = await browser.person(phone), page = await enter(person), inbox = page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'Inbox 1 new' })
  await inbox.waitFor()
  await page.getByRole('link', { name: /A chart for Ebeltoft/ }).click()
  await page.getByRole('paragraph').filter({ hasText: 'Would you draw one?' }).waitFor()
  assert.match(await page.getByRole('link', { name: 'Reply' }).getAttribute('href'), /^mailto:karen%40example\.org\?subject=Re%3A%20A%20chart/)
  await inbox.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Archive' }).click()
  await page.getByText('Nothing new.').waitFor()
  await page.getByRole('button', { name: 'Undo' }).click()
  await page.getByText('A chart for Ebeltoft').waitFor()
  const { body: { counts } } = await known.ask('GET', '/portfolio/contact', null, known.admin)
  assert.deepEqual([counts.read, counts.archived], [1, 0])
  quiet(person)
  await person.close()
})

test('a space, a flag, a program and a limit are made and changed', async () => {
  const { email } = await known.member('nils', { name: 'Nils Berg' })
  const person = await browser.person(), page = await enter(person), dialog = page.getByRole('dialog')
  await go(page, 'spaces')
  await page.getByRole('button', { name: 'New space' }).first().click()
  await dialog.getByLabel('Name').fill('Family')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await page.getByLabel('Person').selectOption({ label: `Nils Berg (${email})` })
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await page.getByLabel('Role of Nils Berg').selectOption('Viewer')
  await page.getByText('Nils Berg is viewer now.').waitFor()

  await go(page, 'flags')
  await page.getByRole('button', { name: 'New flag' }).first().click()
  await dialog.getByLabel('Key').fill('new map')
  await dialog.getByRole('button', { name: 'Add a rule' }).click()
  await dialog.getByLabel('One of these people').fill(email)
  await dialog.getByRole('button', { name: 'Create' }).click()
  await dialog.getByText(/at most 100 letters/).waitFor()
  await dialog.getByLabel('Key').fill('new-map')
  await dialog.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('button', { name: 'Turn on new-map' }).click()
  await row(page, 'new-map').getByText('on', { exact: true }).waitFor()

  await go(page, 'programs')
  await page.getByRole('button', { name: 'Add a program' }).first().click()
  await dialog.getByLabel('Name').fill('Miniflux')
  await dialog.getByLabel('Redirect address').fill('https://news.site.test/callback')
  await dialog.getByRole('button', { name: 'Add', exact: true }).click()
  assert.match(await page.getByLabel('Client secret').inputValue(), /[\w-]{20}/)
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await row(page, 'Miniflux').waitFor()
  await row(page, 'Miniflux').getByRole('button', { name: 'What to enter' }).click()
  assert.match(await page.getByLabel('Issuer').inputValue(), /^https:/)
  await dialog.getByRole('button', { name: 'Done' }).click()

  await go(page, 'limits')
  await page.getByRole('button', { name: 'Change Uploads' }).click()
  await dialog.getByLabel('Requests').fill('500')
  await dialog.getByRole('button', { name: 'Save' }).click()
  await row(page, 'Uploads').getByText('500 a minute').waitFor()
  await page.getByRole('button', { name: 'Back to the default: Uploads' }).click()
  await row(page, 'Uploads').getByText('600 a minute').waitFor()
  quiet(person, /status of 422/)
  await person.close()
})

test('who signed in last week is found in two steps, and the log is saved as a file', async () => {
  const person = await browser.person(), page = await enter(person)
  await page.getByRole('link', { name: 'Who signed in last week' }).click()
  await row(page, 'Nils Berg').waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'Signed in' }).first().click()
  await page.getByText('All details').click()
  await page.getByRole('dialog').getByText('auth.login', { exact: true }).waitFor()
  await page.keyboard.press('Escape')
  await page.getByLabel('What').selectOption('space.created')
  await row(page, 'A space was created').waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()])
  assert.equal(file.suggestedFilename(), 'audit.jsonl')
  quiet(person)
  await person.close()
})

test('the back button of a phone closes what is open, and takes nothing that is written', async () => {
  const person = await browser.person(phone), page = await enter(person), dialog = page.getByRole('dialog')
  await go(page, 'people')
  await page.getByRole('heading', { name: 'People' }).waitFor()
  await go(page, 'people/invitations')
  await page.getByRole('button', { name: 'Invite somebody' }).first().click()
  await dialog.waitFor()
  await page.goBack()
  await dialog.waitFor({ state: 'detached' })
  await page.getByRole('heading', { name: 'People' }).waitFor()
  await go(page, 'people/invitations')
  await page.getByRole('button', { name: 'Invite somebody' }).first().click()
  await dialog.getByLabel('E-mail').fill('kai@example.com')
  await page.goBack()
  await page.waitForURL(/#\/people\/invitations$/)
  assert.equal(await dialog.getByLabel('E-mail').inputValue(), 'kai@example.com')
  quiet(person)
  await person.close()
})

test('whoever joined meanwhile has a name in the log, and everybody sees their own history', async () => {
  const person = await browser.person(phone), page = await enter(person)
  await page.getByText('none known; docs/backup.md').waitFor()
  const { id, email } = await known.member('uma', { name: 'Uma Lind' })
  const other = await browser.person(phone), own = await other.page()
  await own.goto(`${site.storage}/#/account`)
  await sign(own, { email, password })
  const history = own.getByRole('list', { name: 'Security history' })
  await history.getByText('Signed in', { exact: true }).waitFor()
  await history.getByText(/^by somebody else · /).first().waitFor()
  await accessible(own, 'security history')
  await page.evaluate(() => { const now = Date.now; Date.now = () => now() + 6000 })
  await go(page, `audit/events/action=auth.login&actor=${id}`)
  await page.getByRole('cell', { name: 'Uma Lind' }).waitFor()
  const where = page.locator('td[data-label=Address]')
  assert.ok(await where.isVisible(), 'from where is seen on a phone too')
  assert.match(await where.textContent(), /^[\da-f.:]+$/)
  quiet(other)
  quiet(person)
  await person.close()
  await other.close()
})

test('among many people one is found, and the chain of seals is checked', async () => {
  for (let i = 0; i < 9; i++) await known.member(`guest${i}`, { name: `Guest ${i}` })
  const person = await browser.person(), page = await enter(person)
  await go(page, 'people')
  await page.getByLabel('Search users').fill('guest 7')
  await page.getByText('1 found.').waitFor()
  await row(page, 'guest7@example.com').waitFor()
  await go(page, 'audit/seals')
  await page.getByRole('button', { name: 'Check the chain' }).click()
  await page.getByText(/^\d+ seals? checked: each names the one before it\.$/).waitFor()
  await page.getByRole('button', { name: 'Copy the newest' }).click()
  assert.match(await page.getByLabel('Fingerprint').inputValue(), /^[0-9a-f]{64}$/)
  quiet(person)
  await person.close()
})

test('an app is turned off, and on again where it is missed', async () => {
  const person = await browser.person(), page = await enter(person)
  await go(page, 'programs/apps')
  await page.getByRole('button', { name: 'Turn off analytics' }).click()
  await page.getByText('analytics is off.').waitFor()
  await go(page, 'analytics')
  await page.getByRole('button', { name: 'Turn it on' }).click()
  await page.getByText('Nobody came in this time.').waitFor()
  quiet(person, /status of 404/)
  await person.close()
})

for (const [device, options] of Object.entries({ phone, desktop })) {
  test(`each page can be used by everyone on a ${device}, by day and by night`, async () => {
    if (device === 'phone') await visited()
    const person = await browser.person(options), page = await enter(person)
    const user = await known.ask('GET', '/auth/users', null, known.admin).then(({ body }) => body.items.at(-1))
    const pages = {
      overview: 'overview', inbox: 'inbox/read', portfolio: 'portfolio', project: 'portfolio/projects/tidal', profile: 'portfolio/profile', skills: 'portfolio/skills', resume: 'portfolio/resume',
      people: 'people', user: `people/users/${user.id}`, invitations: 'people/invitations', roles: 'people/roles', analytics: 'analytics', spaces: 'spaces',
      programs: 'programs', hosts: 'programs/hosts', apps: 'programs/apps', keys: 'programs/keys', audit: 'audit', seals: 'audit/seals', flags: 'flags', limits: 'limits',
    }
    for (const [name, place] of Object.entries(pages)) {
      await page.evaluate(() => document.querySelector('h1')?.remove())
      await go(page, place)
      await page.getByRole('heading', { level: 1 }).waitFor()
      await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' })
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme })
        if ((device === 'phone') === (colorScheme === 'dark')) await accessible(page, `${name}, ${device}, ${colorScheme}`)
        if (process.env.HOMEBASE_E2E_ARTEFACTS) await keep(page, `console-${name}-${device}-${colorScheme}`)
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`)
    }
    quiet(person)
    await person.close()
  })
}

// visited has visitors look at the portfolio, and counts them.
async function visited() {
  for (const path of ['/', '/', '/#/projects/tidal']) {
    const { status } = await known.ask('POST', '/projects/analytics/events', { path, referrer: 'https://search.example/' }, { Origin: site.portfolio, 'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' })
    assert.equal(status, 202)
  }
  await new Promise((done) => setTimeout(done, 1500)) // views are written together
  site.run('jobs', 'run', 'projects.analytics.rollup')
}
