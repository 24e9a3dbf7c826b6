// One event of the log, in full.
import { deed } from '../deeds.js'
import { el } from '../dom.js'
import { open } from '../form.js'
import { badge, facts } from './parts.js'

// about says to whom or what it was done, as far as it has a name.
export function about({ target_id: id, actor_user_id: actor, details }, name) {
  const { user, role, key, app, kind, field, to } = details
  return [id !== actor && id && name(id, ''), user && name(user, ''), role ?? key ?? app ?? kind, field && `${field.replaceAll('_', ' ')}${to ? `: ${to}` : ''}`].filter(Boolean).join(' · ').replace(/^You\b/, 'you')
}

// eventLink is the event in words, which opens it in full.
export const eventLink = (event, name) => [el('button.link', { type: 'button', onclick: () => show(event, name) }, deed(event)), about(event, name) && el('span.small', {}, about(event, name))]

const show = (event, name) => open(deed(event), () => [
  facts({
    About: about(event, name) || null, Who: name(event.actor_user_id), When: new Date(event.at).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'medium' }),
    Outcome: event.outcome === 'ok' ? badge('succeeded', 'good') : badge(event.outcome, 'bad'), Address: event.address,
  }),
  el('details', {}, el('summary', {}, 'All details'), facts({
    Action: el('code', {}, event.action), ...Object.fromEntries(Object.entries({
      ...event.details, target: event.target_id, session: event.actor_session_id, 'access key': event.actor_key_id, request: event.request_id, event: event.id,
    }).filter(([, value]) => value !== null).map(([key, value]) => [key[0].toUpperCase() + key.slice(1).replaceAll('_', ' '), el('code', {}, value)])),
  })),
  event.actor_user_id && el('p', {}, el('a', { href: `#/audit/events/actor=${event.actor_user_id}`, onclick: ({ target }) => target.closest('dialog').close() }, `Everything ${name(event.actor_user_id).replace(/^You$/, 'you')} did`)),
  event.target_id && el('p', {}, el('a', { href: `#/audit/events/target=${event.target_id}`, onclick: ({ target }) => target.closest('dialog').close() }, 'Everything that happened to it')),
])
