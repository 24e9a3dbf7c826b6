// Files for years and for several people, as the storage frontend has them:
// spaces and their members, versions, dates, and several files at once. In
// Chromium, through nginx with TLS.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { accessible, desktop, keep, launch, phone as narrow } from './browser.mjs'
import { password, people } from './people.mjs'
import { start } from './site.mjs'

let site, browser, admin, ask, member, dir

before(async () => {
  site = await start({ content: false })
  browser = await launch(site)
  ;({ admin, ask, member } = await people(site))
  await ask('POST', '/auth/roles', { name: 'keeper', permissions: ['spaces:manage'] }, admin)
  dir = mkdtempSync(join(tmpdir(), 'homebase-spaces-'))
})

after(async () => {
  await browser?.close()
  await site?.stop()
  if (dir) rmSync(dir, { recursive: true, force: true })
})

const phone = { ...narrow, viewport: { width: 390, height: 844 } }

// What Chromium writes by itself: nobody was signed in yet, and a space is not
// there for somebody any more.
const expected = /status of 401 .*\/auth\/(refresh|me)\)/
const quiet = (person, also = /^$/) => assert.deepEqual(person.complaints.filter((text) => !expected.test(text) && !also.test(text)), [])

// enter makes a member of the site with a browser.
async function enter(name, options = desktop, more = {}) {
  const user = await member(name, more)
  const { body } = await ask('POST', '/auth/login', { email: user.email, password, mode: 'token' })
  const person = Object.assign(await browser.person(options), { user, headers: { Authorization: `Bearer ${body.access_token}` } })
  const page = person.tab = await person.page()
  await page.goto(`${site.storage}/`)
  await page.getByLabel('E-mail').fill(user.email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { name: 'All files' }).waitFor()
  return person
}

// row is a line of a list, and not of the panel of uploads, which tells the name too.
const row = (page, name) => page.locator('li:not(.uploads li)').filter({ has: page.getByText(name, { exact: true }) })
const line = (page, name) => page.locator('.open').filter({ has: page.getByText(name, { exact: true }) })
const go = (page, place) => page.evaluate((hash) => { location.hash = hash }, `#/${place}`)
const names = (page) => page.locator('main .list .name').allInnerTexts()
const chosen = (page) => page.locator('.chosen .name').allInnerTexts()

async function act(page, name, what) {
  await page.getByRole('button', { name: `What to do with ${name}`, exact: true }).click()
  await page.getByRole('dialog').getByRole('button', { name: what, exact: true }).click()
}

// put stores a file as a program of a person would.
async function put({ headers }, path, body, query = '', mtime) {
  const answer = await fetch(`${site.inside}/files/content/${path}?parents=true${query}`, {
    method: 'PUT', headers: { ...headers, 'Content-Type': 'text/plain', ...mtime && { 'X-OC-Mtime': String(mtime) } }, body,
  })
  assert.ok(answer.ok, `${path}: ${answer.status}`)
  return answer.json()
}

// tree is what lies in a person's folder, with all below it: paths, sorted.
async function tree({ headers }, path, query = '') {
  const { body: folder } = await ask('GET', `/files/lookup?path=${encodeURIComponent(path)}${query}`, null, headers)
  const found = []
  const walk = async (id) => {
    const { body } = await ask('GET', `/files/items/${id}/children?limit=500`, null, headers)
    for (const item of body.items) {
      found.push(item.path.slice(path.length) + (item.type === 'folder' ? '/' : ''))
      if (item.type === 'folder') await walk(item.id)
    }
  }
  await walk(folder.id)
  return found.sort()
}

async function until(condition) {
  for (const end = Date.now() + 60000; !await condition();) {
    assert.ok(Date.now() < end, 'it did not come to that')
    await new Promise((done) => setTimeout(done, 50))
  }
}

