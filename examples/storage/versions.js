// The versions of a file: what it held before it was replaced. They are seen,
// saved, brought back and deleted, each by the revision that it was.
import { button, bytes, el, icon, moment, say, sorry, when } from '../dom.js'
import { ask, open, sheet } from '../form.js'
import { downloadURL } from './operations.js'
import { pictureOf, preview } from './preview.js'

// versions shows them, newest first, below what is there now.
export function versions(api, tree, item) {
  return open(`Versions of “${item.name}”`, (close) => {
    const list = el('ul.list', { 'aria-label': 'Versions' })
    const again = async () => {
      const now = await api.get(`/files/items/${item.id}`), rows = []
      for await (const one of api.list(`/files/items/${item.id}/versions`, { limit: 200 })) rows.push(version(api, tree, now, one, again))
      list.replaceChildren(row(now, `Now · ${bytes(now.size)}`, () => preview(api, now), null),
        ...rows.length ? rows : [el('li.nothing', {}, icon('versions'), el('p', {}, 'There are no earlier ones.'))])
    }
    again().catch((problem) => { close(); sorry(problem) })
    return [el('p.hint', {}, 'What is replaced stays for a while: all of the last day, and one of each day before.'), list]
  })
}

const row = (one, facts, look, more) => el('li', {}, button(null, [el(`span.picture.${pictureOf(one)}`, {}, icon(pictureOf(one))),
  el('span.name', {}, moment(one.modified_at)), el('span.facts', {}, facts)], look, { kind: 'open' }), more)

function version(api, tree, item, one, again) {
  const path = `/files/items/${item.id}/versions/${one.revision}`, title = `Version ${one.revision}`
  const was = { ...item, ...one, name: `${item.name}, ${title.toLowerCase()}`, content: `${path}/content` }
  const more = () => sheet(was.name, [
    el('a', { href: downloadURL(api, was) }, icon('download'), 'Download'),
    tree.writes && ['restore', 'Restore', () => restore(api, item, path, title).then(again)],
    tree.writes && ['trash', 'Delete for good', () => forget(api, path, title).then(again)]])
  return row(was, `${title} · ${bytes(one.size)} · replaced ${when(one.replaced_at)}`, () => preview(api, was, [was], more),
    button('more', `What to do with ${title.toLowerCase()}`, more, { hide: true, kind: 'plain' }))
}

const restore = (api, { name }, path, title) => ask(`Restore ${title.toLowerCase()}?`, {
  words: 'What is there now becomes a version itself, so nothing is lost.', submit: 'Restore it',
  act: async () => { await api.post(`${path}/restore`); say(`“${name}” is as it was in ${title.toLowerCase()}.`) },
})

const forget = (api, path, title) => ask(`Delete ${title.toLowerCase()}?`, {
  words: 'Nobody can bring it back after that.', submit: 'Delete for good', danger: true, act: () => api.delete(path),
})
