// People with accounts at a site: made, and looked up, without a browser.
import assert from 'node:assert/strict'
import { codeOf } from './totp.mjs'

export const password = 'eleven brown bears humming'

export async function people(site) {
  const admin = await site.sign()

  // ask is a request without a browser.
  async function ask(method, path, json, headers = {}) {
    const answer = await fetch(site.inside + path, {
      method, headers: { ...headers, ...json && { 'Content-Type': 'application/json' } }, body: json && JSON.stringify(json),
    })
    const text = await answer.text()
    return { status: answer.status, body: text ? JSON.parse(text) : null }
  }

  // member makes an account, { id, email }.
  async function member(name, more) {
    const { status, body } = await ask('POST', '/auth/users', { email: `${name}@example.com`, password, roles: ['member'], ...more }, admin)
    assert.equal(status, 201)
    return body
  }

  // secondStep turns the code of an authenticator app on for a member, and
  // answers with its secret.
  async function secondStep({ email }) {
    const login = await ask('POST', '/auth/login', { email, password, mode: 'token' })
    const own = { Authorization: `Bearer ${login.body.access_token}` }
    const { body: { secret } } = await ask('POST', '/auth/totp', null, own)
    assert.equal((await ask('POST', '/auth/totp/confirm', { code: codeOf(secret) }, own)).status, 200)
    return secret
  }

  return { admin, ask, member, secondStep }
}
