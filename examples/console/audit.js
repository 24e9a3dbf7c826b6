// The log of what happened: by person, deed and time, page by page or as a file.
import { actions, deed } from '../deeds.js'
import { el } from '../dom.js'
import { saving } from './download.js'
import { about, eventLink } from './event.js'
import { namesOf } from './names.js'
import { badge, exactly, head, nothing, tabs } from './parts.js'
import { seals } from './seals.js'
import { table } from './table.js'

const bar = () => tabs('Audit log', [['#/audit', 'Events'], ['#/audit/seals', 'Seals']])

export async function audit(api, main, [kind, asked = '']) {
  if (kind === 'seals') return seals(api, main, bar())
  const name = await namesOf(api), people = api.can('users:manage') ? await everybody(api) : []
  const chosen = Object.fromEntries(new URLSearchParams(asked))
  const place = el('div')
  const show = async () => {
    const mine = show.newest = {}
    const list = await events(api, query(chosen), name)
    if (show.newest === mine) place.replaceChildren(list)
  }
  const change = (key) => (event) => {
    chosen[key] = event.target.value
    history.replaceState(null, '', `#/audit/events/${new URLSearchParams(Object.entries(chosen).filter(([, value]) => value))}`)
    return show()
  }
  const field = (label, key, input) => el('label', {}, label, Object.assign(input, { value: chosen[key] ?? '', onchange: change(key) }))
  const select = (all, list) => el('select', {}, el('option', { value: '' }, all), list.map(([value, words]) => el('option', { value }, words)))
  const deeds = Object.entries(actions).toSorted(([, one], [, other]) => one.localeCompare(other))
  const filters = el('div.filters', { role: 'search' },
    people.length ? field('Who', 'actor', select('Everybody', people)) : [], field('What', 'action', select('Everything', deeds)),
    field('From', 'from', el('input', { type: 'date' })), field('To', 'to', el('input', { type: 'date' })))
  await show()
  const save = saving('Export', api, () => ['/audit/events/export', query(chosen)], 'audit.jsonl')
  const only = chosen.target ? el('p.only', {}, `Only what happened to ${name(chosen.target, 'one thing')} `, el('a', { href: '#/audit' }, 'Show everything')) : ''
  main.replaceChildren(head('Audit log', save), bar(), filters, only, place)
}

async function everybody(api) {
  const people = []
  for await (const { id, name, email } of api.list('/auth/users', { limit: 500 })) people.push([id, name || email])
  return people
}

// query is what the server is asked: days are those of the person's clock, and
// the last one is meant whole.
function query({ actor, action, target, from, to }) {
  const at = (day, more) => {
    const date = new Date(`${day}T00:00`)
    date.setDate(date.getDate() + more)
    return date.toISOString()
  }
  return { actor, action, target, from: from && at(from, 0), to: to && at(to, 1) }
}

const events = (api, asked, name) => table({
  label: 'Events', dense: true, read: (cursor) => api.get('/audit/events', { ...asked, limit: 50, cursor }),
  find: (event) => [deed(event), about(event, name), event.action, name(event.actor_user_id), event.address, ...Object.values(event.details)].join(' '), columns: [
    ['What', (event) => [eventLink(event, name), event.outcome !== 'ok' && [' ', badge(event.outcome, 'bad')]]], ['Who', (event) => name(event.actor_user_id)],
    ['Address', ({ address }) => address ?? ''], ['When', ({ at }) => exactly(at)],
  ], words: nothing('log', Object.values(asked).some(Boolean) ? 'Nothing found. Choose other days, another person or another kind of event.' : 'Nothing has happened yet.'),
})
