// One project: written as a draft, shown to some by a link, and published.
import { button, el, say } from '../dom.js'
import { ask, form, sure } from '../form.js'
import { links } from './choices.js'
import { again, badge, exactly, head, way } from './parts.js'
import { pictures } from './pictures.js'
import { site } from './projects.js'
import { copied } from './secret.js'

const blank = { status: 'draft', title: '', slug: '', summary: '', body: '', tags: [], roles: [], entity: '', type: '', links: [], image_ids: [], featured: false, started_on: '', ended_on: '' }

export async function project(api, main, slug) {
  const fresh = slug === 'new', one = fresh ? blank : await api.get(`/portfolio/projects/${encodeURIComponent(slug)}`)
  const draft = one.status === 'draft'
  let status = one.status // what it shall be
  const save = async ({ started_on: from, ended_on: to, slug: name, ...values }) => {
    const json = { ...values, status, started_on: from || null, ended_on: to || null, ...(name || !fresh) && { slug: name } }
    const made = await (fresh ? api.post('/portfolio/projects', json) : api.patch(`/portfolio/projects/${one.id}`, json, { headers: { 'If-Match': `"r${one.revision}"` } })).finally(() => { wanted() })
    say(made.status === 'published' ? 'It is published. Visitors see it within a minute.' : 'The draft is kept.')
    const to_ = `#/portfolio/projects/${made.slug}`
    if (location.hash === to_) again()
    else location.replace(to_)
  }
  const wanted = () => { status = draft ? 'published' : one.status }
  wanted()
  const other = button(null, draft ? 'Keep as a draft' : 'Back to a draft', () => {
    status = 'draft'
    page.requestSubmit()
  })
  const page = form({
    submit: draft ? 'Publish' : 'Save', extra: [other], act: save, fields: [
      { name: 'title', label: 'Title', required: true, value: one.title, autocomplete: 'off' },
      { name: 'summary', label: 'In a sentence', rows: 2, value: one.summary },
      pictures(api, { name: 'image_ids', label: 'Pictures', hint: 'The first one is the cover.', value: one.image_ids, of: one }),
      { name: 'body', label: 'The story', rows: 8, value: one.body, hint: 'Markdown: # headings, **bold**, - lists, [words](https://…).' },
      links({ name: 'links', label: 'Links', value: one.links }),
      { name: 'tags', label: 'Tags', type: 'lines', value: one.tags, hint: 'One a line. Visitors filter by them.' },
      { name: 'started_on', label: 'Begun', value: one.started_on ?? '', placeholder: '2024-03', autocomplete: 'off', hint: 'A year, a month or a day.' },
      { name: 'ended_on', label: 'Ended', value: one.ended_on ?? '', placeholder: 'goes on', autocomplete: 'off' },
      { name: 'roles', label: 'Your roles', type: 'lines', value: one.roles, hint: 'One a line.' },
      { name: 'entity', label: 'For whom, or with whom', value: one.entity, autocomplete: 'off' },
      { name: 'type', label: 'Kind', value: one.type, placeholder: 'application, talk, …', autocomplete: 'off' },
      { name: 'slug', label: 'Name in the address', value: one.slug, autocomplete: 'off', hint: 'Empty: made from the title.' },
      { name: 'featured', label: 'Show it first and large', type: 'checkbox', checked: one.featured },
    ],
  })
  main.replaceChildren(way('#/portfolio', 'Portfolio'), head(fresh ? 'New project' : one.title,
    fresh ? [] : [draft ? badge('draft') : badge('published', 'good'), draft ? button('share', 'Preview link', () => preview(api, one), { kind: 'seldom' }) : el('a', { href: `${site}#/projects/${one.slug}`, target: '_blank', rel: 'noopener' }, 'See it'),
      button('trash', 'Delete', () => remove(api, one), { kind: 'seldom' })]), el('section.card', {}, page))
}

async function preview(api, { id, title }) {
  const { token, expires_at: until } = await api.post(`/portfolio/projects/${id}/preview`)
  await ask(`Preview of “${title}”`, { submit: 'Done', words: el('div', {}, el('p', {}, `Whoever has this link sees the draft, until ${exactly(until)}.`), copied('Preview link', `${site}#/previews/${token}`)) })
}

async function remove(api, { id, title }) {
  if (!await sure(`Delete “${title}”?`, 'Its words are gone for good. Its pictures stay in your files.', 'Delete for good')) return
  await api.delete(`/portfolio/projects/${id}`)
  location.hash = '#/portfolio'
  say(`“${title}” is deleted.`)
}
