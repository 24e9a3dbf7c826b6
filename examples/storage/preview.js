// A look at a file without downloading it. Pictures, sound and films are shown
// by the browser's own elements, which seek by asking for ranges; all that is
// text, HTML and SVG too, is shown as its source and never rendered.
import { bytes, button, el, icon, moment, sorry } from '../dom.js'
import { open } from '../form.js'
import { downloadURL } from './operations.js'

const pictures = /^image\/(png|jpeg|gif|webp|avif|bmp)$/
const texts = /^text\/|[/+](json|xml|yaml|javascript)$/
const textMost = 64 << 10 // bytes of a text that are shown

export const hasThumbnail = ({ media_type }) => /^image\/(png|jpeg|gif)$/.test(media_type ?? '')

// pictureOf is the icon of an item.
export function pictureOf({ type, media_type: kind }) {
  if (type === 'folder') return 'folder'
  return ['image', 'video', 'audio'].find((known) => kind.startsWith(known + '/')) ?? (texts.test(kind) ? 'text' : 'file')
}

// preview opens a file; with the keyboard's arrows one goes through the rest.
// What else can be done with it is shown by the function more.
export async function preview(api, item, items = [item], more = null) {
  await api.fresh() // films and pictures cannot refresh by themselves
  const files = items.filter(({ type }) => type === 'file')
  const step = await open(item.name, (close, dialog) => {
    const at = files.findIndex(({ id }) => id === item.id), before = files[at - 1], after = files[at + 1]
    dialog.addEventListener('keydown', ({ key, target }) => {
      const next = { ArrowLeft: before, ArrowRight: after }[key]
      if (next && !target.closest('audio, video, pre')) close(next)
    })
    return [look(api, item), el('p.facts', {}, moment(item.modified_at)), el('div.ends', {},
      before && button('left', 'Before', () => close(before), { hide: true, kind: 'plain' }),
      el('a.main', { href: downloadURL(api, item) }, icon('download'), `Download ${bytes(item.size)}`),
      more && button('more', 'What else', () => { close(); more(item) }, { hide: true, kind: 'plain' }),
      after && button('right', 'Next', () => close(after), { hide: true, kind: 'plain' }))]
  }, { kind: 'preview' })
  if (step) preview(api, step, items, more)
}

function look(api, item) {
  const kind = item.media_type, path = item.content ?? `/files/items/${item.id}/content`, src = api.url(path) // a version has its own
  const none = () => el('div.look.none', {}, icon(pictureOf(item)), el('p', {}, 'This kind of file cannot be shown here.'))
  const failed = (event) => event.target.replaceWith(none())
  if (pictures.test(kind)) return el('img.look', { src, alt: item.name, onerror: failed })
  if (kind.startsWith('video/')) return el('video.look', { src, controls: true, preload: 'metadata', playsInline: true, onerror: failed })
  if (kind.startsWith('audio/')) return el('audio.look', { src, controls: true, preload: 'metadata', onerror: failed })
  if (!texts.test(kind) || item.size === 0) return none()
  const text = el('pre.look', { tabIndex: 0 }, '…')
  api.fetch(path, { headers: { Range: `bytes=0-${textMost - 1}` } })
    .then((response) => response.text())
    .then((told) => { text.textContent = told + (item.size > textMost ? '\n…' : '') }, sorry)
  return text
}
