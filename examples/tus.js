// A small client of tus 1.0.0 (https://tus.io): uploads that go on where the
// server says that they stand, after a lost network, a pause or a reload.
//
//   const upload = new Upload(api, file, { folder })       // api of homebase.js
//   upload.addEventListener('change', () => show(upload.state, upload.sent, upload.size))
//   await upload.start()                                   // the new item's id
import { Problem } from './homebase.js'

const chunk = 16 << 20 // bytes of one request
const longest = 30_000 // ms between two tries
// passes are the codes and statuses of what passes by itself.
const passes = ['network', 'upload_offset_mismatch', 'too_many_uploads', 408, 423, 429, 500, 502, 503, 504]
const version = { 'Tus-Resumable': '1.0.0' }

// Upload is one file on its way. state is "ready", "sending", "waiting" (for
// the network or the server; it goes on by itself), "paused", "done",
// "failed" (see problem) or "cancelled". Each "change" event has news.
export class Upload extends EventTarget {
  state = 'ready'
  sent = 0 // bytes that have left, of size
  speed = 0 // bytes a second, lately
  problem = null
  item = null // the id of the finished file
  #api
  #file
  #metadata
  #stop
  #url = null // where the server has it
  #finished = Promise.withResolvers()

  // folder is the id of the folder that it goes to, name the file's name there.
  constructor(api, file, { folder, name = file.name } = {}) {
    super()
    this.#api = api
    this.#file = file
    this.name = name
    this.size = file.size
    this.#metadata = { filename: name, ...(file.type && { filetype: file.type }),
      ...(file.lastModified > 0 && { mtime: file.lastModified / 1000 }), ...(folder && { parent_id: folder }) }
    this.key = `tus ${api.user?.id} ${folder ?? ''} ${file.size} ${file.lastModified} ${name}`
  }

  // known: a part of the file is on the server already.
  get known() { return localStorage.getItem(this.key) !== null }

  // start begins or goes on. It answers with the item's id in the end, and
  // throws the Problem when there is no hope; a pause in between is neither.
  start() {
    if (this.#stop?.signal.aborted ?? true) {
      if (this.problem) this.#finished = Promise.withResolvers()
      this.problem = null
      this.#finished.promise.catch(() => {}) // the state tells too
      this.#stop = new AbortController()
      this.#run(this.#stop.signal)
    }
    return this.#finished.promise
  }

  pause() {
    this.#stop?.abort()
    this.#become('paused')
  }

  // cancel gives up and lets the server forget what it has.
  async cancel() {
    this.#stop?.abort()
    this.#become('cancelled')
    const url = this.#url ?? localStorage.getItem(this.key)
    this.#forget()
    if (url) await this.#api.fetch(url, { method: 'DELETE', headers: version }).catch(() => {})
  }

  async #run(signal) {
    for (let tries = 0, before = this.sent; ; tries++) {
      try {
        this.#become('sending')
        this.item = await this.#send(signal)
        localStorage.removeItem(this.key)
        this.sent = this.size
        this.#become('done')
        return this.#finished.resolve(this.item)
      } catch (problem) {
        if (signal.aborted) return
        if (!passes.includes(problem.code) && !passes.includes(problem.status)) {
          this.problem = problem
          this.#stop.abort()
          this.#become('failed')
          return this.#finished.reject(problem)
        }
        if (this.sent > before) tries = 0
        before = this.sent
        this.#become('waiting')
        await this.#rest(Math.max(1000 * problem.retryAfter, Math.min(longest, 500 * 2 ** tries)), signal)
        if (signal.aborted) return
      }
    }
  }

  // rest waits some ms, less if the network comes back.
  #rest(ms, signal) {
    return new Promise((done) => {
      setTimeout(done, ms)
      addEventListener('online', done, { once: true })
      signal.addEventListener('abort', done)
    })
  }

  // send finds out where the upload stands, or creates it, and sends the rest.
  async #send(signal) {
    this.#url ??= localStorage.getItem(this.key)
    let at = this.#url && await this.#stand(signal)
    at ??= await this.#create(signal)
    while (!at.item) {
      this.#advance(at.offset)
      at = await this.#patch(at.offset, signal)
    }
    return at.item
  }

  async #create(signal) {
    const encoded = Object.entries(this.#metadata).map(([key, value]) => `${key} ${base64(value)}`)
    const { headers } = await this.#api.fetch('/files/uploads', {
      method: 'POST', signal, headers: { ...version, 'Upload-Length': this.size, 'Upload-Metadata': encoded.join(',') },
    })
    this.#url = headers.get('Location').replace('/api/v1', '')
    localStorage.setItem(this.key, this.#url)
    return place((name) => headers.get(name))
  }

  // stand asks how far the server has come; null when it has forgotten.
  async #stand(signal) {
    try {
      const { headers } = await this.#api.fetch(this.#url, { method: 'HEAD', signal, headers: version })
      return place((name) => headers.get(name))
    } catch (problem) {
      if (problem.status !== 404 && problem.status !== 410) throw problem
      this.#forget()
      return null
    }
  }

  #forget() {
    this.#url = null
    localStorage.removeItem(this.key)
  }

  // patch sends one chunk. Only XMLHttpRequest tells how much has left.
  async #patch(offset, signal) {
    await this.#api.fresh()
    signal.throwIfAborted()
    const sent = Date.now(), piece = this.#file.slice(offset, offset + chunk)
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest()
      request.open('PATCH', this.#api.url(this.#url))
      request.withCredentials = true
      const headers = { ...version, 'Upload-Offset': offset, 'Content-Type': 'application/offset+octet-stream' }
      for (const name in headers) request.setRequestHeader(name, headers[name])
      request.upload.onprogress = ({ loaded }) => this.#advance(offset + loaded)
      // A file that was changed or removed on the disk looks like a lost network.
      request.onerror = () => piece.slice(0, 1).arrayBuffer().then(() => fail(new Problem()),
        () => fail(new Problem({ code: 'unreadable', detail: 'The file was changed or removed meanwhile. Choose it again.' })))
      request.onabort = () => fail(new DOMException('Stopped', 'AbortError'))
      request.onload = () => {
        if (request.status === 204) return done(place((name) => request.getResponseHeader(name)))
        if (request.status === 401) return this.#api.refresh(sent).then(() => fail(new Problem()), fail)
        let told = {}
        try { told = JSON.parse(request.responseText) } catch { /* a proxy's page */ }
        fail(new Problem({ code: 'unknown', ...told, status: request.status }, Number(request.getResponseHeader('Retry-After')) || 0))
      }
      const stop = () => request.abort()
      signal.addEventListener('abort', stop)
      request.onloadend = () => signal.removeEventListener('abort', stop)
      request.send(piece)
    })
  }

  #measured = { at: 0, sent: 0 }
  #advance(sent) {
    const now = performance.now(), { at, sent: before } = this.#measured
    if (now - at > 1000 || sent < before) {
      this.speed = at ? Math.max(0, 0.7 * this.speed + 0.3 * 1000 * (sent - before) / (now - at)) : 0
      this.#measured = { at: now, sent }
    }
    this.sent = sent
    this.dispatchEvent(new Event('change'))
  }

  #become(state) {
    this.state = state
    this.dispatchEvent(new Event('change'))
  }
}

// place is where an upload stands, with the item when it is finished.
function place(header) {
  return { offset: Number(header('Upload-Offset')), item: header('Content-Location')?.split('/').pop() }
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
