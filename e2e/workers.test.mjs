// Three servers on one database and one data directory, in turns behind a real
// nginx, under a mixed load. One is killed, then one is told to stop: no
// request fails that is sent once more, nobody is signed out, and what was
// acknowledged is there. It needs nginx, a user who is an admin, and a command
// that runs homebase on the same data: HOMEBASE_WITH, as e2e/run gives it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './ports.mjs'

const { HOMEBASE_WITH: run, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
const dir = mkdtempSync(join(tmpdir(), 'homebase-workers-'))
const door = await freePorts(4)
const ports = [door + 1, door + 2, door + 3]
const api = `http://localhost:${door}/api/v1`
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

let nginx
let workers = []

before(async () => {
  mkdirSync(join(dir, 'tmp'))
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/tmp/${name};`).join(' ')
  writeFileSync(join(dir, 'nginx.conf'), `daemon off; worker_processes 1; pid ${dir}/pid; error_log ${dir}/error.log;
    ${process.getuid() === 0 ? 'user root;' : ''}
    events {} http { access_log off; ${temp}
    upstream workers { ${ports.map((port) => `server 127.0.0.1:${port};`).join(' ')} }
    server { listen 127.0.0.1:${door}; location / {
      proxy_pass http://workers; proxy_http_version 1.1; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $http_x_from;
      client_max_body_size 0; proxy_request_buffering off; proxy_buffering off; } } }`)
  workers = ports.map((port) => spawn('sh', ['-c', `exec ${run} HOMEBASE_LISTEN=127.0.0.1:${port} HOMEBASE_PUBLIC_URL=http://localhost:${door} HOMEBASE_TRUSTED_PROXIES=127.0.0.1/32 -- serve`],
    { stdio: 'ignore', detached: true }))
  for (const port of ports) {
    for (let i = 0; !(await fetch(`http://127.0.0.1:${port}/api/v1/system/ready`).catch(() => ({}))).ok; i++) {
      assert.ok(i < 600, 'a worker did not start')
      await sleep(200)
    }
  }
  nginx = spawn('nginx', ['-e', join(dir, 'error.log'), '-p', dir, '-c', join(dir, 'nginx.conf')], { stdio: 'inherit' })
  for (let i = 0; !(await fetch(`${api}/system/health`).catch(() => ({}))).ok; i++) {
    assert.ok(i < 600, 'nginx did not start')
    await sleep(100)
  }
})

after(async () => {
  nginx?.kill()
  for (const worker of workers) {
    if (worker.exitCode === null && worker.signalCode === null) {
      process.kill(-worker.pid, 'SIGTERM')
      await once(worker, 'exit')
    }
  }
  rmSync(dir, { recursive: true, force: true })
})

const count = { requests: 0, again: 0 }

// ask sends a request, and once more when it fails as a dying server does. It
// resolves to the answer and its bytes.
const ask = async (method, path, { token, body, json, headers = {} } = {}) => {
  const options = { method, body: json ? JSON.stringify(json) : body, headers: { ...(json && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }), ...headers } }
  const once = async () => {
    try {
      const answer = await fetch(api + path, options)
      return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) }
    } catch (error) {
      return { status: 0, bytes: Buffer.from(String(error)) }
    }
  }
  count.requests++
  let answer = await once()
  if (answer.status === 0 || answer.status >= 500) {
    count.again++
    await sleep(200)
    answer = { ...(await once()), again: true }
  }
  return answer
}

const want = (answer, status, what) => {
  assert.equal(answer.status, status, `${what}: ${answer.status} ${answer.bytes.subarray(0, 300)}`)
  return answer.bytes.length > 0 && answer.bytes[0] === 0x7b ? JSON.parse(answer.bytes) : answer.bytes
}

const signIn = async () => want(await ask('POST', '/auth/login', { json: { email, password, mode: 'token' } }), 200, 'sign in')

// letters tells a number without digits, which the form's spam filter ignores.
const letters = (n) => [...String(n)].map((d) => 'abcdefghij'[d]).join('')

