// Our feature flags read by OpenFeature's own SDKs, the one for servers and
// the one for browsers, over the remote evaluation protocol. It needs a
// running server and an admin: HOMEBASE_URL, HOMEBASE_EMAIL, HOMEBASE_PASSWORD.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider'
import { OpenFeature as Server } from '@openfeature/server-sdk'
import { OpenFeature as Web } from '@openfeature/web-sdk'

const { HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
const baseUrl = `${url}/api/v1/system/flags`
let token

const call = async (method, path, body) => {
  const headers = { Authorization: `Bearer ${token}` }
  if (body) headers['Content-Type'] = 'application/json'
  const answer = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) })
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`)
}

before(async () => {
  const answer = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  token = (await answer.json()).access_token
  await call('PUT', '/system/flags/e2e-open', { enabled: true, public: true })
  await call('PUT', '/system/flags/e2e-admins', { enabled: true, rules: [{ roles: ['admin'] }] })
  await call('PUT', '/system/flags/e2e-half', { enabled: true, public: true, rules: [{ percentage: 50 }] })
})

after(async () => {
  await Server.close()
  await Web.close()
  for (const key of ['e2e-open', 'e2e-admins', 'e2e-half']) await call('DELETE', `/system/flags/${key}`)
})

test('the server SDK evaluates for a stranger', async () => {
  await Server.setProviderAndWait('stranger', new OFREPProvider({ baseUrl }))
  const client = Server.getClient('stranger')
  const open = await client.getBooleanDetails('e2e-open', false)
  assert.deepEqual([open.value, open.variant, open.reason], [true, 'on', 'STATIC'])

  const hidden = await client.getBooleanDetails('e2e-admins', false)
  assert.deepEqual([hidden.value, hidden.errorCode], [false, 'FLAG_NOT_FOUND'])
  assert.equal((await client.getStringDetails('e2e-open', 'x')).errorCode, 'TYPE_MISMATCH')

  const half = async (targetingKey) => (await client.getBooleanDetails('e2e-half', false, { targetingKey })).value
  const names = Array.from({ length: 40 }, (_, i) => `visitor ${i}`)
  const first = await Promise.all(names.map(half))
  assert.deepEqual(await Promise.all(names.map(half)), first)
  assert.ok(first.includes(true) && first.includes(false))
})

test('the server SDK evaluates for who is signed in', async () => {
  await Server.setProviderAndWait('admin', new OFREPProvider({ baseUrl, headers: [['Authorization', `Bearer ${token}`]] }))
  const admins = await Server.getClient('admin').getBooleanDetails('e2e-admins', false)
  assert.deepEqual([admins.value, admins.reason], [true, 'TARGETING_MATCH'])
})

test('the browser SDK loads all flags at once and sees a change when it asks again', async () => {
  const provider = new OFREPWebProvider({ baseUrl, pollInterval: 200 })
  await Web.setProviderAndWait(provider)
  const client = Web.getClient()
  assert.equal(client.getBooleanValue('e2e-open', false), true)
  assert.equal(client.getBooleanDetails('e2e-admins', false).errorCode, 'FLAG_NOT_FOUND')

  await call('PUT', '/system/flags/e2e-open', { enabled: false, public: true })
  for (let i = 0; client.getBooleanValue('e2e-open', true); i++) {
    assert.ok(i < 600, 'the change never arrived')
    await new Promise((done) => setTimeout(done, 100))
  }
  assert.equal(client.getBooleanDetails('e2e-open', true).reason, 'DISABLED')
})
