// What each permission allows, in the server's sentences.
let known

// permissions answers with a map from names to sentences.
export function permissions(api) {
  known ??= read(api).catch((problem) => {
    known = null
    throw problem
  })
  return known
}

async function read(api) {
  const map = new Map()
  for await (const { name, description } of api.list('/auth/permissions', { limit: 200 })) map.set(name, description)
  return map
}
