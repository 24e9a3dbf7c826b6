// Rate limits: what each class means, how much it allows, and what was refused.
import { button, el, say } from '../dom.js'
import { ask } from '../form.js'
import { again, badge, count, head } from './parts.js'
import { table } from './table.js'

// What each class is called, and what it counts.
const meaning = {
  read: ['Reading', 'Opening pages and lists; for each person, or address of a visitor'], write: ['Changing', 'Saving, moving and deleting; for each person, or address of a visitor'],
  credentials: ['Passwords and codes', 'Signing in, and whatever creates an account, a password or a link'], upload: ['Uploads', 'Requests that store files; for each person, or address of a visitor'], download: ['Downloads', 'Requests that fetch files; for each person, or address of a visitor'],
  address: ['Everything from one address', 'All requests, before it is known who sends them'], contact_of_address: ['Messages from one address', 'By the portfolio’s contact form'], contact_of_all: ['Messages from everybody', 'By the contact form; what comes beyond that is kept as spam'],
  guesses_of_account: ['Wrong passwords for one account', 'Then it has to wait'], guesses_of_address: ['Wrong passwords from one address', 'Then it has to wait'], guesses_of_secret: ['Wrong passwords for one link or program', 'Then it has to wait'],
}
const called = (name) => meaning[name]?.[0] ?? name

export async function limits(api, main) {
  const [answer, { figures }, left] = await Promise.all([api.fetch('/system/limits'), api.get('/system/metrics'), remaining(api)])
  const tag = answer.headers.get('ETag'), { enforced, items } = await answer.json()
  const refused = new Map(figures.filter(({ name }) => name === 'homebase_http_limited_total').map(({ labels, value }) => [labels.class, value]))
  const list = await table({
    label: 'Limits', read: async () => ({ items, next_cursor: null }), columns: [
      ['What', ({ class: name, changed }) => [el('strong', {}, called(name)), changed && [' ', badge('changed')], el('span.small', {}, meaning[name]?.[1])]],
      ['Allowed', (one) => amount(one)],
      ['Refused', ({ class: name }) => refused.get(name)?.toLocaleString() ?? el('span.small', {}, 'not counted')],
      ...left.size ? [['Left for you', ({ class: name }) => left.get(name)?.toLocaleString() ?? '']] : [],
      ['', (one) => one.scope === 'shared' || !api.can('system:manage') ? el('span.small', {}, one.scope === 'shared' ? 'fixed' : '')
        : el('div.tools', {}, button('rename', `Change ${called(one.class)}`, () => change(api, items, one, tag), { hide: true, kind: 'plain' }),
          one.changed && button('restore', `Back to the default: ${called(one.class)}`, () => put(api, items.filter((other) => other !== one), tag, items), { hide: true, kind: 'plain' }))],
    ],
  })
  main.replaceChildren(head('Rate limits', enforced ? [] : badge('turned off by HOMEBASE_RATE_LIMITS', 'bad')),
    el('p.hint', {}, 'How many requests are allowed in a time, so that nobody can overload the server or guess passwords. Whoever sends more is refused for a while. “Refused” counts since the server started; “Left for you” is what you may still send right now.'), list)
}

function amount({ requests, per_seconds: seconds }) {
  const [n, unit] = [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']].map(([long, words]) => [seconds / long, words]).find(([n]) => Number.isInteger(n)) ?? [seconds, 'second']
  return `${requests.toLocaleString()} ${n === 1 ? `a${unit === 'hour' ? 'n' : ''} ${unit}` : `in ${count(n, unit)}`}`
}

// remaining is what answers say of the person's own counts: RateLimit is
// "class";r=left;t=seconds (draft-ietf-httpapi-ratelimit-headers).
async function remaining(api) {
  const { headers } = await api.fetch('/auth/me')
  return new Map([...(headers.get('RateLimit') ?? '').matchAll(/"?([a-z]+)"?;r=(\d+)/g)].map(([, name, n]) => [name, Number(n)]))
}

async function change(api, items, one, tag) {
  await ask(called(one.class), {
    words: meaning[one.class]?.[1], submit: 'Save', fields: [
      { name: 'requests', label: 'Requests', type: 'number', min: 1, value: one.requests, required: true }, { name: 'per_seconds', label: 'In how many seconds', type: 'number', min: 1, step: 'any', value: one.per_seconds, required: true }],
    act: ({ requests, per_seconds: seconds }) => put(api, [...items.filter((other) => other !== one), { ...one, changed: true, requests: Number(requests), per_seconds: Number(seconds) }], tag, items),
  })
}

// put sends all that differ from the defaults.
async function put(api, items, tag, before) {
  const changed = (list) => ({ items: list.filter((one) => one.changed).map(({ class: name, requests, per_seconds: seconds }) => ({ class: name, requests, per_seconds: seconds })) })
  await api.put('/system/limits', changed(items), { headers: { 'If-Match': tag } })
  say('Saved. It holds at once.', 'Undo', () => api.put('/system/limits', changed(before)).then(again))
  again()
  return true
}
