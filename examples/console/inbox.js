// The inbox: what visitors wrote in the portfolio's form.
import { button, el, icon, say, when } from '../dom.js'
import { sure } from '../form.js'
import { badge, exactly, head, nothing, tabs } from './parts.js'

const states = { new: 'New', read: 'Read', archived: 'Archived', spam: 'Spam' }
const empty = {
  new: 'Nothing new. What visitors write in the portfolio’s contact form arrives here.', read: 'Nothing here. Messages that you have opened are kept here.',
  archived: 'Nothing is archived. Move messages here when you are done with them.', spam: 'No spam. What looks like spam arrives here, and is deleted after a while.',
}

export async function inbox(api, main, [asked, id]) {
  const state = states[asked] ? asked : 'new'
  const items = []
  let counts, cursor
  const load = async () => {
    const page = await api.get('/portfolio/contact', { state, limit: 50, cursor })
    items.push(...page.items)
    cursor = page.next_cursor
    counts = page.counts
    more.hidden = !cursor
  }
  const list = el('ul.list.messages', { 'aria-label': 'Messages' })
  const more = button(null, 'Show more', () => load().then(show), { kind: 'wide', hidden: true })
  const show = () => {
    list.replaceChildren(...items.map((one) => row(one)))
    list.hidden = !items.length
    place.replaceChildren(...items.length ? [list, more] : [nothing('mail', empty[state])])
    told()
  }
  const told = () => {
    dispatchEvent(new CustomEvent('unread', { detail: counts.new }))
    bar.replaceChildren(tabs('Messages', Object.entries(states).map(([name, words]) => [at(name), counts[name] ? `${words} ${counts[name]}` : words]), at(state)))
  }
  const place = el('div'), bar = el('div'), at = (name) => name === 'new' ? '#/inbox' : `#/inbox/${name}`

  // move gives a message another state; who opens a new one has read it, and it
  // stays where it is until the page is left.
  const set = async (one, to) => {
    const before = one.state
    Object.assign(one, await api.patch(`/portfolio/contact/${one.id}`, { state: to }))
    counts[before]--
    counts[to]++
  }
  const move = async (one, to, words) => {
    const before = one.state, at = items.indexOf(one)
    await set(one, to)
    items.splice(at, 1)
    show()
    say(words, 'Undo', async () => {
      await set(one, before)
      items.splice(at, 0, one)
      show()
    })
  }
  const remove = async (one) => {
    if (!await sure('Delete this message?', `What ${one.name} wrote cannot be brought back.`, 'Delete for good')) return
    await api.delete(`/portfolio/contact/${one.id}`)
    counts[one.state]--
    items.splice(items.indexOf(one), 1)
    show()
    say('The message is deleted.')
  }
  const row = (one) => {
    const facts = el('span.facts', {}, `${one.name} · ${when(one.created_at)}`, one.subject && el('span.snippet', {}, one.message.slice(0, 160)), one.state !== state && [' ', badge(one.state)])
    const details = el('details', { name: 'message', open: one.opened || one.id === id, ontoggle: () => {
      one.opened = details.open
      if (details.open && one.state === 'new') set(one, 'read').then(() => {
        details.querySelector('.name').classList.remove('new')
        told()
      })
    } },
    el('summary.open', {}, el('span.picture', {}, icon('mail')), el(`span.name${one.state === 'new' ? '.new' : ''}`, {}, one.subject || one.message.slice(0, 80)), facts), body(one))
    return el('li', {}, details)
  }
  const body = (one) => el('div.letter', {}, el('p.written', {}, one.message),
    el('p.small', {}, el('a', { href: `mailto:${one.email}` }, one.email), ` · ${exactly(one.created_at)}`, one.state === 'spam' && one.reasons.length ? ` · looks like spam: ${one.reasons.join(', ').replaceAll('_', ' ')}` : ''),
    el('div.ends', {}, el('a.main', { href: answer(one) }, icon('mail'), 'Reply'),
      one.state !== 'archived' && one.state !== 'spam' && button('check', 'Archive', () => move(one, 'archived', 'Archived.')),
      one.state === 'spam' ? button('restore', 'Not spam', () => move(one, 'read', 'Moved to the messages that you have read.')) : button('flag', 'It is spam', () => move(one, 'spam', 'Moved to spam.')),
      one.state === 'archived' && button('restore', 'Back to the inbox', () => move(one, 'read', 'Moved to the messages that you have read.')),
      button('trash', 'Delete', () => remove(one))))
  await load()
  show()
  main.replaceChildren(head('Inbox'), bar, place)
}

// answer opens the person's own mail program.
function answer({ email, subject, name, message, created_at: at }) {
  const quoted = message.split(/\r?\n/).map((line) => `> ${line}`).join('\r\n')
  return `mailto:${encodeURIComponent(email)}?subject=${encodeURIComponent(`Re: ${subject || 'Your message'}`)}&body=${encodeURIComponent(`\r\n\r\n${name} wrote on ${exactly(at)}:\r\n${quoted.slice(0, 1500)}`)}`
}
