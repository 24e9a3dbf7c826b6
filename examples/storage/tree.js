// A tree of files, as pages show it: one's own, or that of a space. The routes
// that go by a path are told its id, and pages have it in their address.
export const own = { id: null, name: 'All files', at: '#/files', writes: true }

export const roles = {
  viewer: { words: 'Viewer', may: 'sees and downloads' },
  editor: { words: 'Editor', may: 'also changes and shares' },
  manager: { words: 'Manager', may: 'also says who is a member' },
}

// treeOf is a space's tree for whoever has the role in it.
export const treeOf = ({ id, name, role }) => ({ id, name, at: `#/spaces/${id}/files`, writes: role === 'editor' || role === 'manager' })

// pageOf is the page of the folder at a path.
export const pageOf = (tree, path) => tree.at + path.split('/').map(encodeURIComponent).join('/').replace(/\/$/, '')

// above is the path of the folder that an item lies in.
export const above = (path) => path.replace(/\/[^/]*$/, '')
