// Skills, experience and education: lists of entries, which differ in their fields.
import { button, el, icon, say } from '../dom.js'
import { ask, sure } from '../form.js'
import { ordered } from './order.js'
import { again, badge, head, nothing } from './parts.js'

const text = (name, label, more) => ({ name, label, autocomplete: 'off', ...more })
const period = [text('started_on', 'Started', { placeholder: '2024-03', hint: 'A year, month or day: 2024, 2024-03 or 2024-03-31.' }), text('ended_on', 'Finished', { placeholder: 'still going' })]
const years = ({ started_on: from, ended_on: to }) => from ? `${date(from)} – ${to ? date(to) : 'today'}` : to ? date(to) : ''

// date is a year, a month or a day as it is written.
function date(text) {
  const [year, month, day] = text.split('-').map(Number)
  return new Date(year, (month || 1) - 1, day || 1).toLocaleDateString(undefined, { year: 'numeric', ...month && { month: 'short' }, ...day && { day: 'numeric' } })
}

export const kinds = {
  skills: {
    title: 'Skills', one: 'skill', hint: 'There are no skills yet. Add what you can do, in groups.', called: ({ name }) => name, facts: ({ category, level }) => [category, level],
    fields: [text('name', 'Name', { required: true }), text('category', 'Group', { hint: 'Such as “Languages”. Skills of one group are shown together.' }), text('level', 'Level', { placeholder: 'expert, …' })],
  },
  experience: {
    title: 'Experience', one: 'job', hint: 'There are no jobs yet. Add where you have worked, the latest first.', called: ({ role, organization }) => [role, organization].filter(Boolean).join(', '), facts: (one) => [years(one), one.location],
    fields: [text('organization', 'Organisation', { required: true }), text('role', 'Role'), text('location', 'Place'), text('url', 'Website', { type: 'url', placeholder: 'https://…' }), ...period,
      text('summary', 'What you did', { rows: 3 }), text('highlights', 'Highlights', { type: 'lines', hint: 'One per line.' }), text('description', 'What the organisation does')],
  },
  education: {
    title: 'Education', one: 'education', hint: 'There is nothing here yet. Add what you have studied, the latest first.', called: ({ study_type: type, area, institution }) => [[type, area].filter(Boolean).join(' '), institution].filter(Boolean).join(', '), facts: (one) => [years(one)],
    fields: [text('institution', 'Institution', { required: true }), text('area', 'Subject'), text('study_type', 'Degree'), text('score', 'Grade'), text('url', 'Website', { type: 'url', placeholder: 'https://…' }), ...period, text('courses', 'Courses', { type: 'lines', hint: 'One per line.' })],
  },
}

export async function entries(api, main, bar, kind) {
  const { title, one: single, hint, called, facts } = kinds[kind], path = `/portfolio/${kind}`, items = []
  for await (const one of api.list(path, { limit: 200 })) items.push(one)
  const add = () => edit(api, kind)
  const row = (one) => [button(null, el('span.name', {}, called(one), one.status === 'draft' && [' ', badge('draft')]), () => edit(api, kind, one), { kind: 'open' }),
    button('trash', `Delete ${called(one)}`, () => remove(api, path, one, called(one)), { hide: true, kind: 'plain' })]
  const list = items.length && ordered({ label: title, items, called, row, save: (ids) => api.put(`${path}/order`, { ids }) })
  if (list) items.forEach((one, i) => list[0].children[i].querySelector('.open').append(el('span.facts', {}, facts(one).filter(Boolean).join(' · ')), icon('right')))
  main.replaceChildren(head(title, button('plus', `New ${single}`, add, { kind: 'main' })), bar, ...list || [nothing('text', hint, button('plus', `New ${single}`, add, { kind: 'main' }))])
}

async function edit(api, kind, one) {
  const { fields, one: single, called } = kinds[kind]
  const done = await ask(one ? called(one) : `New ${single}`, {
    submit: 'Save', fields: [...fields.map((field) => ({ ...field, value: one?.[field.name] ?? (field.type === 'lines' ? [] : '') })),
      { name: 'status', label: 'Status', options: [['published', 'Published: visitors see it'], ['draft', 'Draft: only you see it']], value: one?.status ?? 'published' }],
    act: (values) => {
      for (const date of ['started_on', 'ended_on']) if (date in values) values[date] ||= null
      return one ? api.patch(`/portfolio/${kind}/${one.id}`, values, { headers: { 'If-Match': `"r${one.revision}"` } }) : api.post(`/portfolio/${kind}`, values)
    },
  })
  if (!done) return
  say('Saved.')
  again()
}

async function remove(api, path, one, words) {
  if (!await sure(`Delete “${words}”?`, 'It cannot be brought back.', 'Delete for good')) return
  await api.delete(`${path}/${one.id}`)
  say(`“${words}” is deleted.`)
  again()
}