// Each is somebody with files of their own, and much of it is waiting.
describe('with people and files of their own', { concurrency: 3 }, () => {
  test('several files are chosen by mouse and keyboard, saved as one zip, dragged onto a folder, and put into the trash', async () => {
    const person = await enter('anna'), page = person.tab
    for (const name of ['img1.txt', 'img10.txt', 'img2.txt', 'Img3.txt', 'img20.txt']) await put(person, `Photos/${name}`, name)
    await put(person, 'Photos/Best/first.txt', 'first')
    await go(page, 'files/Photos')
    await row(page, 'img20.txt').waitFor()
    assert.deepEqual(await names(page), ['Best', 'img1.txt', 'img2.txt', 'Img3.txt', 'img10.txt', 'img20.txt'])

    await line(page, 'img1.txt').click({ modifiers: ['Control'] })
    await line(page, 'Img3.txt').click({ modifiers: ['Shift'] })
    assert.deepEqual(await chosen(page), ['img1.txt', 'img2.txt', 'Img3.txt'])
    await line(page, 'img2.txt').click({ modifiers: ['Shift'] }) // Shift reaches anew
    await page.getByRole('checkbox', { name: 'Choose img20.txt' }).check()
    assert.deepEqual(await chosen(page), ['img1.txt', 'img2.txt', 'img20.txt'])
    const [zip] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download' }).click()])
    assert.equal(zip.suggestedFilename(), 'files.zip')
    assert.deepEqual(execFileSync('python3', ['-m', 'zipfile', '-l', await zip.path()], { encoding: 'utf8' }).match(/\S+\.txt/g), ['img1.txt', 'img2.txt', 'img20.txt'])

    await line(page, 'img2.txt').dragTo(row(page, 'Best'))
    await page.getByText('3 items are in “Best” now.').waitFor()
    await row(page, 'img20.txt').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Undo' }).click()
    await row(page, 'img20.txt').waitFor()
    await page.keyboard.press('Escape')
    await line(page, 'img10.txt').dragTo(page.getByRole('link', { name: 'All files' }))
    await row(page, 'img10.txt').waitFor({ state: 'detached' })
    assert.deepEqual(await tree(person, '/Photos'), ['/Best/', '/Best/first.txt', '/Img3.txt', '/img1.txt', '/img2.txt', '/img20.txt'])

    await line(page, 'img1.txt').focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('Shift+ArrowDown')
    await page.keyboard.press('Shift+ArrowDown')
    await page.keyboard.press('Shift+ArrowUp')
    assert.deepEqual(await chosen(page), ['img1.txt', 'img2.txt'])
    assert.equal(await page.getByRole('dialog').count(), 0)
    await page.keyboard.press('Delete')
    await page.getByText('2 items are in the trash.').waitFor()
    await row(page, 'img1.txt').waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Undo' }).click()
    for (const name of ['img1.txt', 'img2.txt']) await row(page, name).waitFor()
    await page.keyboard.press('Control+a')
    await page.getByText('5 chosen').waitFor()
    await page.keyboard.press('Escape')
    assert.deepEqual(await chosen(page), [])

    await go(page, 'files')
    await row(page, 'Photos').waitFor()
    await ask('POST', '/files/folders', { path: '/Many' }, person.headers)
    await Promise.all(Array.from({ length: 60 }, (_, i) => put(person, `Many/${i}.txt`, 'x')))
    await go(page, 'files/Many')
    await row(page, '49.txt').waitFor()
    await page.keyboard.press('Control+a') // also those that were not shown yet
    await page.getByText('60 chosen').waitFor()
    quiet(person)
    await person.close()
  })

  test('a finger that rests on a file chooses it, and taps choose more', async () => {
    const person = await enter('fritz', phone), page = person.tab
    for (const name of ['a.txt', 'b.txt', 'c.txt']) await put(person, `Notes/${name}`, name)
    await go(page, 'files/Notes')
    await row(page, 'c.txt').waitFor()
    assert.equal(await page.getByRole('checkbox').first().isVisible(), false)
    const devtools = await person.context.newCDPSession(page)
    const touch = async (name, ms) => {
      const { x, y, height } = await line(page, name).boundingBox()
      await devtools.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: x + 100, y: y + height / 2 }] })
      await page.waitForTimeout(ms)
      await devtools.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    }
    await touch('b.txt', 700)
    await page.getByText('1 chosen').waitFor()
    await line(page, 'c.txt').tap()
    assert.deepEqual(await chosen(page), ['b.txt', 'c.txt'])
    assert.equal(await page.getByRole('dialog').count(), 0)
    await accessible(page, 'several are chosen')
    await page.getByRole('button', { name: 'Move' }).click()
    await page.getByRole('button', { name: 'Up', exact: true }).click()
    await page.getByRole('button', { name: 'documents' }).click()
    await page.getByRole('button', { name: 'Move here' }).click()
    await page.getByText('2 items are in “documents” now.').waitFor()
    await row(page, 'b.txt').waitFor({ state: 'detached' })
    await line(page, 'a.txt').tap() // nothing is chosen, so a tap opens
    await page.getByRole('dialog').getByText('a.txt', { exact: true }).first().waitFor()
    quiet(person)
    await person.close()
  })

  test('a folder is dropped with all that is in it, empty folders and the dates of its pictures too', async () => {
    const person = await enter('bert'), page = person.tab
    for (const path of ['Album/2019/empty', 'Album/2020']) mkdirSync(join(dir, path), { recursive: true })
    for (const [path, day] of [['Album/2019/sea.txt', '2019-07-04T10:00:00Z'], ['Album/cover.txt', '2021-02-03T04:05:06.789Z']]) {
      writeFileSync(join(dir, path), path)
      utimesSync(join(dir, path), new Date(day), new Date(day))
    }
    await ask('POST', '/files/folders', { path: '/Here' }, person.headers)
    await go(page, 'files/Here')
    await page.getByRole('heading', { name: 'Here' }).waitFor()
    const devtools = await person.context.newCDPSession(page)
    const drop = async (x, y, path) => {
      for (const type of ['dragEnter', 'dragOver', 'drop']) {
        await devtools.send('Input.dispatchDragEvent', { type, x, y, data: { items: [], files: [join(dir, path)], dragOperationsMask: 1 } })
      }
    }
    await drop(640, 500, 'Album')
    await row(page, 'Album').waitFor()
    await page.locator('.uploads').getByText('2 uploaded').waitFor()
    assert.deepEqual(await tree(person, '/Here'), ['/Album/', '/Album/2019/', '/Album/2019/empty/', '/Album/2019/sea.txt', '/Album/2020/', '/Album/cover.txt'])
    const { x, y, width, height } = await row(page, 'Album').boundingBox() // onto a folder it goes in there
    await drop(x + width / 2, y + height / 2, 'Album/cover.txt')
    await page.getByText('“cover.txt” is there already').waitFor()
    await page.getByRole('button', { name: 'Keep both' }).click()
    await page.locator('.uploads').getByText('3 uploaded').waitFor()

    await go(page, 'files/Here/Album')
    await row(page, 'cover (2).txt').waitFor()
    const { body: cover } = await ask('GET', `/files/lookup?path=${encodeURIComponent('/Here/Album/cover (2).txt')}`, null, person.headers)
    assert.match(cover.modified_at, /^2021-02-03T04:05:06\.789/)
    await put(person, 'Here/Album/old.txt', 'old', '', 1e9)
    await row(page, 'old.txt').getByText('2001').waitFor()
    await page.getByRole('combobox', { name: 'Order' }).selectOption('Oldest first')
    await until(async () => (await names(page)).join() === '2019,2020,old.txt,cover.txt,cover (2).txt')
    await line(page, 'old.txt').click()
    await page.getByRole('dialog').getByText('2001').waitFor()
    quiet(person)
    await person.close()
  })

  test('what was replaced is seen, saved, brought back and deleted', async () => {
    const person = await enter('carla', phone), page = person.tab
    for (const text of ['the first words', 'second thoughts', 'the last word']) await put(person, 'letter.txt', text)
    await row(page, 'letter.txt').waitFor()
    await act(page, 'letter.txt', 'Versions')
    await page.getByText('Version 2 ·').waitFor()
    await accessible(page, 'versions')
    await page.locator('dialog .open', { hasText: 'Version 1' }).click()
    await page.getByText('the first words').waitFor()
    const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /^Download/ }).click()])
    assert.equal(saved.suggestedFilename(), 'letter.txt')
    await page.getByRole('button', { name: 'What else' }).click()
    await page.getByRole('button', { name: 'Restore', exact: true }).click()
    await page.getByText('What is there now becomes a version itself').waitFor()
    await page.getByRole('button', { name: 'Restore it' }).click()
    await page.getByText('Version 3 ·').waitFor()
    const at = `${site.inside}/files/content/letter.txt`
    assert.equal(await (await fetch(at, { headers: person.headers })).text(), 'the first words')

    await act(page, 'version 2', 'Delete for good')
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('Version 2 ·').waitFor({ state: 'detached' })
    await page.keyboard.press('Escape')
    await go(page, 'account')
    const versions = 'the first words'.length + 'the last word'.length
    await page.getByText(`${versions} B in old versions`).waitFor()
    quiet(person)
    await person.close()
  })

  test('a folder is shared with a person by name, who writes in it until it is ended', async () => {
    const [giver, taker] = [await enter('gerda'), await enter('hans', phone)], page = giver.tab, there = taker.tab
    await ask('PATCH', '/auth/me', { name: 'Gerda' }, giver.headers)
    await put(giver, 'Choir/songs/alto.txt', 'la')
    await row(page, 'Choir').waitFor()
    await act(page, 'Choir', 'Share')
    await page.getByRole('button', { name: 'With a person' }).click()
    await page.getByLabel('E-mail or id').fill(taker.user.email)
    await page.getByLabel('Role').selectOption('editor')
    await page.getByRole('button', { name: 'Share it' }).click()
    await page.getByRole('button', { name: /^Do not share Choir with/ }).waitFor()
    await page.keyboard.press('Escape')

    await go(there, 'shared')
    await row(there, 'Choir').getByText('from Gerda · Editor').waitFor()
    await there.getByRole('link', { name: /^Choir/ }).click()
    await there.getByRole('link', { name: /^songs/ }).click()
    await row(there, 'alto.txt').waitFor()
    const [chooser] = await Promise.all([there.waitForEvent('filechooser'), there.getByRole('button', { name: 'Upload' }).click()])
    await chooser.setFiles({ name: 'bass.txt', mimeType: 'text/plain', buffer: Buffer.from('lo') })
    await line(there, 'bass.txt').waitFor() // not that of the uploads
    await there.getByRole('link', { name: 'Choir' }).click() // the way back
    await there.getByRole('heading', { name: 'Choir' }).waitFor()
    assert.deepEqual(await tree(giver, '/Choir'), ['/songs/', '/songs/alto.txt', '/songs/bass.txt'])

    await go(page, 'shared')
    await page.getByRole('button', { name: /^Do not share Choir with/ }).click()
    await page.getByRole('button', { name: 'End it' }).click()
    await page.getByText('You share nothing yet.').waitFor()
    await there.getByText('That is not shared with you any more.').waitFor()
    await there.getByText('Nobody has shared anything with you').waitFor()
    quiet(giver)
    quiet(taker, /status of 404 .*\/files\/items\//)
    await Promise.all([giver.close(), taker.close()])
  })

  test('a space is made, filled by its editors and only read by its viewers, and whoever is taken out is told and led home', async () => {
    const keeper = await enter('dora', desktop, { roles: ['member', 'keeper'] }), page = keeper.tab
    const viewer = await enter('emil', phone), there = viewer.tab
    await go(page, 'spaces')
    await page.getByRole('button', { name: 'New space' }).click()
    await page.getByRole('textbox', { name: 'Name' }).fill('Family')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Family' }).waitFor()
    const [id] = /[0-9a-f-]{36}/.exec(page.url())
    const add = async (who, role) => {
      await page.getByRole('button', { name: 'Add somebody' }).click()
      await page.getByLabel('E-mail or id').fill(who)
      await page.getByLabel('Role').selectOption(role)
      await page.getByRole('button', { name: 'Add', exact: true }).click()
    }
    await add('nobody@example.com', 'viewer')
    await page.getByText('Nobody here has this address.').waitFor()
    await page.keyboard.press('Escape')
    await add('Emil@example.com', 'editor')
    await row(page, 'emil@example.com').getByText('Editor').waitFor()

    await go(there, 'spaces')
    await there.getByRole('link', { name: /^Family/ }).click()
    const [chooser] = await Promise.all([there.waitForEvent('filechooser'), there.getByRole('button', { name: 'Upload' }).click()])
    await chooser.setFiles({ name: 'plan.txt', mimeType: 'text/plain', buffer: Buffer.from('to the sea') })
    await page.getByRole('link', { name: 'Files', exact: true }).last().click()
    await row(page, 'plan.txt').waitFor() // live
    await page.getByRole('searchbox', { name: 'Search Family' }).fill('pla')
    await row(page, 'plan.txt').getByText('/ ·').waitFor()
    await put(keeper, 'old.txt', 'old', `&space=${id}`)
    await act(there, 'old.txt', 'Put into the trash')
    await there.getByText('“old.txt” is in the trash.').waitFor()
    await go(there, `spaces/${id}/trash`)
    await there.getByRole('button', { name: 'Restore old.txt' }).click()
    await there.getByText('The trash is empty.').waitFor()

    await put(keeper, 'mine.txt', 'mine') // what is moved here from one's own files is copied
    await go(page, 'files')
    await act(page, 'mine.txt', 'Move')
    await page.getByRole('button', { name: 'Up', exact: true }).click()
    await page.getByRole('button', { name: 'Family' }).click()
    await page.getByRole('button', { name: 'Move here' }).click()
    await page.getByText('“mine.txt” is in “Family” now.').waitFor()
    await row(page, 'mine.txt').waitFor({ state: 'detached' })
    assert.deepEqual(await tree(keeper, '/', `&space=${id}`), ['mine.txt', 'old.txt', 'plan.txt'])

    await go(page, `spaces/${id}/members`)
    await page.getByRole('button', { name: 'What emil@example.com may do' }).click()
    await page.getByRole('button', { name: /^Viewer/ }).click()
    await row(page, 'emil@example.com').getByText('Viewer').waitFor()
    await go(there, `spaces/${id}/files`)
    await line(there, 'plan.txt').waitFor() // not that of the uploads
    for (const name of ['Upload', 'New folder']) assert.equal(await there.getByRole('button', { name }).count(), 0)
    await there.getByRole('button', { name: 'What to do with plan.txt' }).click()
    assert.deepEqual(await there.getByRole('dialog').getByRole('listitem').allInnerTexts(), ['Download', 'Versions', 'Copy to another place', 'Choose several'])
    await there.getByRole('button', { name: 'Copy to another place' }).click()
    await there.getByRole('button', { name: 'Up', exact: true }).click()
    await there.getByRole('button', { name: 'All files' }).click()
    await there.getByRole('button', { name: 'Copy here' }).click()
    await there.getByText('“plan.txt” is copied to “All files”').waitFor()
    assert.ok((await tree(viewer, '/')).includes('plan.txt'))

    await page.getByRole('button', { name: 'What emil@example.com may do' }).click()
    await page.getByRole('button', { name: 'Take out of the space' }).click()
    await page.getByRole('button', { name: 'Take them out' }).click()
    await there.getByText('“Family” is not there for you any more').waitFor()
    await there.getByRole('heading', { name: 'All files' }).waitFor()

    await go(page, `spaces/${id}/members`)
    await page.getByRole('button', { name: 'Leave the space' }).click()
    await page.getByRole('button', { name: 'Leave', exact: true }).click()
    await page.getByRole('alert').getByText('Make somebody else a manager first.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByLabel('Quota in GB').fill('2.5')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByText('of 2.5 GB used').waitFor()
    await page.getByLabel('Name').fill('Kin')
    await page.getByRole('button', { name: 'Rename' }).click()
    await page.getByRole('heading', { name: 'Kin' }).waitFor()
    await page.getByRole('button', { name: 'Delete the space' }).click()
    await page.getByRole('button', { name: 'Delete for good' }).click()
    await page.getByText('“Kin” is deleted.').waitFor()
    await page.getByRole('heading', { name: 'Spaces' }).waitFor()
    assert.equal(await page.getByRole('link', { name: /^Kin/ }).count(), 0)
    quiet(keeper, /status of (409 .*\/members\/|404 .*\/files\/people)/)
    quiet(viewer, new RegExp(`status of 404 .*${id}`))
    await Promise.all([keeper.close(), viewer.close()])
  })

  for (const [device, options] of Object.entries({ phone, desktop })) {
    test(`the pages of several people can be used by everyone on a ${device}, by day and by night`, async () => {
      const person = await enter(`ida-${device}`, options, { roles: ['member', 'keeper'] }), page = person.tab
      const { body: space } = await ask('POST', '/files/spaces', { name: `The garden society of the lower village, ${device}` }, person.headers)
      for (let n = 0; n < 2; n++) await put(person, 'A plan that has a rather long name.txt', `${n}`, `&space=${space.id}`)
      const pages = {
        spaces: async () => { await go(page, 'spaces'); await page.getByRole('link', { name: new RegExp(`village, ${device}`) }).waitFor() },
        space: async () => { await go(page, `spaces/${space.id}/files`); await row(page, 'A plan that has a rather long name.txt').waitFor() },
        chosen: async () => { await line(page, 'A plan that has a rather long name.txt').click({ modifiers: ['Control'] }); await page.getByText('1 chosen').waitFor() },
        versions: async () => { await act(page, 'A plan that has a rather long name.txt', 'Versions'); await page.getByText('Version 1 ·').waitFor() },
        person: async () => { await page.keyboard.press('Escape'); await act(page, 'A plan that has a rather long name.txt', 'Share'); await page.getByRole('button', { name: 'With a person' }).click() },
        'space-trash': async () => { await page.keyboard.press('Escape'); await go(page, `spaces/${space.id}/trash`); await page.getByText('The trash is empty.').waitFor() },
        members: async () => { await go(page, `spaces/${space.id}/members`); await page.getByRole('heading', { name: 'Members' }).waitFor() },
        role: async () => { await page.getByRole('button', { name: /^What ida.* may do/ }).click(); await page.getByRole('button', { name: /^Viewer/ }).waitFor() },
      }
      for (const [name, show] of Object.entries(pages)) {
        await show()
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme })
          await accessible(page, `${name}, ${device}, ${colorScheme}`)
          await keep(page, `storage-${name}-${device}-${colorScheme}`)
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`)
      }
      quiet(person)
      await person.close()
    })
  }
})
