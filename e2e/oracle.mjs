// What oidc-provider, another provider, says to the requests that this one is
// asked. It runs in the test's own process.
import { once } from 'node:events'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

// start answers when it serves the two clients, of which the second is public.
export async function start(clients) {
  const [confidential, open] = clients.map(({ client_id, client_secret, redirect_uris }) => ({ client_id, client_secret, redirect_uris }))
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{ ...confidential, grant_types: ['authorization_code', 'refresh_token'] }, { ...open, token_endpoint_auth_method: 'none' }],
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true }, dPoP: { enabled: false }, pushedAuthorizationRequests: { enabled: false } },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
    pkce: { required: (_, client) => client.clientAuthMethod === 'none' },
    scopes: ['openid', 'offline_access'], responseTypes: ['code'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'], groups: ['groups'] },
  })
  server.on('request', provider.callback())
  return { issuer, stop: () => server.close() }
}

export const discover = async (issuer, get) => (await get(`${issuer}/.well-known/openid-configuration`)).json()

// alone is what one says of itself and the other does not.
export const alone = (one, other) => Object.entries(one).flatMap(([member, value]) => {
  if (!(member in other)) return [member]
  if (Array.isArray(value)) return value.filter((each) => !other[member].includes(each)).map((each) => `${member}: ${each}`)
  return typeof value === 'boolean' && value !== other[member] ? [`${member}: ${value}`] : []
}).sort()

// token is what the token endpoint says to one of tokenRequests.
export async function token({ token_endpoint: endpoint }, get, own, [form, { id = own.client_id, secret = own.client_secret, post = false, basic = !post } = {}]) {
  const body = new URLSearchParams({ ...form, ...form.redirect_uri && { redirect_uri: own.at }, ...post && { client_id: id, ...secret && { client_secret: secret } } })
  const answer = await get(endpoint, { method: 'POST', body, headers: basic ? { Authorization: `Basic ${btoa(`${id}:${secret}`)}` } : {} })
  return { status: answer.status, error: (await answer.json()).error }
}

// authorize is what comes of one of authorizations: the status of a refusal, a
// page that asks the person, or an answer to the client, after what decide makes
// of a redirect.
export async function authorize({ authorization_endpoint: endpoint }, get, [own, open], { public: isPublic, ...more }, decide = (to) => to) {
  const all = { client_id: isPublic ? open.client_id : own.client_id, redirect_uri: own.at, response_type: 'code', scope: 'openid', state: 's', nonce: 'n', ...more }
  const answer = await get(`${endpoint}?${new URLSearchParams(Object.entries(all).filter(([, value]) => value !== null))}`, { redirect: 'manual' })
  if (answer.status !== 303) return answer.status
  const to = await decide(answer.headers.get('location'))
  if (!to?.startsWith(`${own.at}?`) && !to?.startsWith(`${own.at}#`)) return 'asks'
  const { search, hash } = new URL(to), values = new URLSearchParams(search || hash.slice(1))
  return { error: values.get('error'), state: values.get('state'), iss: values.has('iss') }
}

// What is asked of the token endpoint: a form, and by whom if not by the
// confidential client with its secret in Authorization.
export const tokenRequests = {
  'no grant type': [{}],
  'an unknown grant type': [{ grant_type: 'password' }],
  'no code': [{ grant_type: 'authorization_code', redirect_uri: true }],
  'an unknown code': [{ grant_type: 'authorization_code', code: 'x', redirect_uri: true }],
  'no refresh token': [{ grant_type: 'refresh_token' }],
  'an unknown refresh token': [{ grant_type: 'refresh_token', refresh_token: 'x' }],
  'a wrong secret': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { secret: 'wrong' }],
  'an unknown client': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { id: '0197ffff-0000-7000-8000-000000000000' }],
  'the secret in the form': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { post: true }],
  'a wrong secret in the form': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { post: true, secret: 'wrong' }],
  'the secret twice': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { post: true, basic: true }],
  'a confidential client without its secret': [{ grant_type: 'refresh_token', refresh_token: 'x' }, { post: true, secret: '' }],
}

// What a browser brings to the authorization endpoint, beside what every
// client sends; null leaves it out.
export const authorizations = {
  'no client': { client_id: null },
  'an unknown client': { client_id: '0197ffff-0000-7000-8000-000000000000' },
  'no redirect URI': { redirect_uri: null },
  'another redirect URI': { redirect_uri: 'https://evil.example/' },
  'a redirect URI with a query more': { redirect_uri: 'https://app.example/oracle?x' },
  'no response type': { response_type: null },
  'an implicit flow': { response_type: 'token' },
  'prompt none of a stranger': { prompt: 'none' },
  'prompt none with another': { prompt: 'none login' },
  'a request object': { request: 'eyJhbGciOiJub25lIn0.e30.' },
  'a request object elsewhere': { request_uri: 'https://app.example/request' },
  'a registration': { registration: '{}' },
  'a negative age': { max_age: '-1' },
  'a challenge as it is': { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'plain' },
  'a challenge that is none': { code_challenge: 'x', code_challenge_method: 'S256' },
  'a method without a challenge': { code_challenge_method: 'S256' },
  'a public client without PKCE': { public: true },
  'an unknown response mode': { response_mode: 'pigeon' },
  'an unknown prompt': { prompt: 'dance' },
}

// Where this provider answers otherwise on purpose, by what the other says.
export const otherwise = {
  'no redirect URI': () => 400, // OpenID Connect wants one; the other takes the only one that there is
  'an unknown response mode': (its) => ({ ...its, error: 'invalid_request' }), // RFC 6749 has no word of its own for it
  'an unknown prompt': () => 'asks', // is not looked at
}
