// Another person, as the forms ask for one: by id, or by the e-mail address of
// somebody whom one knows.
import { Problem } from '../homebase.js'

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

// findPerson answers with the id of who is meant. Addresses are known of the
// members of one's spaces, and of everybody to who manages users: the server
// tells no one else whose an address is.
export async function findPerson(api, text) {
  const said = text.trim().toLowerCase()
  if (id.test(said)) return said
  for await (const { email, user_id: found } of known(api)) if (email.toLowerCase() === said) return found
  throw new Problem({ status: 404, code: 'not_found', errors: [{ pointer: '#/user_id', detail: 'You share no space with anybody of that address: ask for the id.' }] })
}

async function* known(api) {
  if (api.user.permissions.includes('users:manage')) {
    for await (const { id: found, email } of api.list('/auth/users', { limit: 500 })) yield { user_id: found, email }
  }
  for await (const space of api.list('/files/spaces', { limit: 500 })) yield* api.list(`/files/spaces/${space.id}/members`, { limit: 500 })
}
