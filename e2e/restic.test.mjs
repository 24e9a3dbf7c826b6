// docs/offsite.md as it is printed: its commands copy a folder of backups with
// Debian's restic, forget, prune and check, and what they bring back becomes a
// server again whose files have the same bytes. It needs restic and flock.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePorts } from './ports.mjs'
import { start } from './site.mjs'

const root = fileURLToPath(new URL('..', import.meta.url)), homebase = join(root, 'bin/homebase')
const page = readFileSync(join(root, 'docs/offsite.md'), 'utf8')
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')
let site, dir, headers, backup, again

before(async () => {
  site = await start({ content: false })
  headers = await site.sign()
  dir = mkdtempSync(join(tmpdir(), 'homebase-restic-'))
  backup = join(dir, 'backup')
  mkdirSync(backup)
})

after(async () => {
  if (again) {
    again.kill('SIGTERM')
    await once(again, 'exit')
  }
  await site?.stop()
  for (const path of [dir, again?.cluster]) if (path) rmSync(path, { recursive: true, force: true })
})

// commands are the lines of a section that begin like this, with the folders of
// this test.
function commands(section, pattern) {
  const text = page.split(/^## /m).find((part) => part.startsWith(section))
  const lines = [...text.matchAll(/^```\n(.*?)^```/gms)].flatMap(([, block]) => block.split('\n')).filter((line) => pattern.test(line))
  assert.ok(lines.length, `${section} has no such command`)
  return lines.map((line) => line.replaceAll('/var/tmp/drill/backup', `/var/tmp/drill${backup}`).replaceAll('/var/tmp/drill', join(dir, 'drill')).replaceAll(/ \/backup/g, ` ${backup}`))
}

// shell runs a line as root would type it.
function shell(line) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', line], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: dir, RESTIC_REPOSITORY: join(dir, 'repository'), RESTIC_PASSWORD_FILE: join(dir, 'password'), RESTIC_CACHE_DIR: join(dir, 'cache') },
  })
  assert.equal(status, 0, `${line}\n${stdout}${stderr}`)
  return stdout
}

const put = (path, body) => fetch(`${site.inside}/files/content/${path}?parents=true`, { method: 'PUT', headers, body }).then(({ ok }) => assert.ok(ok))
const copies = () => JSON.parse(shell('restic snapshots --json --host homebase')).filter(({ tags }) => !tags)

test('the page and the unit say the same', () => {
  const unit = readFileSync(join(root, 'deploy/homebase-offsite.service'), 'utf8')
  const runs = [...unit.matchAll(/^ExecStart=(.*)$/gm)].map(([, line]) => line.replaceAll('/usr/bin/', '').replaceAll('%%', '%'))
  const text = page.split(/^## /m).find((part) => part.startsWith('Every night'))
  for (const line of runs) assert.ok(text.replaceAll("'", '').includes(line), line)
  assert.equal(runs.length, 3)
})

test('a backup is copied, old copies are pruned, and a server comes back from the rest', async () => {
  const film = randomBytes(3 << 20)
  await put('films/harbour.bin', film)
  await put('notes.txt', 'first')
  site.run('backup', backup)
  writeFileSync(join(dir, 'password'), 'seven purple otters dancing')
  const [init] = commands('Begin', /^restic init/), [first] = commands('Begin', /^restic backup/)
  shell(init)
  shell(first)
  const nightly = commands('Every night', /^(flock|restic)/)
  assert.equal(nightly.length, 3)
  const size = () => Number(execFileSync('du', ['-sb', join(dir, 'repository')], { encoding: 'utf8' }).split('\t')[0])
  for (const line of nightly) shell(line)
  const before = size()

  // What a cut-off backup left is not copied, and what is there already takes no room again.
  await put('notes.txt', 'second')
  site.run('backup', '--keep', '1', backup)
  const cut = join(backup, 'points', 'cut.unfinished')
  mkdirSync(cut)
  writeFileSync(join(cut, 'half'), 'half')
  for (const line of nightly) shell(line)
  assert.equal(copies().length, 1, 'of one day the last is kept')
  assert.ok(size() - before < 1 << 20, `${size() - before} bytes more`)
  assert.doesNotMatch(shell('restic ls latest --host homebase'), /unfinished/)

  // While restic reads, no backup begins.
  const reading = spawn('flock', ['--no-fork', '--shared', backup, 'sh', '-c', 'echo; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(reading.stdout, 'data')
  assert.throws(() => site.run('backup', backup), ({ status, stderr }) => status === 1 && /another backup, verification or restore is using/.test(stderr))
  reading.kill()
  await once(reading, 'exit')

  // The house is gone.
  rmSync(backup, { recursive: true })
  for (const line of commands('A drill', /^restic/)) shell(line)
  const back = join(dir, 'drill', backup)
  assert.equal(readdirSync(join(back, 'points')).length, 1)
  for (const line of commands('A drill', /^homebase/)) site.run(...line.split(' ').slice(1))
  for (const line of commands('A drill', /^rm/)) shell(line)
  assert.ok(!existsSync(back))

  const [restic] = commands('When the house is gone', /^restic/), [restore] = commands('When the house is gone', /^homebase restore/)
  shell(restic.replace('--target /', `--target ${join(dir, 'new')}`))
  const folder = join(dir, 'new', backup)
  execFileSync(homebase, restore.replace(backup, folder).split(' ').slice(1), { env: env(), stdio: 'pipe' })
  execFileSync(homebase, ['files', 'verify'], { env: env(), stdio: 'pipe' })
  const port = await freePorts(1)
  again = spawn(homebase, ['serve'], { env: env({ HOMEBASE_LISTEN: `127.0.0.1:${port}` }), stdio: ['ignore', 'ignore', 'pipe'] })
  again.stderr.on('data', (text) => { again.cluster ??= /"data":"(\/var\/lib\/homebase\/[^"]+)"/.exec(text)?.[1] })
  const api = `http://127.0.0.1:${port}/api/v1`
  for (let i = 0; !(await fetch(`${api}/system/ready`).catch(() => ({}))).ok; i++) {
    assert.ok(i < 600 && again.exitCode === null, 'the restored server does not start')
    await new Promise((done) => setTimeout(done, 200))
  }
  const login = await fetch(`${api}/auth/login`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ email: site.email, password: site.password, mode: 'token' }) })
  const signed = { Authorization: `Bearer ${(await login.json()).access_token}` }
  const read = async (path) => Buffer.from(await (await fetch(`${api}/files/content/${path}`, { headers: signed })).arrayBuffer())
  assert.equal(sha256(await read('films/harbour.bin')), sha256(film))
  assert.equal(String(await read('notes.txt')), 'second')
})

// env is that of a new machine, on which only the secret is what it was.
const env = (more) => ({
  PATH: process.env.PATH, HOMEBASE_DATA_DIR: join(dir, 'new-data'), HOMEBASE_STATE_DIR: join(dir, 'new-state'), HOMEBASE_MIN_FREE: '1MiB', HOMEBASE_LOG_FORMAT: 'json',
  HOMEBASE_SECRET: readFileSync(join(site.dir, 'state/secret'), 'utf8').trim(), ...more,
})
