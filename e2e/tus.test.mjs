// Resumable uploads by tus-js-client, the client that browsers use. It needs
// a running server, a user, and a command that kills the server as a crash
// would, kill -9, and starts it again on the same data:
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_URL2=… HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… \
//   HOMEBASE_RESTART='…' node --test e2e/tus.test.mjs
//
// HOMEBASE_URL2 is another worker on the same data; HOMEBASE_TUS_MIB is how much is sent through the crash, 256 by default.
import assert from 'node:assert/strict'
import { exec, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import { Readable } from 'node:stream'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { Upload } from 'tus-js-client'

const { HOMEBASE_URL: url, HOMEBASE_URL2: url2, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password, HOMEBASE_RESTART: restart } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_URL2: url2, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password, HOMEBASE_RESTART: restart })) {
  assert.ok(value, `${name} is not set`)
}
// What is ours means nothing to the server, which refuses unknown settings.
const ours = ['HOMEBASE_URL', 'HOMEBASE_URL2', 'HOMEBASE_EMAIL', 'HOMEBASE_PASSWORD', 'HOMEBASE_RESTART', 'HOMEBASE_TUS_MIB']
const others = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.includes(name)))
const size = Number(process.env.HOMEBASE_TUS_MIB ?? 256) << 20
const api = `${url}/api/v1`

let token

