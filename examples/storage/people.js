// Other people, as forms ask for one and lists name one. Addresses and names are
// known of the members of one's spaces, and to who manages users of everybody:
// the server tells no one else whose an address is.
import { Problem } from '../homebase.js'

const isID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

// knownPeople are those whom one knows, by id: { email, name }.
export async function knownPeople(api) {
  const people = new Map()
  for await (const space of api.list('/files/spaces', { limit: 500 })) {
    for await (const { user_id: id, email, name } of api.list(`/files/spaces/${space.id}/members`, { limit: 500 })) people.set(id, { email, name })
  }
  if (api.user.permissions.includes('users:manage')) {
    for await (const { id, email, name } of api.list('/auth/users', { limit: 500 })) people.set(id, { email, name })
  }
  return people
}

// findPerson answers with the id of who is meant by an id or an address.
export async function findPerson(api, text) {
  const said = text.trim().toLowerCase()
  if (isID.test(said)) return said
  for (const [id, { email }] of await knownPeople(api)) if (email.toLowerCase() === said) return id
  throw new Problem({ status: 404, code: 'not_found', errors: [{ pointer: '#/user_id', detail: 'You share no space with anybody of that address: ask for the id.' }] })
}

// personFields ask for one, and for a role out of some.
export const personFields = (options) => [
  { name: 'user_id', label: 'E-mail or id', required: true, autocomplete: 'off', hint: 'Everybody finds their id in their account.' },
  { name: 'role', label: 'Role', options }]