test('one of three is killed, one is stopped: nothing fails twice and nothing is lost', async () => {
  const seed = randomBytes(300_000)
  const admin = await signIn()
  want(await ask('POST', '/files/folders', { token: admin.access_token, json: { path: '/documents/workers' } }), 201, 'a folder')
  want(await ask('PUT', '/files/content/documents/workers/seed.bin', { token: admin.access_token, body: seed }), 201, 'the first file')

  let going = true
  const files = new Map()
  const messages = new Set()
  const tally = { reads: 0, refreshes: 0 }
  const read = async (token) => {
    while (going) {
      const answer = await ask('GET', '/files/content/documents/workers/seed.bin', { token })
      assert.equal(answer.status, 200)
      assert.equal(sha256(answer.bytes), sha256(seed), 'other bytes came')
      tally.reads++
    }
  }
  const upload = async (token, who) => {
    for (let n = 0; going; n++) {
      const name = `${who}-${n}.bin`
      const body = randomBytes(1 + Math.floor(Math.random() * 60_000))
      const answer = await ask('PUT', `/files/content/documents/workers/${name}`, { token, body })
      assert.ok(answer.status === 201 || (answer.again && answer.status === 200), `upload: ${answer.status} ${answer.bytes}`)
      files.set(name, sha256(body))
    }
  }
  const refresh = async () => {
    let grant = await signIn()
    while (going) {
      grant = want(await ask('POST', '/auth/refresh', { json: { refresh_token: grant.refresh_token } }), 200, 'refresh')
      want(await ask('GET', '/auth/me', { token: grant.access_token }), 200, 'who am I')
      tally.refreshes++
    }
  }
  const write = async () => {
    for (let n = 1; going && n < 20; n++) {
      const form = want(await ask('GET', '/portfolio/contact/challenge'), 200, 'the form')
      let nonce = 0
      while (createHash('sha256').update(form.token + nonce).digest().readUInt32BE() >>> (32 - form.bits)) nonce++
      await sleep(form.min_age_seconds * 1000 + 100)
      const subject = `From ${letters(door)} ${letters(n)}`
      const answer = await ask('POST', '/portfolio/contact', { headers: { 'X-From': `192.0.2.${n}` },
        json: { token: form.token, nonce: String(nonce), name: 'Eve', email: 'eve@example.com', subject, message: `${subject}: hello` } })
      // Sent again, the token may be spent: then the first one was taken.
      assert.ok(answer.status === 202 || (answer.again && answer.status === 422), `a message: ${answer.status} ${answer.bytes}`)
      messages.add(subject)
    }
  }
  const tokens = await Promise.all([signIn(), signIn()])
  const load = Promise.all([read(tokens[0].access_token), read(tokens[1].access_token), upload(tokens[0].access_token, 'a'), upload(tokens[1].access_token, 'b'),
    refresh(), refresh(), write()])
  const story = (async () => {
    await sleep(4000)
    process.kill(-workers[0].pid, 'SIGKILL')
    await sleep(4000)
    const before = count.again
    process.kill(-workers[1].pid, 'SIGTERM')
    await once(workers[1], 'exit')
    await sleep(4000)
    going = false
    return { killed: before, stopped: count.again - before }
  })()
  const [, again] = await Promise.all([load.finally(() => { going = false }), story])

  for (const [name, sum] of files) {
    const answer = await ask('GET', `/files/content/documents/workers/${name}`, { token: admin.access_token })
    assert.equal(answer.status, 200, name)
    assert.equal(sha256(answer.bytes), sum, `${name} has other bytes`)
  }
  const there = new Set()
  for (const state of ['', '&state=spam']) {
    for (const message of want(await ask('GET', `/portfolio/contact?limit=200${state}`, { token: admin.access_token }), 200, 'the inbox').items) there.add(message.subject)
  }
  for (const subject of messages) assert.ok(there.has(subject), `a message is gone: ${subject}`)
  assert.ok(files.size > 10 && tally.reads > 10 && tally.refreshes > 10 && messages.size > 0, 'there was no load')
  console.log(`${count.requests} requests: ${files.size} uploads, ${tally.reads} reads, ${tally.refreshes} refreshes, ${messages.size} messages; sent again after the kill ${again.killed}, after the stop ${again.stopped}`)
})
