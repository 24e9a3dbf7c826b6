// A tree of files, as pages show it: one's own, a space's, or what somebody has
// shared by name. It knows what its visitor may do, how a folder is found from the
// address of its page, and the way there.
const below = (path) => path.split('/').filter(Boolean)

// byPath is a tree whose folders are known by their paths; the routes that take
// one are told the space's id.
const byPath = (tree) => ({
  ...tree, searches: true, follows: true,
  page: ({ path }) => [tree.at, ...below(path).map(encodeURIComponent)].join('/'),
  find: (api, names) => api.get('/files/lookup', { path: `/${names.join('/')}`, space: tree.id }),
  way(api, { path }) {
    return below(path).map((name, i, names) => ({ name, path: names.slice(0, i + 1).join('/') }))
  },
})

export const own = byPath({ id: null, name: 'All files', picture: 'home', at: '#/files', writes: true, shares: true, restores: true })

export const roles = {
  viewer: { words: 'Viewer', may: 'sees and downloads' },
  editor: { words: 'Editor', may: 'also changes and shares' },
  manager: { words: 'Manager', may: 'also says who is a member' },
}

// treeOf is a space's tree for whoever has the role in it.
export function treeOf({ id, name, role }) {
  const writes = role === 'editor' || role === 'manager'
  return byPath({ id, name, picture: 'people', at: `#/spaces/${id}/files`, writes, shares: writes, restores: writes })
}

// givenTree is what lies below a folder that was shared by name. Nothing above it
// is told, so its folders are known by their ids; it has no stream and no trash.
export function givenTree({ item: top, role }) {
  const at = `#/shared/${top.id}`
  return {
    id: null, name: top.name, picture: 'share', at, writes: role === 'editor', shares: false, restores: false, searches: false, follows: false,
    page: ({ id }) => id === top.id ? at : `${at}/${id}`,
    find: (api, [id = top.id]) => api.get(`/files/items/${id}`),
    async way(api, folder) {
      const steps = []
      for (let step = folder; step.id !== top.id; step = await api.get(`/files/items/${step.parent_id}`)) steps.unshift(step)
      return steps
    },
  }
}

// above is the path of the folder that an item lies in.
export const above = (path) => path.replace(/\/[^/]*$/, '')
