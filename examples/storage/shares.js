// What is shared: with people by name, and by links for those without an
// account, to read a file or folder or to put files into a folder and see
// nothing.
import { button, el, icon, say, sorry, when } from '../dom.js'
import { form, open, sure } from '../form.js'
import { givenFolder, givenList } from './given.js'
import { findPerson, personFields } from './people.js'
import { roles, treeOf } from './tree.js'

// linkOf is the page for guests. Behind # the token is sent to no server but
// the API, and stands in no log.
const linkOf = (token) => new URL(`share.html#${token}`, location.href).href

// terms are what a share asks for, in words.
function terms(share) {
  return [
    share.user_id ? roles[share.role]?.words ?? share.role : share.mode === 'drop' ? 'Others put files here' : 'Others read it',
    share.has_password && 'with a password', share.expires_at && `until ${when(share.expires_at)}`,
    share.mode === 'drop' && !share.notify && 'you are not told',
    !share.user_id && share.mode === 'read' && `downloaded ${share.downloads}${share.max_downloads ? ` of ${share.max_downloads}` : ''} times`,
  ].filter(Boolean).join(' · ')
}

function row(api, share, title, changed) {
  const person = share.user_name
  const words = person ? `Do not share ${share.item_name} with ${person}` : `End the link to ${share.item_name}`
  return el('li', { 'data-id': share.id },
    el('span.open', {}, el('span.picture', {}, icon(person ? 'person' : share.mode === 'drop' ? 'upload' : 'share')), el('span.name', {}, title),
      el('span.facts', {}, person && person !== title ? `${person} · ` : '', terms(share))),
    share.mode === 'drop' && button(share.notify ? 'bell' : 'bellOff', `Tell me when files come into ${share.item_name}`,
      () => api.patch(`/files/shares/${share.id}`, { notify: !share.notify }).then(changed, sorry), { hide: true, kind: 'plain', 'aria-pressed': share.notify }),
    button('cross', words, async () => {
      if (!await (person ? sure(`Stop sharing it with ${person}?`, 'They will not see it any more.', 'End it')
        : sure('End this link?', 'Whoever has it cannot use it any more.', 'End it'))) return
      await api.delete(`/files/shares/${share.id}`).then(changed, sorry)
    }, { hide: true, kind: 'plain' }))
}

async function some(api, query) {
  const shares = []
  for await (const share of api.list('/files/shares', query)) shares.push(share)
  return shares
}

async function spacesToShare(api) {
  const ids = []
  for await (const space of api.list('/files/spaces', { limit: 200 })) if (treeOf(space).shares) ids.push(space.id)
  return ids
}

// shared is the page of all that is shared, or of a folder that others share.
export async function shared(api, main, path) {
  if (path.length) return givenFolder(api, main, path)
  const again = () => shared(api, main, path).catch(sorry)
  const [given, ...trees] = await Promise.all([givenList(api), some(api, { limit: 200 }), ...(await spacesToShare(api)).map((space) => some(api, { limit: 200, space }))])
  const rows = trees.flat().map((share) => row(api, share, share.item_name, again))
  main.replaceChildren(el('div.head', {}, el('h1', {}, 'Shared')), el('h2.part', {}, 'With you'), given, el('h2.part', {}, 'By you'),
    el('ul.list', { 'aria-label': 'Shared by you' }, rows.length ? rows
      : el('li.nothing', {}, icon('share'), el('p', {}, 'You share nothing yet. Open the menu beside a file and choose “Share”.'))))
}

// share gives an item to a person or makes a link to it, and shows who has it
// already.
export function share(api, item) {
  return open(`Share “${item.name}”`, () => {
    const list = el('ul.list', { 'aria-label': 'Who has it' }), made = el('div')
    const again = async () => {
      const shares = await some(api, { item_id: item.id, space: item.space_id })
      list.replaceChildren(...shares.map((one) => row(api, one, one.user_name ?? `Link of ${when(one.created_at)}`, again)))
    }
    again().catch(sorry)
    const ways = { 'By a link': byLink(api, item, made, again), 'With a person': withPerson(api, item, again) }
    const tabs = el('div.tabs', { role: 'group', 'aria-label': 'How' }, Object.keys(ways).map((words) => button(null, words, () => choose(words), { kind: 'tab' })))
    const choose = (words) => {
      for (const tab of tabs.children) tab.setAttribute('aria-pressed', tab.textContent === words)
      for (const [way, node] of Object.entries(ways)) node.hidden = way !== words
    }
    choose('By a link')
    return [made, tabs, Object.values(ways), list]
  })
}

const withPerson = (api, item, again) => form({
  fields: personFields(['viewer', 'editor'].map((role) => [role, `${roles[role].words}: ${role === 'editor' ? 'also changes it' : roles[role].may}`])),
  submit: 'Share it', act: async ({ user_id: text, role }) => {
    await api.post('/files/shares', { item_id: item.id, user_id: await findPerson(api, text), role })
    say(`“${item.name}” is shared.`)
    await again()
  },
})

function byLink(api, item, made, again) {
  const inADay = new Date(Date.now() + 864e5).toISOString().slice(0, 10)
  const fields = [
    item.type === 'folder' && { name: 'mode', label: 'What others may do', options: [['read', 'See and download it'], ['drop', 'Only put files into it']] },
    { name: 'password', label: 'Password', autocomplete: 'off', hint: 'Leave it empty for a link without a password.' },
    { name: 'expires', label: 'Last day', type: 'date', min: inADay },
    { name: 'max', label: 'Downloads at most', type: 'number', min: 1, inputMode: 'numeric' },
    { name: 'notify', label: 'Tell me when files come', type: 'checkbox', checked: true, hint: 'Here and by mail, once an hour at most.' },
  ].filter(Boolean)
  const node = form({ fields, submit: 'Make a link', act: async ({ mode = 'read', password, expires, max, notify }) => {
    const one = await api.post('/files/shares', {
      item_id: item.id, mode,
      ...password && { password }, ...expires && { expires_at: new Date(`${expires}T23:59:59`).toISOString() },
      ...mode === 'drop' ? { notify } : max && { max_downloads: Number(max) },
    })
    made.replaceChildren(secret('Link', linkOf(one.token), 'Copy it now: it is shown only this once.'))
    made.scrollIntoView({ block: 'nearest' })
    made.querySelector('button').focus()
    await again()
  } })
  // Only the fields that mean something for what others may do are shown.
  const { mode, max, notify } = node.elements
  const show = () => {
    max.closest('.field').hidden = mode?.value === 'drop'
    notify.closest('.field').hidden = mode?.value !== 'drop'
  }
  mode?.addEventListener('change', show)
  show()
  return node
}

// secret shows something that is shown once, with a button that copies it.
export function secret(label, text, hint) {
  const input = el('input', { readOnly: true, value: text, 'aria-label': label, onfocus: () => input.select() })
  return el('div.secret', {}, el('p', {}, el('strong', {}, label), ' ', hint), el('div.copy', {}, input,
    button('copy', 'Copy', () => navigator.clipboard.writeText(text).then(() => say('Copied.'), () => input.focus()), { kind: 'main' })))
}
