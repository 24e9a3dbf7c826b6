// Rate limits: what each class means, how much it allows, and what was refused.
import { button, el, say } from '../dom.js'
import { ask } from '../form.js'
import { again, badge, count, head } from './parts.js'
import { table } from './table.js'

const meaning = {
  read: 'Reading, such as opening a page', write: 'Changing something', credentials: 'Giving a secret, such as making a user or a password', upload: 'Storing files', download: 'Fetching files',
  address: 'All requests of one address, before it is known who asks', contact_of_address: 'Messages of one address by the portfolio’s form', contact_of_all: 'Messages of everybody by that form; more is kept as spam',
  guesses_of_account: 'Wrong guesses at one account before it waits', guesses_of_address: 'Wrong guesses of one address before it waits', guesses_of_secret: 'Wrong guesses at one link’s or program’s secret',
}

export async function limits(api, main) {
  const [answer, { figures }, left] = await Promise.all([api.fetch('/system/limits'), api.get('/system/metrics'), remaining(api)])
  const tag = answer.headers.get('ETag'), { enforced, items } = await answer.json()
  const refused = new Map(figures.filter(({ name }) => name === 'homebase_http_limited_total').map(({ labels, value }) => [labels.class, value]))
  const list = await table({
    label: 'Limits', read: async () => ({ items, next_cursor: null }), columns: [
      ['What', ({ class: name, changed }) => [el('strong', {}, name), ' ', changed && badge('changed'), el('span.small', {}, meaning[name] ?? '')]],
      ['Allows', (one) => amount(one)], ['Told to wait', ({ class: name }) => refused.get(name)?.toLocaleString() ?? '–'], ...left.size ? [['Left for you now', ({ class: name }) => left.get(name)?.toLocaleString() ?? '–']] : [],
      ['', (one) => one.scope === 'shared' || !api.can('system:manage') ? el('span.small', {}, one.scope === 'shared' ? 'fixed' : '')
        : el('div.tools', {}, button('rename', `Change ${one.class}`, () => change(api, items, one, tag), { hide: true, kind: 'plain' }),
          one.changed && button('restore', `Default for ${one.class}`, () => put(api, items.filter((other) => other !== one), tag, items), { hide: true, kind: 'plain' }))],
    ],
  })
  main.replaceChildren(head('Limits', enforced ? [] : badge('turned off by HOMEBASE_RATE_LIMITS', 'bad')),
    el('p.hint', {}, 'How many requests one person, or one address where nobody is signed in, may send at once; they come back evenly over the time. Who sends more is told to wait; how often that was since this server started is counted for each class.'), list)
}

const amount = ({ requests, per_seconds: seconds }) => `${requests.toLocaleString()} in ${seconds % 60 ? count(seconds, 'second') : seconds % 3600 ? count(seconds / 60, 'minute') : count(seconds / 3600, 'hour')}`

// remaining is what answers say of the person's own counts: RateLimit is
// "class";r=left;t=seconds (draft-ietf-httpapi-ratelimit-headers).
async function remaining(api) {
  const { headers } = await api.fetch('/auth/me')
  return new Map([...(headers.get('RateLimit') ?? '').matchAll(/"?([a-z]+)"?;r=(\d+)/g)].map(([, name, n]) => [name, Number(n)]))
}

async function change(api, items, one, tag) {
  await ask(`Limit “${one.class}”`, {
    words: meaning[one.class], submit: 'Save', fields: [
      { name: 'requests', label: 'Requests', type: 'number', min: 1, value: one.requests, required: true }, { name: 'per_seconds', label: 'In seconds', type: 'number', min: 1, step: 'any', value: one.per_seconds, required: true }],
    act: ({ requests, per_seconds: seconds }) => put(api, [...items.filter((other) => other !== one), { ...one, changed: true, requests: Number(requests), per_seconds: Number(seconds) }], tag, items),
  })
}

// put sends all that differ from the defaults.
async function put(api, items, tag, before) {
  const changed = (list) => ({ items: list.filter((one) => one.changed).map(({ class: name, requests, per_seconds: seconds }) => ({ class: name, requests, per_seconds: seconds })) })
  await api.put('/system/limits', changed(items), { headers: { 'If-Match': tag } })
  say('It holds at once.', 'Undo', () => api.put('/system/limits', changed(before)).then(again))
  again()
  return true
}
