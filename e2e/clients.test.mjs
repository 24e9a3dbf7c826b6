// Programs that everybody has: curl runs the README's session as it is
// printed there, wget resumes a download that was cut, Python's urllib works
// with an access key, promtool reads the metrics. It needs a running server,
// a user and the four programs:
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… node --test e2e/clients.test.mjs
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const { HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password })) {
  assert.ok(value, `${name} is not set`)
}
const api = `${url}/api/v1`
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

let work, token

// run gives a program its standard input and returns how it ended.
const run = async (program, args, { input = '', env = {} } = {}) => {
  const child = spawn(program, args, { cwd: work, env: { ...process.env, ...env } })
  let out = '', err = ''
  child.stdout.on('data', (text) => { out += text })
  child.stderr.on('data', (text) => { err += text })
  child.stdin.on('error', () => {}) // it may end without reading
  child.stdin.end(input)
  const [code] = await once(child, 'close')
  return { code, out, err }
}

const call = async (method, path, body, more = {}) => {
  const answer = await fetch(api + path, { method, body, headers: { Authorization: `Bearer ${token}`, ...more } })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? '' : await answer.text()}`)
  return answer
}

// keyFor makes an access key.
const keyFor = async (name, ...permissions) =>
  (await (await call('POST', '/auth/keys', JSON.stringify({ name, permissions }), { 'Content-Type': 'application/json' })).json()).key

before(async () => {
  work = await mkdtemp(join(tmpdir(), 'clients-'))
  const login = await fetch(`${api}/auth/login`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(login.status, 200)
  token = (await login.json()).access_token
})

after(() => rm(work, { recursive: true }))

test("curl does what the README says, and answers come as they are printed there", async () => {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  const session = readme.split('```').find((block) => block.includes('$ API=')).trim().split('\n')
  const commands = session.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2))
  const printed = session.filter((line) => !line.startsWith('$ '))
  assert.ok(commands.length >= 6 && printed.length >= 4, 'the README has lost its session')
  const film = randomBytes(1_000_000)
  await writeFile(join(work, 'film.mp4'), film)

  const script = commands.join('\n').replace('http://localhost:8080', url).replace('admin@example.com', email)
  const { code, out, err } = await run('bash', ['-euo', 'pipefail', '-c', script], { input: `${password}\n` })
  assert.equal(code, 0, out + err)
  const said = out.trim().split('\n')
  assert.equal(said.length, printed.length, out)
  for (const [i, want] of printed.entries()) {
    if (want.startsWith('{')) {
      const [got, shown] = [JSON.parse(said[i]), JSON.parse(want)]
      assert.deepEqual(Object.keys(got), Object.keys(shown))
      assert.deepEqual([got.type, got.name, got.path, got.media_type], [shown.type, shown.name, shown.path, shown.media_type])
      assert.deepEqual([got.size, got.sha256], [film.length, sha256(film)])
    } else {
      assert.equal(said[i], want.replace(/^[0-9a-f]{64}/, sha256(film)))
    }
  }
})

test('wget resumes a download where it was cut', async () => {
  const bytes = randomBytes(16 << 20)
  await call('PUT', '/files/content/documents/cut.bin', bytes)

  // A network that breaks the first connection in the middle.
  let passed = 0, connections = 0
  const network = createServer((client) => {
    const cut = ++connections === 1
    const server = connect({ host: 'localhost', port: new URL(url).port })
    for (const [one, other] of [[client, server], [server, client]]) one.on('error', () => other.destroy()).on('end', () => other.end())
    client.on('data', (data) => server.write(data))
    server.on('data', (data) => {
      passed += data.length
      if (cut && passed > 5 << 20) { client.resetAndDestroy(); server.destroy() } else client.write(data)
    })
  })
  network.listen(0, 'localhost')
  await once(network, 'listening')
  after(() => network.close())

  const wget = (...more) => run('wget', ['--no-verbose', '--tries=1', ...more, `--header=Authorization: Bearer ${token}`,
    `http://localhost:${network.address().port}/api/v1/files/content/documents/cut.bin`])
  const first = await wget()
  assert.notEqual(first.code, 0, 'the download was not cut')
  const part = await readFile(join(work, 'cut.bin'))
  assert.ok(part.length > 0 && part.length < bytes.length, `${part.length} bytes came through`)
  passed = 0
  const second = await wget('--continue')
  assert.equal(second.code, 0, second.err)
  assert.equal(sha256(await readFile(join(work, 'cut.bin'))), sha256(bytes))
  assert.ok(passed <= bytes.length - part.length + 4096, `${passed} bytes were sent for the missing ${bytes.length - part.length}`)
})

