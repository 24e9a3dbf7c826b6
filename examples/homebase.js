// The client of a Homebase server for pages in a browser: one ES module, no
// build step, nothing else needed. Copy it beside your page:
//
//   <meta name="homebase-api" content="https://api.example.com">
//
//   import { Homebase } from './homebase.js'
//   const api = new Homebase()
//   const user = await api.start()              // null: nobody is signed in
//   const { items } = await api.get('/files/items/root/children', { limit: 20 })
//
// The tokens are in cookies that no script can read, so there is nothing here
// to steal and nothing to store. All tabs of the origin share one sign-in: one
// of them refreshes for all, and a sign-out in one is a sign-out in all. What
// keeps other sites out is the Origin header that browsers send.

// Problem is whatever went wrong: a refusal of the server (RFC 9457) or, with
// status 0 and code "network", no answer at all. `code` is stable and what a
// program looks at, `message` is a sentence for a person.
export class Problem extends Error {
  status = 0
  code = ''
  detail = /** @type {string | undefined} */ (undefined)
  fields = /** @type {Record<string, string>} */ ({})
  requestId = ''
  retryAfter = 0

  /** @param {import('./homebase').Told} [told] */
  constructor({ status = 0, code = 'network', title, detail, errors = [], request_id = '' } = {}, retryAfter = 0) {
    super(detail || title || (status ? `The server answered ${status}.` : 'The server cannot be reached. Are you online?'))
    Object.assign(this, { name: 'Problem', status, code, detail, requestId: request_id, retryAfter })
    // fields are the sentences by field: { email: 'This is no address.' }
    this.fields = Object.fromEntries(errors.map((e) => [e.pointer.replace(/^#\//, ''), e.detail]))
  }
}

const margin = 60_000 // a token that is good for less than that, in ms, is replaced before it is used
const waits = 3 // how often a busy server is asked again
const idempotent = ['GET', 'HEAD', 'PUT', 'DELETE']
const offered = 4 * 60_000 // how long a passkey is asked for with one challenge, in ms: it is good for five minutes
const pause = (/** @type {number} */ ms) => new Promise((done) => setTimeout(done, ms))

// The same password, typed on another system, may be other code points: é is
// one or two. What the server compares is their one form, and so is sent.
const passwords = ['password', 'current_password', 'new_password']
const folded = (/** @type {string} */ name, /** @type {unknown} */ value) => passwords.includes(name) && typeof value === 'string' ? value.normalize('NFKC') : value

// Homebase is the server, and who is signed in there. It fires "signin" and
// "signout" in every tab, also in the one that did it.
export class Homebase extends EventTarget {
  user = /** @type {import('./homebase').User | null} */ (null) // as of GET /auth/me, null for nobody
  // reauthenticate is asked when the server wants the password once more: set
  // it to a function that gets it and calls api.post('/auth/reauthenticate', …).
  reauthenticate = /** @type {(() => Promise<unknown>) | null} */ (null)
  // passkeys: whether this browser has them at all.
  static passkeys = 'PublicKeyCredential' in globalThis
  /** @type {RequestCredentials} */ #credentials
  /** @type {AbortController | undefined} */ #asking // the AbortController of the passkey that the browser is asked for, if it is
  #channel = new BroadcastChannel('homebase')

  // api is the server's address without /api/v1. A page whose origin is only
  // in HOMEBASE_PUBLIC_ORIGINS sends no cookies: credentials 'omit'.
  /** @param {{ api?: string, credentials?: RequestCredentials }} [options] */
  constructor({ api = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name=homebase-api]'))?.content ?? '', credentials = 'include' } = {}) {
    super()
    this.base = `${api.replace(/\/$/, '')}/api/v1`
    this.#credentials = credentials
    this.#channel.onmessage = ({ data }) => this.#become(data.user, data.type)
    // Pictures, videos and links cannot refresh by themselves, so the cookie
    // is kept good for as long as somebody is signed in.
    const keep = () => this.user && document.visibilityState === 'visible' && this.fresh().catch(() => {})
    if (credentials === 'include') setInterval(keep, margin / 2)
    document.addEventListener('visibilitychange', keep)
  }

  // url is the address of a path below /api/v1, for src and href.
  /** @param {string} path @param {Record<string, unknown> | null} [query] */
  url(path, query) {
    const text = new URLSearchParams(/** @type {[string, string][]} */ (Object.entries(query ?? {}).filter(([, value]) => value != null && value !== ''))).toString()
    return this.base + path + (text && `?${text}`)
  }

  // get, post, put, patch and delete answer with the parsed JSON, null when
  // there is none. A value that is no Blob is sent as JSON.
  /** @param {string} path @param {Record<string, unknown> | null} [query] @param {import('./homebase').Init} [init] */
  get(path, query, init) { return this.#json('GET', path, { query, ...init }) }
  /** @param {string} path @param {unknown} [json] @param {import('./homebase').Init} [init] */
  post(path, json, init) { return this.#json('POST', path, { json, ...init }) }
  /** @param {string} path @param {unknown} [json] @param {import('./homebase').Init} [init] */
  put(path, json, init) { return this.#json('PUT', path, { json, ...init }) }
  /** @param {string} path @param {unknown} [json] @param {import('./homebase').Init} [init] */
  patch(path, json, init) { return this.#json('PATCH', path, { json, ...init }) }
  /** @param {string} path @param {import('./homebase').Init} [init] */
  delete(path, init) { return this.#json('DELETE', path, init) }

  /** @param {string} method @param {string} path @param {import('./homebase').Init} [init] */
  async #json(method, path, init) {
    const response = await this.fetch(path, { method, ...init })
    return response.status === 200 || response.status === 201 ? response.json() : null
  }

  // list gives the items of all pages, one by one.
  /** @param {string} path @param {Record<string, unknown>} [query] @returns {AsyncGenerator<any>} */
  async *list(path, query = {}) {
    for (let cursor; cursor !== null;) {
      const page = await this.get(path, { ...query, cursor })
      yield* page.items
      cursor = page.next_cursor
    }
  }

  // fetch is the fetch of the browser with all that a request here needs: the
  // cookies, a refresh and a second try when the access token has run out, more
  // tries when the server is busy. It throws a Problem unless the answer is
  // a success. init is fetch's, and json, query.
  /** @param {string} path @param {import('./homebase').Init} [init] */
  async fetch(path, { json, query, ...init } = {}) {
    const headers = new Headers(init.headers), method = init.method ?? 'GET'
    /** @type {RequestInit} */
    const request = { credentials: this.#credentials, ...init, method, headers }
    if (json instanceof Blob) request.body = json
    else if (json !== undefined) {
      request.body = JSON.stringify(json, folded)
      headers.set('Content-Type', 'application/json')
    }
    for (let refreshed = 0, waited = 0, proven = false; ;) {
      const sent = Date.now()
      const response = await fetch(this.url(path, query), request).catch((reason) => {
        throw reason.name === 'AbortError' ? reason : new Problem()
      })
      if (response.ok || response.status === 304) return response
      const problem = await problemOf(response)
      if (problem.code === 'unauthenticated' && this.#credentials === 'include' && refreshed < 2) {
        // The second time another tab's refresh did not help: one of our own.
        await this.refresh(refreshed++ ? Infinity : sent)
      } else if (problem.code === 'reauthentication_required' && this.reauthenticate && !proven) {
        await this.reauthenticate()
        proven = true
      } else if (problem.status === 503 && idempotent.includes(method) && waited < waits) {
        waited++
        await pause(1000 * Math.min(problem.retryAfter || 1, 30) * (1 + Math.random() / 4))
      } else throw problem
    }
  }

  // start finds out who is signed in, perhaps on a sibling frontend.
  async start() {
    try {
      const grant = await this.fresh()
      this.user = grant?.user ?? await this.get('/auth/me')
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 401) throw problem
    }
    return this.user
  }

  // signIn takes { email, password, code? }, or { link_token }. The Problem
  // with code totp_required asks for the same once more with a code.
  /** @param {import('./homebase').Credentials} credentials */
  async signIn(credentials, path = '/auth/login') {
    const grant = await this.post(path, { ...credentials, mode: 'cookie' })
    await this.#stamp(grant)
    this.#tell('signin', grant.user)
    return grant.user
  }

  // offerPasskeys has the browser offer passkeys in the page's field with
  // autocomplete="username webauthn", beside the names that it knows, until one
  // was given, somebody is signed in, or a passkey is asked for otherwise. The
  // answer is whether passkeys can be used on this page. refused hears of the
  // Problem when the one that was given does not sign in.
  /** @param {(problem: Problem) => void} refused */
  async offerPasskeys(refused) {
    const before = this.#asking
    const options = await this.#challenge()
    if (!options || !await PublicKeyCredential.isConditionalMediationAvailable?.()) return !!options
    if (this.#asking === before && !this.user) this.#offer(options, refused).catch(() => {})
    return true
  }

  /** @param {PublicKeyCredentialRequestOptions | null} options @param {(problem: Problem) => void} refused */
  async #offer(options, refused) {
    while (options && document.querySelector('[autocomplete~=webauthn]')) {
      const asking = this.#ask()
      let old = false
      const timer = setTimeout(() => { old = true; asking.abort() }, offered)
      const passkey = await given({ publicKey: options, mediation: 'conditional', signal: asking.signal }).catch(() => null)
      clearTimeout(timer)
      if (passkey) return this.signIn({ passkey }).catch(refused)
      if (!old) return // something else took over, or the browser offers none
      await shown()
      options = await this.#challenge()
      if (this.#asking !== asking) return
    }
  }

  // signInWithPasskey asks for a passkey. Alone it stands for password and
  // code, and its device makes sure who holds it; with { email, password }, or
  // { link_token }, it stands for the code.
  /** @param {import('./homebase').Credentials} [credentials] */
  async signInWithPasskey(credentials) {
    return this.signIn({ ...credentials, passkey: await this.#passkey(credentials && { userVerification: 'discouraged' }) })
  }

  // reauthenticateWithPasskey is for the function reauthenticate.
  async reauthenticateWithPasskey() {
    return this.post('/auth/reauthenticate', { passkey: await this.#passkey() })
  }

  // addPasskey has the browser make a passkey for the user, and answers with it.
  /** @param {string} [name] */
  async addPasskey(name) {
    const { options } = await this.post('/auth/passkeys/registration', {})
    const publicKey = {
      ...options, challenge: decoded(options.challenge), user: { ...options.user, id: decoded(options.user.id) },
      excludeCredentials: options.excludeCredentials?.map((/** @type {{ id: string }} */ one) => ({ ...one, id: decoded(one.id) })),
    }
    const { rawId, response } = /** @type {any} */ (await navigator.credentials.create({ publicKey, signal: this.#ask().signal }).catch(declined))
    return this.post('/auth/passkeys', { ...name && { name }, response: {
      id: encoded(rawId), rawId: encoded(rawId), type: 'public-key', clientExtensionResults: {},
      response: {
        clientDataJSON: encoded(response.clientDataJSON), attestationObject: encoded(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      },
    } })
  }

  // removePasskey takes one of /auth/passkeys. Its device hears of it where the
  // browser can tell, and offers it no more.
  /** @param {{ id: string, credential_id: string }} passkey */
  async removePasskey({ id, credential_id: credentialId }) {
    await this.delete(`/auth/passkeys/${id}`)
    const { rpId } = await this.#challenge().catch(() => null) ?? {}
    if (rpId) await /** @type {any} */ (PublicKeyCredential).signalUnknownCredential?.({ rpId, credentialId }).catch(() => {})
  }

  /** @param {Partial<PublicKeyCredentialRequestOptions>} [more] */
  async #passkey(more) {
    const options = await this.#challenge()
    if (!options) throw new Problem({ code: 'passkeys_off', title: 'Passkeys cannot be used here.' })
    return given({ publicKey: { ...options, ...more }, signal: this.#ask().signal })
  }

  // #challenge answers with null where there are no passkeys: in this browser,
  // on the server, or for pages of this name.
  async #challenge() {
    if (!Homebase.passkeys) return null
    const { options } = await this.post('/auth/passkeys/options', {}).catch((problem) => {
      if (problem.code !== 'passkeys_off') throw problem
      return {}
    })
    return options && `.${location.hostname}`.endsWith(`.${options.rpId}`) ? { ...options, challenge: decoded(options.challenge) } : null
  }

  // #ask ends what the browser is asked now: it takes one question at a time,
  // and the offer in a field is one that stays.
  #ask() {
    this.#asking?.abort()
    return this.#asking = new AbortController()
  }

  // signOut ends this session, the "others" or "all".
  async signOut(scope = 'session') {
    await this.fetch('/auth/logout', { method: 'POST', query: { scope } })
    if (scope !== 'others') await this.#leave()
  }

  // fresh makes sure that the access token is good for a while. Await it before
  // a link or a video is opened.
  async fresh() {
    const { until } = await stamped()
    if (until - Date.now() < margin) return this.refresh(Date.now())
  }

  // refresh exchanges the tokens, unless another tab has done so after the
  // time `sent`. Tabs queue up at a lock, so of many exactly one asks.
  async refresh(sent = Date.now()) {
    return await navigator.locks.request('homebase-refresh', async () => {
      const { at } = await stamped()
      if (at > sent && at <= Date.now()) return
      const response = await fetch(this.url('/auth/refresh'), { method: 'POST', credentials: 'include' }).catch(() => {
        throw new Problem()
      })
      if (response.ok) return this.#stamp(await response.json())
      if (response.status === 401 && (this.user || at)) await this.#leave()
      throw await problemOf(response)
    })
  }

  // events tells of what happens on a stream of server-sent events: tell is
  // called with { type, data }, with type "open" whenever something may have
  // been missed, and with type "lost" when the stream ended or was refused; it
  // is tried again. One tab listens for all, because a browser has few
  // connections to a server. Returns a function that ends it.
  /** @param {string} path @param {string[]} types @param {(message: import('./homebase').Message) => void} tell */
  events(path, types, tell) {
    const channel = new BroadcastChannel(`homebase${path}`)
    const end = new AbortController()
    channel.onmessage = ({ data }) => tell(data)
    const all = (/** @type {import('./homebase').Message} */ message) => { tell(message); channel.postMessage(message) }
    const listen = () => new Promise((/** @type {(value?: unknown) => void} */ over) => {
      const source = new EventSource(this.url(path), { withCredentials: true })
      for (const type of types) source.addEventListener(type, ({ data }) => all({ type, data: JSON.parse(data) }))
      source.onopen = () => all({ type: 'open' })
      // A stream that was lost comes again by itself; one that was refused does not.
      source.onerror = () => {
        all({ type: 'lost' })
        if (source.readyState === EventSource.CLOSED) over()
      }
      end.signal.addEventListener('abort', () => { source.close(); over() })
    })
    navigator.locks.request(`homebase${path}`, { signal: end.signal }, async () => {
      while (!end.signal.aborted) {
        await listen()
        if (!end.signal.aborted) await pause(3000)
        if (!end.signal.aborted) await this.get('/auth/me').catch(({ status }) => status === 401 && end.abort())
      }
    }).catch(() => {}) // ended before its turn came
    return () => { end.abort(); channel.close() }
  }

  /** @param {import('./homebase').Schemas['AuthGrant']} grant */
  async #stamp(grant) {
    const now = Date.now()
    await (await caches.open('homebase')).put('/refreshed', Response.json({ at: now, until: now + 1000 * grant.expires_in }))
    return grant
  }

  async #leave() {
    await caches.delete('homebase')
    this.#tell('signout', null)
  }

  /** @param {string} type @param {import('./homebase').User | null} user */
  #tell(type, user) {
    this.#channel.postMessage({ type, user })
    this.#become(user, type)
  }

  /** @param {import('./homebase').User | null} user @param {string} type */
  #become(user, type) {
    this.user = user
    this.#asking?.abort()
    this.dispatchEvent(new Event(type))
  }
}

// given is the passkey that a person gives, as the server takes it. Field by
// field: some password managers break toJSON(), and what else they return.
/** @param {CredentialRequestOptions} request */
async function given(request) {
  const { rawId, response } = /** @type {any} */ (await navigator.credentials.get(request).catch(declined) ?? declined({}))
  return {
    id: encoded(rawId), rawId: encoded(rawId), type: 'public-key', clientExtensionResults: {},
    response: {
      clientDataJSON: encoded(response.clientDataJSON), authenticatorData: encoded(response.authenticatorData),
      signature: encoded(response.signature), ...response.userHandle && { userHandle: encoded(response.userHandle) },
    },
  }
}

// declined tells why a browser gave no passkey. It does not say whether there
// was none, or the person did not want to.
/** @param {{ name?: string }} reason @returns {never} */
function declined(reason) {
  if (reason.name === 'InvalidStateError') throw new Problem({ code: 'passkey_exists', title: 'There is a passkey of yours on this device already.' })
  throw reason.name === 'AbortError' ? reason : new Problem({ code: 'passkey_declined', title: 'No passkey was given.' })
}

// shown waits until somebody looks at the page.
async function shown() {
  while (document.visibilityState !== 'visible') await new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }))
}

// encoded and decoded are base64url, as WebAuthn writes bytes in JSON.
/** @param {ArrayBuffer} buffer */
function encoded(buffer) {
  const text = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('')
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @param {string} text */
function decoded(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0))
}

// stamped is when some tab refreshed last, and until when that holds. It lies
// in the cache storage because that is one for all tabs at any moment: each
// process of a browser has its own copy of localStorage, old by milliseconds.
async function stamped() {
  const stamp = await (await caches.open('homebase')).match('/refreshed')
  return stamp ? stamp.json() : { at: 0, until: 0 }
}

// problemOf reads a refusal; HEAD has no body, a proxy its own.
/** @param {Response} response */
async function problemOf(response) {
  const told = await response.json().catch(() => ({}))
  const code = told.code ?? (response.status === 401 ? 'unauthenticated' : 'unknown')
  return new Problem({ ...told, status: response.status, code }, Number(response.headers.get('Retry-After')) || 0)
}
