// Our access tokens read, and forged, by an implementation of JWT that is not
// ours. It needs a running server and its secret:
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_SECRET=<base64> \
//   HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… node --test e2e/jose.test.mjs
//
// HOMEBASE_URL is also HOMEBASE_PUBLIC_URL, the issuer.
import assert from 'node:assert/strict'
import { createHash, hkdfSync } from 'node:crypto'
import { before, test } from 'node:test'
import * as jose from 'jose'

const { HOMEBASE_URL: url, HOMEBASE_SECRET: secret, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_SECRET: secret, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password })) {
  assert.ok(value, `${name} is not set`)
}

const keyOf = (purpose) => new Uint8Array(hkdfSync('sha256', Buffer.from(secret.split(',')[0], 'base64'), '', `homebase ${purpose}`, 32))
const key = keyOf('access')
const kid = createHash('sha256').update(key).digest('hex').slice(0, 8)
const expected = { issuer: url, audience: url, typ: 'at+jwt', algorithms: ['HS256'] }

let token, user, session

before(async () => {
  const answer = await fetch(`${url}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(answer.status, 200)
  const grant = await answer.json()
  token = grant.access_token
  user = grant.user.id
  session = grant.session.id
})

const me = async (bearer) => (await fetch(`${url}/api/v1/auth/me`, { headers: { Authorization: `Bearer ${bearer}` } })).status

test('jose reads our token with the shared key', async () => {
  const { payload, protectedHeader } = await jose.jwtVerify(token, key, expected)
  assert.deepEqual(protectedHeader, { alg: 'HS256', kid, typ: 'at+jwt' })
  assert.deepEqual(Object.keys(payload).sort(), ['aud', 'exp', 'iat', 'iss', 'rtc', 'sid', 'sub'])
  assert.equal(payload.sub, user)
  assert.equal(payload.sid, session)
  assert.equal(payload.exp - payload.iat, 600)
  assert.equal(await me(token), 200)
})

const now = () => Math.floor(Date.now() / 1000)
const claims = (more = {}) => ({ iss: url, aud: url, sub: user, sid: session, iat: now(), exp: now() + 600, rtc: 1, ...more })
const forge = ({ header = {}, with: more = {}, by = key } = {}) =>
  new jose.SignJWT(claims(more)).setProtectedHeader({ alg: 'HS256', kid, typ: 'at+jwt', ...header }).sign(by)

test('we read what jose signs with the shared key', async () => {
  assert.equal(await me(await forge()), 200)
})

const wide = new Uint8Array(64).fill(1)
const forgeries = {
  'another key': () => forge({ by: keyOf('refresh') }),
  'another algorithm': () => forge({ header: { alg: 'HS512' }, by: wide }),
  'another type': () => forge({ header: { typ: 'JWT' } }),
  'expired': () => forge({ with: { iat: now() - 700, exp: now() - 100 } }),
  'another issuer': () => forge({ with: { iss: 'https://evil.example' } }),
  'another audience': () => forge({ with: { aud: 'https://evil.example' } }),
  'no signature': async () => new jose.UnsecuredJWT(claims()).encode(),
  'a signature that was cut': async () => token.slice(0, -4),
  'a payload that was changed': async () => {
    const [header, payload, signature] = token.split('.')
    const changed = { ...JSON.parse(Buffer.from(payload, 'base64url')), sub: session }
    return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.')
  },
  'a part too many': async () => `${token}.x`,
}
for (const [name, make] of Object.entries(forgeries)) {
  test(`both refuse ${name}`, async () => {
    const forged = await make()
    await assert.rejects(jose.jwtVerify(forged, key, { ...expected, requiredClaims: ['exp'] }))
    assert.equal(await me(forged), 401)
  })
}