test("Python's urllib uploads, lists and downloads with an access key", async () => {
  const script = `
import hashlib, json, os, urllib.error, urllib.request

api, key = os.environ["API"], os.environ["KEY"]

def call(method, path, body=None):
    request = urllib.request.Request(api + path, data=body, method=method, headers={"Authorization": "Bearer " + key})
    with urllib.request.urlopen(request) as answer:
        return answer.status, answer.read()

name, body = os.urandom(8).hex() + ".bin", os.urandom(300000)
status, text = call("PUT", "/files/content/documents/" + name, body)
item = json.loads(text)
assert status == 201 and item["sha256"] == hashlib.sha256(body).hexdigest(), (status, item)
names, where = [], "/files/items/" + item["parent_id"] + "/children?limit=1"
cursor = ""
while cursor is not None:
    page = json.loads(call("GET", where + (cursor and "&cursor=" + cursor))[1])
    names += [child["name"] for child in page["items"]]
    cursor = page["next_cursor"]
assert names.count(name) == 1, names
assert call("GET", "/files/content/documents/" + name)[1] == body
try:
    call("GET", "/auth/users")
    raise SystemExit("the key may do what it was not made for")
except urllib.error.HTTPError as refused:
    assert refused.code == 403 and json.load(refused)["code"] == "forbidden"
`
  const { code, out, err } = await run('python3', ['-'], { input: script, env: { API: api, KEY: await keyFor('urllib', 'files:read', 'files:write') } })
  assert.equal(code, 0, out + err)
})

test('promtool finds nothing wrong with the metrics that a key reads', async () => {
  const answer = await fetch(`${api}/system/metrics`, { headers: { Authorization: `Bearer ${await keyFor('prometheus', 'system:read')}`, Accept: 'text/plain' } })
  assert.equal(answer.status, 200)
  const text = await answer.text()
  assert.match(text, /^homebase_build_info\{/m)
  const { code, out, err } = await run('promtool', ['check', 'metrics'], { input: text })
  assert.deepEqual({ code, out, err }, { code: 0, out: '', err: '' })
})

// Grafana fills its variables in before it asks.
test('the dashboard asks only for what the server tells, in words that Prometheus understands', async () => {
  const { panels, templating } = JSON.parse(await readFile(new URL('../deploy/grafana-dashboard.json', import.meta.url), 'utf8'))
  assert.deepEqual(templating.list.map(({ name, type }) => [name, type]), [['datasource', 'datasource'], ['instance', 'query']])
  assert.deepEqual(panels.filter(({ type }) => type === 'row').map(({ title }) => title),
    ['Requests and latency', 'Errors', 'Sign-in', 'Files and quotas', 'Database', 'Disk', 'Jobs and audit log', 'Memory and processor'])
  const targets = panels.flatMap(({ targets = [] }) => targets), taken = new Set()
  for (const { id, title, type, gridPos: { x, y, w, h }, targets = [], description } of panels) {
    assert.ok(type === 'row' || targets.length && description, title)
    assert.ok(targets.every(({ datasource: { uid } }) => uid === '${datasource}'), title)
    for (let i = 0; i < w * h; i++) {
      const cell = `${x + i % w} ${y + Math.floor(i / w)}`
      assert.ok(!taken.has(cell) && x + w <= 24, `${title} lies on another panel`)
      taken.add(cell)
    }
    assert.equal(panels.filter((other) => other.id === id).length, 1)
  }
  const answer = await fetch(`${api}/system/metrics`, { headers: { Authorization: `Bearer ${await keyFor('dashboard', 'system:read')}`, Accept: 'text/plain' } })
  const told = new Map() // the labels of each metric
  for (const [, name, labels = ''] of (await answer.text()).matchAll(/^(homebase_\w+)(?:\{(.*)\})? /gm)) {
    told.set(name, new Set([...told.get(name) ?? [], ...[...labels.matchAll(/(\w+)="/g)].map(([, label]) => label)]))
  }
  const routes = Object.entries((await (await fetch(`${api}/system/openapi.json`)).json()).paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`))
  for (const { expr } of targets) {
    for (const [, name, inside = ''] of expr.matchAll(/\b(homebase_\w+|up)(?:\{(.*?)\})?/g)) {
      assert.ok(name === 'up' || told.has(name), `${name} is not told: ${expr}`)
      for (const [, label, , value] of inside.matchAll(/(\w+)(=~|!=|=)"(.*?)"/g)) {
        assert.ok(['instance', 'job'].includes(label) || told.get(name).has(label), `${name} has no ${label}`)
        assert.ok(label !== 'route' || routes.includes(value), `there is no route ${value}`)
      }
    }
    for (const [, by] of expr.matchAll(/ by \((.*?)\)/g)) {
      const all = [...expr.matchAll(/homebase_\w+/g)].flatMap(([name]) => [...told.get(name)])
      for (const label of by.split(', ')) assert.ok(label === 'instance' || all.includes(label), `${label}: ${expr}`)
    }
  }
  const rules = targets.map(({ expr }, i) => ({ record: `dashboard:${i}`, expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*') }))
  assert.doesNotMatch(JSON.stringify(rules), /\$/)
  await writeFile(join(work, 'dashboard.yml'), JSON.stringify({ groups: [{ name: 'dashboard', rules }] }))
  const { code, out, err } = await run('promtool', ['check', 'rules', 'dashboard.yml'])
  assert.equal(code, 0, out + err)
})

test('the alerts are sound, ring for each fault and for nothing else', async () => {
  for (const args of [['check', 'rules', '../deploy/prometheus-rules.yml'], ['test', 'rules', '../deploy/test/prometheus-rules.yml']]) {
    const { code, out, err } = await run('promtool', args.map((arg) => arg.startsWith('..') ? fileURLToPath(new URL(arg, import.meta.url)) : arg))
    assert.equal(code, 0, out + err)
  }
})