before(async () => {
  const answer = await fetch(`${api}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(answer.status, 200)
  token = (await answer.json()).access_token
})

const headers = () => ({ Authorization: `Bearer ${token}` })
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

// send uploads a source under a name. It resolves to the whole story: every
// request that was sent, and the last answer.
const send = (source, name, options = {}) =>
  new Promise((resolve, reject) => {
    const requests = []
    const upload = new Upload(source, {
      endpoint: `${api}/files/uploads`,
      headers: headers(),
      metadata: { filename: name, path: '/documents' },
      retryDelays: [100, 200, 500, 1000, 2000, 3000, 5000, 5000, 5000],
      onAfterResponse: (req, res) => requests.push({ method: req.getMethod(), status: res.getStatus(), offset: res.getHeader('Upload-Offset') }),
      onError: reject,
      onSuccess: ({ lastResponse }) => resolve({ upload, requests, lastResponse }),
      ...options,
    })
    upload.start()
  })

// stored asserts that the file is there, whole, and named by its upload.
const stored = async (name, want) => {
  const answer = await fetch(`${api}/files/content/documents/${name}`, { headers: headers() })
  assert.equal(answer.status, 200)
  const hash = createHash('sha256')
  let length = 0
  for await (const piece of answer.body) {
    hash.update(piece)
    length += piece.length
  }
  assert.equal(length, want.length)
  assert.equal(hash.digest('hex'), sha256(want))
  assert.equal(answer.headers.get('etag'), `"${sha256(want)}"`)
}

test('plain', async () => {
  const want = randomBytes(3_000_000)
  const { requests, lastResponse } = await send(want, 'plain.bin')
  assert.deepEqual(requests.map((r) => `${r.method} ${r.status}`), ['POST 201', 'PATCH 204'])
  assert.match(lastResponse.getHeader('Content-Location'), /^\/api\/v1\/files\/items\/[0-9a-f-]{36}$/)
  await stored('plain.bin', want)
})

test('in chunks, the first with the creation, by POST alone', async () => {
  const want = randomBytes(3_000_000)
  const { requests } = await send(want, 'chunks.bin', { chunkSize: 700_000, uploadDataDuringCreation: true, overridePatchMethod: true })
  assert.deepEqual(requests.map((r) => r.offset), ['700000', '1400000', '2100000', '2800000', '3000000'])
  assert.ok(requests.every((r) => r.method === 'POST'))
  await stored('chunks.bin', want)
})

test('pause and resume', async () => {
  const want = randomBytes(40_000_000)
  let first
  await new Promise((resolve, reject) => {
    const upload = new Upload(want, {
      endpoint: `${api}/files/uploads`,
      headers: headers(),
      metadata: { filename: 'pause.bin', path: '/documents' },
      chunkSize: 5_000_000,
      onChunkComplete: (_, accepted) => {
        if (accepted >= 10_000_000 && !first) {
          first = upload.url
          upload.abort().then(resolve, reject)
        }
      },
      onError: reject,
      onSuccess: () => reject(new Error('it was not paused')),
    })
    upload.start()
  })
  const { requests } = await send(want, 'pause.bin', { uploadUrl: first })
  assert.equal(requests[0].method, 'HEAD')
  assert.ok(Number(requests[0].offset) >= 10_000_000, `it went on from ${requests[0].offset}`)
  assert.ok(requests.every((r) => r.method !== 'POST'), 'it began again')
  await stored('pause.bin', want)
  // Asked again, the finished upload is still known.
  const again = await send(want, 'pause.bin', { uploadUrl: first })
  assert.deepEqual(again.requests.map((r) => `${r.method} ${r.offset}`), [`HEAD ${want.length}`])
})

test('killed in the middle of one long PATCH, it goes on and never from zero', async () => {
  const want = randomBytes(size)
  // Three quarters of the first PATCH reach the server: more than it receives
  // before it makes the first half durable. The rest waits for its end.
  let killed = false
  const proxy = createServer(async (req, res) => {
    const onward = forward(new URL(req.url, url), { method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    onward.on('error', () => res.destroy())
    if (req.method !== 'PATCH' || killed) return req.pipe(onward)
    let passed = 0
    for await (const piece of req.iterator({ destroyOnReturn: false })) {
      if (!onward.write(piece)) await once(onward, 'drain')
      if ((passed += piece.length) >= size * 3 / 4) break
    }
    killed = true
    await promisify(exec)(restart, { env: others })
    req.destroy()
  })
  await new Promise((listening) => proxy.listen(0, 'localhost', listening))
  const { requests } = await send(want, 'killed.bin', { endpoint: `http://localhost:${proxy.address().port}/api/v1/files/uploads` })
  proxy.close()
  proxy.closeAllConnections()
  const offsets = requests.filter((r) => r.method === 'HEAD' && r.status === 200).map((r) => Number(r.offset))
  console.log(`went on from ${offsets} of ${size}`)
  assert.ok(offsets.length > 0, 'the kill was not noticed')
  assert.ok(offsets[0] > 0, 'it went on from zero')
  assert.equal(requests.filter((r) => r.method === 'POST').length, 1)
  await stored('killed.bin', want)
})

test('two workers take turns', async () => {
  const turns = []
  const proxy = createServer((req, res) => {
    const to = new URL(req.url, turns.length % 2 ? url2 : url)
    turns.push(`${req.method} ${to.port}`)
    req.pipe(forward(to, { method: req.method, headers: req.headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    }))
  })
  await new Promise((listening) => proxy.listen(0, 'localhost', listening))
  const want = randomBytes(5_000_000)
  await send(want, 'turns.bin', { endpoint: `http://localhost:${proxy.address().port}/api/v1/files/uploads`, chunkSize: 1_000_000 })
  proxy.close()
  proxy.closeAllConnections()
  assert.equal(turns.length, 6)
  assert.equal(new Set(turns.map((turn) => turn.split(' ')[1])).size, 2)
  await stored('turns.bin', want)
})

test('a client that is killed goes on as another', async () => {
  const want = randomBytes(30_000_000)
  const child = spawn(process.execPath, ['--input-type=module', '-e', `
    import { Upload } from 'tus-js-client'
    const pieces = []
    for await (const piece of process.stdin) pieces.push(piece)
    const upload = new Upload(Buffer.concat(pieces), {
      endpoint: ${JSON.stringify(`${api}/files/uploads`)},
      headers: ${JSON.stringify(headers())},
      metadata: { filename: 'client.bin', path: '/documents' },
      chunkSize: 5_000_000,
      onChunkComplete: (_, accepted) => console.log(upload.url, accepted),
    })
    upload.start()`], { cwd: new URL('.', import.meta.url), stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(want)
  const told = await new Promise((resolve, reject) => {
    let text = ''
    child.stdout.on('data', (piece) => {
      text += piece
      if (text.includes(' 10000000')) child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', () => resolve(text))
  })
  // What it sent last may still wait to be read. It would take the upload over
  // from whoever comes before it.
  for (let others = 1; others > 0;) {
    const metrics = await (await fetch(`${api}/system/metrics`, { headers: { ...headers(), Accept: 'text/plain' } })).text()
    others = Number(/^homebase_http_requests_in_flight (\d+)$/m.exec(metrics)[1]) - 1
  }
  const { requests } = await send(want, 'client.bin', { uploadUrl: told.split(' ')[0] })
  assert.equal(requests[0].method, 'HEAD')
  assert.ok(Number(requests[0].offset) >= 10_000_000, `it went on from ${requests[0].offset}`)
  await stored('client.bin', want)
})

test('each chunk with its checksum; a wrong one is refused and sent again', async () => {
  const want = randomBytes(3_000_000), chunkSize = 1_000_000
  let lies = 1
  const { requests } = await send(want, 'checksum.bin', {
    chunkSize,
    onBeforeRequest: (req) => {
      if (req.getMethod() !== 'PATCH') return
      const offset = Number(req.getHeader('Upload-Offset'))
      const sum = offset > 0 && lies-- > 0 ? createHash('sha256').update('another') : createHash('sha256').update(want.subarray(offset, offset + chunkSize))
      req.setHeader('Upload-Checksum', `sha256 ${sum.digest('base64')}`)
    },
    onShouldRetry: (error) => error.originalResponse?.getStatus() === 460,
  })
  assert.deepEqual(requests.map((r) => `${r.method} ${r.status}`), ['POST 201', 'PATCH 204', 'PATCH 460', 'HEAD 200', 'PATCH 204', 'PATCH 204'])
  await stored('checksum.bin', want)
})

test('the length is told late', async () => {
  const want = randomBytes(3_000_000)
  await send(Readable.from([want.subarray(0, 1_000_000), want.subarray(1_000_000)]), 'late.bin', { uploadLengthDeferred: true, chunkSize: 800_000 })
  await stored('late.bin', want)
})

test('zero bytes', async () => {
  const want = Buffer.alloc(0)
  const { requests } = await send(want, 'zero.bin')
  assert.deepEqual(requests.map((r) => `${r.method} ${r.status}`), ['POST 201'])
  await stored('zero.bin', want)
})

test('given up, it is gone', async () => {
  const want = randomBytes(10_000_000)
  let given
  await new Promise((resolve, reject) => {
    const upload = new Upload(want, {
      endpoint: `${api}/files/uploads`,
      headers: headers(),
      metadata: { filename: 'given-up.bin', path: '/documents' },
      chunkSize: 1_000_000,
      onChunkComplete: () => {
        given ??= upload.url
        upload.abort(true).then(resolve, reject)
      },
      onError: reject,
      onSuccess: () => reject(new Error('it was not given up')),
    })
    upload.start()
  })
  const answer = await fetch(given, { method: 'HEAD', headers: { ...headers(), 'Tus-Resumable': '1.0.0' } })
  assert.equal(answer.status, 404)
})
