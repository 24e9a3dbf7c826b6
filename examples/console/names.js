// Who or what is meant by an id, for whoever may know it.
// They are read anew for each page: whoever has joined meanwhile has a name too.
let known = { at: 0 }

// namesOf answers with a function from ids to names, with other words for what is
// not known.
export async function namesOf(api) {
  if (!known.map || Date.now() - known.at > 5000) known = { at: Date.now(), map: read(api) }
  const map = await known.map
  return (id, otherwise = id ? `someone (${id.slice(0, 8)})` : 'nobody signed in') => id === api.user.id ? 'You' : map.get(id) ?? otherwise
}

export const forget = () => { known = { at: 0 } }

async function read(api) {
  const map = new Map()
  const all = async (path, query, at = 'id') => {
    for await (const one of api.list(path, { limit: 200, ...query })) map.set(one[at], one.name || one.email)
  }
  await Promise.all([
    api.can('users:manage') && [all('/auth/users', { limit: 500 }), all('/auth/clients', {}, 'client_id'), all('/auth/gate/hosts')],
    api.can('spaces:manage') && all('/files/spaces', { all: true }),
  ].flat())
  return map
}
