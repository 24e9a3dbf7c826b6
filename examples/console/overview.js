// The first page: how the server is, what it holds, and what is new.
import { bytes, el, icon, moment, when } from '../dom.js'
import { bars } from './chart.js'
import { eventLink } from './event.js'
import { namesOf } from './names.js'
import { badge, card, count, exactly, facts, head } from './parts.js'
import { checks, jobs } from './words.js'

export async function overview(api, main) {
  const hello = api.user.name ? `Hello ${api.user.name.split(' ')[0]}` : 'Overview'
  const lastWeek = new Date(Date.now() - 6 * 864e5).toISOString().slice(0, 10)
  const parts = [
    api.can('system:read') && part('check', 'Server', server, api),
    api.can('inbox:read') && part('mail', 'New messages', messages, api),
    api.can('system:read') && part('folder', 'Storage', storage, api),
    api.can('audit:read') && part('log', 'Latest events', events, api),
    api.can('system:read') && part('versions', 'Background jobs', work, api),
  ].filter(Boolean)
  main.replaceChildren(head(hello), el('nav.quick', { 'aria-label': 'Common tasks' },
    api.can('users:manage') && quick('#/people/invitations/new', 'mail', 'Invite somebody'),
    api.can('portfolio:write') && quick('#/portfolio/projects/new', 'plus', 'Write about a project'),
    api.can('audit:read') && quick(`#/audit/events/action=auth.login&from=${lastWeek}`, 'person', 'Who signed in last week')),
  el('div.cards', {}, parts.length ? parts : card('home', 'Nothing to manage', el('p', {}, 'Your account cannot change anything here. Whoever manages this server can give you a role that can.'))))
}

const quick = (href, picture, words) => el('a', { href }, icon(picture), words)

// part is a card that fills itself, and says in its place what went wrong.
function part(picture, title, fill, api) {
  const place = el('div.part', { 'aria-busy': 'true' }, el('p.small', {}, '…'))
  fill(api).then((nodes) => place.replaceChildren(...nodes.flat().filter(Boolean)), (problem) => place.replaceChildren(el('p.problem', { role: 'alert' }, problem.message)))
    .finally(() => place.removeAttribute('aria-busy'))
  return card(picture, title, place)
}

async function server(api) {
  // Not by api.get: what is not ready answers 503, and says why.
  const [ready, version, { disk }, backup] = await Promise.all([
    fetch(api.url('/system/ready'), { credentials: 'include' }).then((answer) => answer.json()), api.get('/system/version'), api.get('/system/storage', { limit: 1 }),
    api.can('audit:read') ? api.get('/audit/events', { action: 'backup.made', limit: 1 }) : null])
  const well = ready.status === 'ready'
  return [el('p', {}, well ? badge('Ready', 'good') : badge('Not ready', 'bad'), !well && ` ${ready.detail ?? ready.title}`),
    well && ready.checks && el('p.small', {}, `Checked: ${ready.checks.map((one) => checks[one] ?? one).join(', ')}.`),
    facts({ Version: version.version, Disk: [`${bytes(disk.free)} free of ${bytes(disk.total)} `, disk.free < 0.1 * disk.total && badge('nearly full', 'bad')],
      'Last backup': backup && (backup.items.length ? moment(backup.items[0].at) : 'none known; docs/backup.md says how to set it up') })]
}

async function messages(api) {
  const { items, counts } = await api.get('/portfolio/contact', { state: 'new', limit: 3 })
  dispatchEvent(new CustomEvent('unread', { detail: counts.new }))
  if (!items.length) return [el('p', {}, 'Nothing new. ', counts.read ? 'You have read them all.' : 'What visitors write in the portfolio’s contact form arrives here.')]
  return [el('ul.list', {}, items.map((one) => el('li', {}, el('a.open', { href: `#/inbox/new/${one.id}` }, el('span.picture', {}, icon('mail')),
    el('span.name', {}, one.subject || one.message.slice(0, 60)), el('span.facts', {}, `${one.name} · ${when(one.created_at)}`))))),
  el('p', {}, el('a', { href: '#/inbox' }, counts.new > items.length ? `All ${counts.new} new messages` : 'Open the inbox'))]
}

async function storage(api) {
  const owners = []
  for (let cursor; cursor !== null;) {
    const page = await api.get('/system/storage', { limit: 500, cursor })
    owners.push(...page.users, ...page.spaces)
    cursor = page.next_cursor
  }
  const name = await namesOf(api), first = owners.toSorted((a, b) => b.used - a.used).slice(0, 8)
  const called = ({ user_id: user, space_id: space }) => user ? name(user) : `Space “${name(space, space.slice(0, 8))}”`
  return [bars({ title: 'Storage by person and space', names: ['Person or space', 'Stored'], rows: first.map((one) => [called(one), one.used, one.quota]), whole: (row) => row[2], full,
    say: (row) => `${bytes(row[1])} of ${bytes(row[2])}` }),
  owners.length > first.length && el('p.small', {}, `Those ${first.length} of ${owners.length} people and spaces that store most.`),
  el('p.small', {}, `Of all this, ${bytes(sum(owners, 'trash'))} lie in the trash and ${bytes(sum(owners, 'versions'))} are old versions. Both go by themselves in time, or at once when their owner deletes them. `,
    'The page of ', api.can('users:manage') ? el('a', { href: '#/people' }, 'a person') : 'a person', ' or ', api.can('spaces:manage') ? el('a', { href: '#/spaces' }, 'a space') : 'a space', ' sets a limit.')]
}

const sum = (owners, what) => owners.reduce((all, one) => all + one[what], 0)

const full = ([, used, quota]) => used > 0.9 * quota

async function events(api) {
  const [{ items }, name] = await Promise.all([api.get('/audit/events', { limit: 6 }), namesOf(api)])
  return [el('ul.events', {}, items.map((one) => el('li', {}, el('div', {}, eventLink(one, name), one.outcome !== 'ok' && [' ', badge(one.outcome, 'bad')]),
    el('span.small.when', {}, name(one.actor_user_id), el('br'), when(one.at))))),
  el('p', {}, el('a', { href: '#/audit' }, 'Open the audit log'))]
}

async function work(api) {
  const { items } = await api.get('/system/jobs'), failing = items.filter((job) => job.failures)
  return [failing.length ? el('p', {}, badge(count(failing.length, 'job fails', 'jobs fail'), 'bad')) : el('p', {}, badge(`All ${items.length} are fine`, 'good')),
    failing.length > 0 && el('ul.plainly', {}, failing.map((job) => el('li', {}, el('strong', {}, jobs(job.name)), ` failed ${count(job.failures, 'time')}: ${job.last_error}`))),
    el('details', {}, el('summary', {}, 'Show all jobs'), el('ul.plainly', {}, items.map((job) => el('li', {}, el('strong', {}, jobs(job.name)),
      el('span.small', {}, job.running ? ' running now' : ` last ran ${exactly(job.last_run_at)}, runs again ${exactly(job.next_run_at)}`)))))]
}
