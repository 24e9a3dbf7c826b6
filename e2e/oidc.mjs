// Programs that sign people in at a site, and the watch over where browsers
// are sent: to an address that a program has registered, or to the account
// page, and nowhere else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { apps } from './site.mjs'

// through is fetch for a program in the house: the site's names lie at its
// nginx, and its CA is trusted. It follows no redirect.
export function through(site) {
  const ca = readFileSync(join(site.dir, 'ca.crt'))
  return async (url, init) => {
    const asked = new Request(url, { ...init, redirect: 'manual' }), { hostname, pathname, search } = new URL(asked.url)
    const body = Buffer.from(await asked.arrayBuffer())
    const answer = await new Promise((done, failed) => {
      request({
        host: '127.0.0.1', port: site.port, servername: hostname, ca, agent: false, method: asked.method, path: pathname + search,
        headers: { ...Object.fromEntries(asked.headers), host: hostname, ...body.length && { 'content-length': body.length } },
      }, done).on('error', failed).end(body)
    })
    const text = Buffer.concat(await answer.toArray())
    return new Response(text.length ? text : null, { status: answer.statusCode, headers: Object.entries(answer.headers).flatMap(([name, all]) => [all].flat().map((one) => [name, one])) })
  }
}

// watch holds every redirect and every page that a browser goes to. `own` are
// origins of programs that have pages of their own.
export function watch(site, own = []) {
  const registered = new Set(), astray = []
  const known = (to) => to.startsWith(`${site.storage}/account.html#action=`) || [...registered].some((uri) => to === uri || to.startsWith(uri + (uri.includes('?') ? '&' : '?')))
  return {
    register: (uris) => uris.forEach((uri) => registered.add(uri)),
    // redirect is where an answer sends a browser.
    redirect: (to) => known(to) || astray.push(`redirect to ${to}`),
    // person watches all pages of a browser's context.
    person({ context }) {
      context.on('response', async (response) => {
        if (response.url().startsWith(site.api) && response.status() >= 300 && response.status() < 400 && response.status() !== 304) {
          const to = await response.headerValue('location')
          if (!known(to)) astray.push(`${response.url()} redirects to ${to}`)
        }
      })
      context.on('page', (page) => page.on('framenavigated', (frame) => {
        const url = frame.url()
        if (!known(url) && ![site.storage, site.api, ...own].some((origin) => url.startsWith(`${origin}/`)) && !/^(about|chrome-error):/.test(url)) astray.push(`a page at ${url}`)
      }))
    },
    check: () => assert.deepEqual(astray.splice(0), []),
  }
}

// relying makes programs that rely on the site for their sign-in. seen is their
// watch.
export function relying(site, { ask, admin }, seen) {
  const issuer = `${site.api}/api/v1/auth/oidc`, get = through(site)

  // register makes a client as an admin does.
  async function register(name, more) {
    const at = `https://${apps[1]}/${name.toLowerCase().replaceAll(' ', '-')}`
    const { status, body } = await ask('POST', '/auth/clients', { name, redirect_uris: [at], post_logout_redirect_uris: [`${at}/bye`], ...more }, admin)
    assert.equal(status, 201, JSON.stringify(body))
    seen.register([...body.redirect_uris, ...body.post_logout_redirect_uris])
    return { ...body, at: body.redirect_uris[0], name }
  }

  // openidClient is a program that uses openid-client. begin gives the address
  // for the browser, end takes that at which it came back, and answers with the
  // tokens.
  async function openidClient(name, { scope = 'openid profile email offline_access', ...fields } = {}) {
    const made = await register(name, fields)
    const config = await client.discovery(new URL(issuer), made.client_id, undefined, made.client_secret ? client.ClientSecretBasic(made.client_secret) : client.None(), { [client.customFetch]: get })
    config[client.customFetch] = get
    let checks
    return {
      ...made,
      async begin(more) {
        checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
        return client.buildAuthorizationUrl(config, {
          redirect_uri: made.at, scope, state: checks.expectedState, nonce: checks.expectedNonce,
          code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier), code_challenge_method: 'S256', ...more,
        }).href
      },
      end: (address, more) => client.authorizationCodeGrant(config, new URL(address), { ...checks, ...more }),
      refresh: (tokens) => client.refreshTokenGrant(config, tokens.refresh_token),
      told: (tokens) => client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub),
      leave: (params) => client.buildEndSessionUrl(config, params).href,
    }
  }

  // oauth4webapi uses the other library for servers; it leaves every step to its
  // user, and the secret goes in the form.
  async function oauth4webapi(name, fields) {
    const made = await register(name, fields), own = { client_id: made.client_id }, more = { [oauth.customFetch]: get }
    const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), more))
    let verifier, state, maxAge
    return {
      ...made,
      async begin(params = {}) {
        verifier = oauth.generateRandomCodeVerifier()
        state = oauth.generateRandomState()
        maxAge = params.max_age === undefined ? undefined : Number(params.max_age)
        const to = new URL(as.authorization_endpoint)
        for (const [key, value] of Object.entries({
          client_id: made.client_id, redirect_uri: made.at, response_type: 'code', scope: 'openid', state,
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', ...params,
        })) to.searchParams.set(key, value)
        return to.href
      },
      async end(address) {
        const answer = oauth.validateAuthResponse(as, own, new URL(address), state)
        const auth = oauth.ClientSecretPost(made.client_secret)
        const tokens = await oauth.processAuthorizationCodeResponse(as, own, await oauth.authorizationCodeGrantRequest(as, own, auth, answer, made.at, verifier, more), { requireIdToken: true, maxAge })
        const claims = oauth.getValidatedIdTokenClaims(tokens)
        await oauth.processUserInfoResponse(as, own, claims.sub, await oauth.userInfoRequest(as, own, tokens.access_token, more))
        return { ...tokens, claims }
      },
    }
  }

  // shut asks every worker for what a program gets, and holds that it is nothing.
  async function shut(tokens, { client_id: id, client_secret: secret }) {
    for (const worker of site.workers) {
      const info = await fetch(`${worker}/auth/oidc/userinfo`, { headers: { Authorization: `Bearer ${tokens.access_token}` } })
      const refreshed = await fetch(`${worker}/auth/oidc/token`, {
        method: 'POST', body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: id, ...secret && { client_secret: secret } }),
      })
      assert.deepEqual([info.status, refreshed.status, (await refreshed.json()).error], [401, 400, 'invalid_grant'], worker)
    }
  }

  return { issuer, get, register, openidClient, oauth4webapi, shut }
}
