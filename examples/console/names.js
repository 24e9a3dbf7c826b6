// Who is meant by an id, for whoever may know it.
let known = { at: 0 }

// namesOf answers with a function from ids to names, with other words for who is
// not known.
export async function namesOf(api) {
  if (!known.map || Date.now() - known.at > 60_000) known = { at: Date.now(), map: api.can('users:manage') ? read(api) : new Map() }
  const map = await known.map
  return (id, otherwise = id ? `someone (${id.slice(0, 8)})` : 'nobody signed in') => id === api.user.id ? 'You' : map.get(id) ?? otherwise
}

export const forget = () => { known = { at: 0 } }

async function read(api) {
  const map = new Map()
  for await (const { id, name, email } of api.list('/auth/users', { limit: 500 })) map.set(id, name || email)
  return map
}
