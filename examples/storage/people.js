// Other people, as forms ask for one: by the whole address, or by the id.
import { Problem } from '../homebase.js'

const isID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

// findPerson answers with the id of who is meant.
export async function findPerson(api, text) {
  const email = text.trim()
  if (isID.test(email.toLowerCase())) return email.toLowerCase()
  try {
    return (await api.get('/files/people', { email })).id
  } catch (problem) {
    if (problem.status !== 404) throw problem
    throw new Problem({ status: 404, code: 'not_found', errors: [{ pointer: '#/user_id', detail: 'Nobody here has this address.' }] })
  }
}

// personFields ask for one, and for a role out of some.
export const personFields = (options) => [
  { name: 'user_id', label: 'E-mail or id', required: true, autocomplete: 'off', hint: 'The full e-mail address, or the id that everybody finds on their account page.' },
  { name: 'role', label: 'Role', options }]
