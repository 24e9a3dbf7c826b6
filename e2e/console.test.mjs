// The console as an owner uses it, in Chromium, through nginx with TLS: each
// test is somebody with a browser who manages something.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { launch } from './browser.mjs'
import { people } from './people.mjs'
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
  page.setDefaultTimeout(20000)
  await page.goto(`${site.console}/`)
  await sign(page, who)
  await page.getByRole('heading', { level: 1 }).filter({ hasNotText: 'Sign in' }).waitFor()
  return page
}

const go = (page, place) => page.evaluate((hash) => { location.hash = hash }, `#/${place}`)
const row = (page, text) => page.getByRole('row').filter({ hasText: text })

// prove gives the password once more where it is asked for.
async function prove(page) {
  await page.getByRole('heading', { name: 'Is it you?' }).waitFor()
  await page.getByRole('dialog').last().getByLabel('Password').fill(site.password)
  await page.getByRole('button', { name: 'Go on' }).click()
}

test('one sign-in is for all frontends, and somebody is invited with the link that is shown', async () => {
  const person = await browser.person(), page = await enter(person)
  await page.getByText('Ready', { exact: true }).waitFor()
  const files = await person.page()
  await files.goto(`${site.storage}/`)
  await files.getByRole('heading', { name: 'All files' }).waitFor()
  await page.getByRole('link', { name: 'Invite somebody' }).click()
  await page.getByRole('dialog').getByLabel('E-mail').fill('ida@example.com')
  await page.getByRole('button', { name: 'Invite', exact: true }).click()
  const link = await page.getByLabel('Link for ida@example.com').inputValue()
  await page.getByRole('button', { name: 'I have kept it' }).click()
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

test('a member sees nothing that needs a permission which they lack', async () => {
  const { email } = await known.member('mia')
  const person = await browser.person(phone), page = await enter(person, { email, password: 'eleven brown bears humming' })
  await page.getByRole('heading', { name: 'Nothing to manage' }).waitFor()
  assert.deepEqual(await page.locator('.bar nav a').allInnerTexts().then((all) => all.map((text) => text.trim()).filter(Boolean)), ['Overview', 'Programs'])
  await go(page, 'people')
  await page.getByRole('heading', { name: 'Nothing to manage' }).waitFor()
  quiet(person)
  await person.close()
})

test('a sign-in that ends in the middle loses nothing', async () => {
  const person = await browser.person(), page = await enter(person)
  await go(page, 'people/roles')
  await page.getByRole('button', { name: 'New role' }).click()
  await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill('editor')
  await page.getByLabel('Write the portfolio').check()
  await person.context.clearCookies()
  await page.getByRole('button', { name: 'Make it' }).click()
  await page.getByText('Your sign-in has ended.').waitFor()
  await sign(page)
  await row(page, 'editor').waitFor()
  quiet(person, /status of 401/)
  await person.close()
})
