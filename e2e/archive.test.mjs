// Archives opened by three programs that are not ours: Info-ZIP's unzip,
// libarchive's bsdtar and Python's zipfile. It needs a running server, a user
// and the three programs:
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… node --test e2e/archive.test.mjs
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'

const { HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password })) {
  assert.ok(value, `${name} is not set`)
}
const api = `${url}/api/v1`
const folder = `archive ${randomBytes(4).toString('hex')}`

// What is stored, and the name that it has in the archive where that differs.
const files = {
  'plain.txt': { body: Buffer.from('hello\n'.repeat(1000)) },
  'empty.bin': { body: Buffer.alloc(0) },
  'sub/deeper/Grüße 日本語 👩‍👩‍👧.jpg': { body: randomBytes(300_000) },
  'sub/a:b?.txt': { body: Buffer.from('colon'), as: 'sub/a_b_.txt' },
  'sub/NUL.txt': { body: Buffer.from('device'), as: 'sub/_NUL.txt' },
  'photo.jpg': { body: randomBytes(2_000_000) },
}

let headers, work, zip, mtime

const call = async (method, path, body, more = {}) => {
  const answer = await fetch(api + path, { method, body, headers: { ...headers, ...more } })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
  return answer
}

before(async () => {
  const login = await fetch(`${api}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(login.status, 200)
  headers = { Authorization: `Bearer ${(await login.json()).access_token}` }
  for (const [name, { body }] of Object.entries(files)) {
    const path = [folder, ...name.split('/')].map(encodeURIComponent).join('/')
    await call('PUT', `/files/content/${path}?parents=true`, body)
  }
  await call('POST', '/files/folders', JSON.stringify({ path: `/${folder}/nothing in it` }), { 'Content-Type': 'application/json' })
  const item = await (await call('GET', `/files/lookup?path=/${encodeURIComponent(folder)}`)).json()
  mtime = Date.parse((await (await call('GET', `/files/lookup?path=/${encodeURIComponent(folder)}/photo.jpg`)).json()).updated_at)
  const answer = await call('GET', `/files/items/${item.id}/archive`)
  work = await mkdtemp(join(tmpdir(), 'homebase-archive-'))
  zip = join(work, 'a.zip')
  await writeFile(zip, Buffer.from(await answer.arrayBuffer()))
})

after(() => rm(work, { recursive: true }))

const env = { ...process.env, LC_ALL: 'C.UTF-8' }
const programs = {
  unzip: (to) => {
    execFileSync('unzip', ['-tqq', zip], { env })
    execFileSync('unzip', ['-q', zip, '-d', to], { env })
  },
  bsdtar: (to) => {
    execFileSync('mkdir', [to])
    execFileSync('bsdtar', ['-xf', zip, '-C', to], { env })
  },
  'bsdtar from a pipe': async (to) => {
    execFileSync('mkdir', [to])
    execFileSync('bsdtar', ['-xf', '-', '-C', to], { env, input: await readFile(zip) })
  },
  python: (to) => execFileSync('python3', ['-c', `import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
z.extractall(sys.argv[2])`, zip, to], { env }),
}

for (const [program, extract] of Object.entries(programs)) {
  test(`${program} finds everything`, async () => {
    const to = join(work, program)
    await extract(to)
    const found = (await readdir(to, { recursive: true, withFileTypes: true })).map((e) => relative(to, join(e.parentPath ?? e.path, e.name)))
    const wanted = Object.entries(files).map(([name, { as }]) => join(folder, as ?? name))
    wanted.push(folder, ...['sub', 'sub/deeper', 'nothing in it'].map((name) => join(folder, name)))
    assert.deepEqual(found.sort(), wanted.sort())
    for (const [name, { body, as }] of Object.entries(files)) {
      assert.ok(body.equals(await readFile(join(to, folder, as ?? name))), name)
    }
    if (program !== 'python') { // which does not restore times
      const seen = (await stat(join(to, folder, 'photo.jpg'))).mtimeMs
      assert.ok(Math.abs(seen - mtime) < 5000, `${seen} is not ${mtime}`)
    }
  })
}
