// Links for people without an account: to read a file or folder, or to put
// files into a folder and see nothing.
import { button, el, icon, say, sorry, when } from './dom.js'
import { form, open, sure } from './form.js'

// linkOf is the page for guests. Behind # the token is sent to no server but
// the API, and stands in no log.
const linkOf = (token) => new URL(`share.html#${token}`, location.href).href

// terms are what a share asks for, in words.
function terms(share) {
  return [
    share.mode === 'drop' ? 'Others put files here' : 'Others read it',
    share.has_password && 'with a password', share.expires_at && `until ${when(share.expires_at)}`,
    share.mode === 'read' && `downloaded ${share.downloads}${share.max_downloads ? ` of ${share.max_downloads}` : ''} times`,
  ].filter(Boolean).join(' · ')
}

function row(api, share, title, ended) {
  return el('li', { 'data-id': share.id },
    el('span.open', {}, el('span.picture', {}, icon(share.mode === 'drop' ? 'upload' : 'share')), el('span.name', {}, title), el('span.facts', {}, terms(share))),
    button('cross', `End the link to ${share.item_name}`, async () => {
      if (!await sure('End this link?', 'Whoever has it cannot use it any more.', 'End it')) return
      await api.delete(`/files/shares/${share.id}`).then(ended, sorry)
    }, { hide: true, kind: 'plain' }))
}

// shared is the page of all links.
export async function shared(api, main) {
  const again = () => shared(api, main).catch(sorry)
  const rows = []
  for await (const share of api.list('/files/shares', { limit: 200 })) rows.push(row(api, share, share.item_name, again))
  main.replaceChildren(el('div.head', {}, el('h1', {}, 'Shared')), el('ul.list', { 'aria-label': 'Links' },
    rows.length ? rows : el('li.nothing', {}, icon('share'), el('p', {}, 'You share nothing. The dots beside a file make a link to it.'))))
}

// share makes a link to an item, and shows those that there are.
export function share(api, item) {
  return open(`Share “${item.name}”`, () => {
    const links = el('ul.list', { 'aria-label': 'Links to it' }), made = el('div')
    const again = async () => {
      const rows = []
      for await (const one of api.list('/files/shares', { item_id: item.id })) rows.push(row(api, one, `Made ${when(one.created_at)}`, again))
      links.replaceChildren(...rows)
    }
    again().catch(sorry)
    const inADay = new Date(Date.now() + 864e5).toISOString().slice(0, 10)
    const fields = [
      item.type === 'folder' && { name: 'mode', label: 'What others may do', options: [['read', 'See and download it'], ['drop', 'Only put files into it']] },
      { name: 'password', label: 'Password', autocomplete: 'off', hint: 'Leave it empty for a link that asks for none.' },
      { name: 'expires', label: 'Last day', type: 'date', min: inADay },
      { name: 'max', label: 'Downloads at most', type: 'number', min: 1, inputMode: 'numeric' },
    ].filter(Boolean)
    return [made, form({ fields, submit: 'Make a link', act: async ({ mode = 'read', password, expires, max }) => {
      const one = await api.post('/files/shares', {
        item_id: item.id, mode,
        ...password && { password }, ...expires && { expires_at: new Date(`${expires}T23:59:59`).toISOString() },
        ...max && mode === 'read' && { max_downloads: Number(max) },
      })
      made.replaceChildren(secret('Link', linkOf(one.token), 'It is shown this once: copy it now.'))
      made.querySelector('button').focus()
      await again()
    } }), links]
  })
}

// secret shows something that is shown once, with a button that copies it.
export function secret(label, text, hint) {
  const input = el('input', { readOnly: true, value: text, 'aria-label': label, onfocus: () => input.select() })
  return el('div.secret', {}, el('p', {}, el('strong', {}, label), ' ', hint), el('div.copy', {}, input,
    button('copy', 'Copy', () => navigator.clipboard.writeText(text).then(() => say('Copied.'), () => input.focus()), { kind: 'main' })))
}
