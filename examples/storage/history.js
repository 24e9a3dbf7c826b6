// The security history of an account: what its owner did, and what others did to it,
// without everyday work on files.
import { deed } from '../deeds.js'
import { button, el, icon, moment } from '../dom.js'

// historyOf answers with the newest few events, and a button for those before them.
export async function historyOf(api) {
  const list = el('ul.list', { 'aria-label': 'Security history' })
  let cursor
  const read = async (limit) => {
    const page = await api.get('/audit/me', { limit, cursor })
    list.append(...page.items.map((event) => row(event, api.user.id)))
    cursor = page.next_cursor
    more.hidden = !cursor
  }
  const more = button(null, 'Show more', () => read(50), { kind: 'wide' })
  await read(5)
  return [el('p.hint', {}, 'If you do not know a device or an address, change your password: that signs out all others.'), list, more]
}

function row({ action, actor_user_id: actor, address, details, outcome, at }, self) {
  const facts = [details.key ?? details.role, actor && actor !== self ? 'by somebody else' : !actor && 'by nobody signed in', address, moment(at)]
  return el('li', {}, el('span.open', {}, el('span.picture', {}, icon('versions')),
    el('span.name', {}, deed({ action }), outcome !== 'ok' && el('em', {}, ` ${outcome}`)), el('span.facts', {}, facts.filter(Boolean).join(' · '))))
}
