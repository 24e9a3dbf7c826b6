// One event of the log, in full.
import { el } from '../dom.js'
import { open } from '../form.js'
import { badge, facts } from './parts.js'
import { actions } from './words.js'

export function sentence({ action }) {
  const words = actions[action] ?? action
  return words[0].toUpperCase() + words.slice(1)
}

// about says to whom or what it was done, as far as it has a name.
export function about({ target_id: id, details }, name) {
  const { user, role, key, app, kind, field, to } = details
  return [id && name(id, ''), user && name(user, ''), role ?? key ?? app ?? kind, field && `${field.replaceAll('_', ' ')}${to ? `: ${to}` : ''}`].filter(Boolean).join(' · ').replace(/^You\b/, 'you')
}

// eventLink is the event in words, which opens it in full.
export const eventLink = (event, name) => [el('button.link', { type: 'button', onclick: () => show(event, name) }, sentence(event)), about(event, name) && el('span.small', {}, about(event, name))]

const show = (event, name) => open(sentence(event), () => [
  about(event, name) && el('p', {}, about(event, name)),
  facts({
    When: new Date(event.at).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'medium' }),
    Who: name(event.actor_user_id), Outcome: badge(event.outcome, event.outcome === 'ok' ? 'good' : 'bad'),
    What: el('code', {}, event.action), About: event.target_id && [name(event.target_id, ''), ' ', el('code', {}, event.target_id)],
    Address: event.address, ...Object.fromEntries(Object.entries(event.details).map(([key, value]) => [key.replaceAll('_', ' '), value])),
    Session: event.actor_session_id && el('code', {}, event.actor_session_id), 'Access key': event.actor_key_id && el('code', {}, event.actor_key_id),
    Request: event.request_id && el('code', {}, event.request_id), Event: el('code', {}, event.id),
  }),
  event.actor_user_id && el('p', {}, el('a', { href: `#/audit/events/actor=${event.actor_user_id}`, onclick: ({ target }) => target.closest('dialog').close() }, `Everything ${name(event.actor_user_id).replace(/^You$/, 'you')} did`)),
  event.target_id && el('p', {}, el('a', { href: `#/audit/events/target=${event.target_id}`, onclick: ({ target }) => target.closest('dialog').close() }, 'Everything that happened to it')),
])
