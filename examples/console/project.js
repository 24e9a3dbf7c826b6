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
    say(made.status === 'published' ? 'Published. Visitors see it within a minute.' : 'The draft is saved.')
    const to_ = `#/portfolio/projects/${made.slug}`
    if (location.hash === to_) again()
    else location.replace(to_)
  }
  const wanted = () => { status = draft ? 'published' : one.status }
  wanted()
  const other = button(null, draft ? 'Save as a draft' : 'Unpublish', () => {
    status = 'draft'
    page.requestSubmit()
  })
  const page = form({
    submit: draft ? 'Publish' : 'Save', extra: [other], act: save, fields: [
      { name: 'title', label: 'Title', required: true, value: one.title, autocomplete: 'off' },
      { name: 'summary', label: 'Summary', rows: 2, value: one.summary, hint: 'A sentence, shown in the list of projects.' },
      pictures(api, { name: 'image_ids', label: 'Pictures', hint: 'The first one is the cover.', value: one.image_ids, of: one }),
      { name: 'body', label: 'Description', rows: 8, value: one.body, hint: 'Markdown: ## heading, **bold**, - list, [link](https://…).' },
      links({ name: 'links', label: 'Links', value: one.links }),
      { name: 'tags', label: 'Tags', type: 'lines', split: /[\n,]/, rows: 2, value: one.tags, hint: 'With commas, or one per line. Visitors can filter by them.' },
      { name: 'started_on', label: 'Started', value: one.started_on ?? '', placeholder: '2024-03', autocomplete: 'off', hint: 'A year, month or day: 2024, 2024-03 or 2024-03-31.' },
      { name: 'ended_on', label: 'Finished', value: one.ended_on ?? '', placeholder: 'still going', autocomplete: 'off' },
      { name: 'roles', label: 'Your roles', type: 'lines', rows: 2, value: one.roles, hint: 'What you did in it, one per line.' },
      { name: 'entity', label: 'Client or employer', value: one.entity, autocomplete: 'off' },
      { name: 'type', label: 'Kind', value: one.type, placeholder: 'application, talk, …', autocomplete: 'off' },
      { name: 'slug', label: 'Last part of its address', value: one.slug, autocomplete: 'off', hint: 'Leave it empty to make it from the title.' },
      { name: 'featured', label: 'Featured: shown first and large', type: 'checkbox', checked: one.featured },
    ],
  })
  main.replaceChildren(way('#/portfolio', 'Portfolio'), head(fresh ? 'New project' : one.title,
    fresh ? [] : [draft ? badge('draft') : badge('published', 'good'), draft ? button('share', 'Preview link', () => preview(api, one), { kind: 'seldom' }) : el('a', { href: `${site}#/projects/${one.slug}`, target: '_blank', rel: 'noopener' }, 'View it'),
      button('trash', 'Delete', () => remove(api, one), { kind: 'seldom' })]), el('section.card', {}, page))
}

async function preview(api, { id, title }) {
  const { token, expires_at: until } = await api.post(`/portfolio/projects/${id}/preview`)
  await ask(`Preview of “${title}”`, { submit: 'Done', words: el('div', {}, el('p', {}, `Anybody with this link can see the draft until ${exactly(until)}.`), copied('Preview link', `${site}#/previews/${token}`)) })
}

async function remove(api, { id, title }) {
  if (!await sure(`Delete “${title}”?`, 'Its text cannot be brought back. Its pictures stay in your files.', 'Delete for good')) return
  await api.delete(`/portfolio/projects/${id}`)
  location.hash = '#/portfolio'
  say(`“${title}” is deleted.`)
}
