// Programs that sign people in at a site, and the watch over where browsers
// are sent: to an address that a program has registered, or to the account
// page, and nowhere else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'

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
