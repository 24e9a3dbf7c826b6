// The portfolio as a JSON Resume: out as a file, and in from one, after a look at
// what would change.
import { button, el, say } from '../dom.js'
import { saving } from './download.js'
import { again, badge, card, count, head } from './parts.js'

export async function resume(api, main, bar) {
  const place = el('div.part', { 'aria-live': 'polite' })
  const file = el('input', { type: 'file', accept: '.json,application/json', hidden: true, onchange: () => look(api, file.files[0], place).finally(() => { file.value = '' }) })
  main.replaceChildren(head('Résumé'), bar, el('div.cards', {},
    card('download', 'Export', el('p', {}, 'Everything that is published, as a JSON Resume file. Other programs make a PDF or a web page from it.'), saving('Save resume.json', api, () => ['/portfolio/resume.json'], 'resume.json')),
    card('upload', 'Import', el('p', {}, 'From a JSON Resume file. What is here already is updated, the rest is added, and nothing is deleted. You see all changes before you decide.'),
      file, button('upload', 'Choose a file', () => file.click()))), place)
}

async function look(api, file, place) {
  if (!file) return
  place.replaceChildren(el('p.small', {}, `Reading ${file.name} …`))
  const put = (dry) => api.put('/portfolio/resume.json', new Blob([file], { type: 'application/json' }), { query: { dry_run: dry }, headers: { 'Content-Type': 'application/json' } })
  try {
    const { changes, unchanged, ignored } = await put(true)
    const take = button('check', 'Import', async () => {
      take.disabled = true
      take.ariaBusy = 'true'
      try {
        const done = await put(false)
        say(`Imported: ${count(done.changes.length, 'change')}.`)
        again()
      } catch (problem) { refused(place, problem) }
    }, { kind: 'main' })
    place.replaceChildren(el('section.card', {}, el('h2', {}, changes.length ? `${count(changes.length, 'change')} in ${file.name}` : 'Nothing would change'),
      unchanged > 0 && el('p.small', {}, `${count(unchanged, 'entry stays', 'entries stay')} as before.`),
      el('ul.changes', {}, changes.map(change)),
      ignored.length > 0 && el('details', {}, el('summary', {}, `${count(ignored.length, 'part')} of the file that cannot be imported`), el('ul.plainly', {}, ignored.map((at) => el('li', {}, el('code', {}, at))))),
      el('div.ends', {}, button(null, 'Cancel', () => place.replaceChildren()), changes.length > 0 && take)))
    take.focus()
  } catch (problem) { refused(place, problem) }
}

function refused(place, problem) {
  if (problem.name !== 'Problem') throw problem
  place.replaceChildren(el('div.card', { role: 'alert' }, el('p.problem', {}, problem.message), el('ul.plainly', {}, Object.entries(problem.fields).map(([at, text]) => el('li', {}, el('strong', {}, where(at)), `: ${text}`)))))
}

// where is a place in the file as a person looks for it: work/1/startDate.
const where = (at) => at.split('/').map((part) => Number.isInteger(Number(part)) && part ? `entry ${Number(part) + 1}` : part.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)).join(', ')

const kinds = { profile: 'Profile', projects: 'Project', skills: 'Skill', experience: 'Experience', education: 'Education' }

// change is one entry with what it says now, and what it would say.
const change = ({ kind, action, name, fields, before = {}, after = {} }) => el('li', {},
  el('p', {}, badge(action === 'created' ? 'new' : 'changed', action === 'created' ? 'good' : ''), ' ', el('strong', {}, kinds[kind] ?? kind), ` ${title(after) || name[0].toUpperCase() + name.slice(1)}`),
  el('dl.difference', {}, fields.filter((field) => field !== 'position' && (action !== 'created' || shown(after[field]))).map((field) => el('div', {}, el('dt', {}, field.replaceAll('_', ' ')), el('dd', {},
    action !== 'created' && shown(before[field]) && el('del', {}, shown(before[field])), shown(after[field]) ? el('ins', {}, shown(after[field])) : el('span.small', {}, 'empty'))))))

// title is what an entry is called; the server's name for it is for comparing.
const title = (one) => one.title || [one.role, one.organization].filter(Boolean).join(', ') || one.institution || one.name

function shown(value) {
  if (Array.isArray(value)) return value.map((one) => one?.url ? `${one.label} ${one.url}` : one).join(', ')
  return value === null || value === undefined || value === false ? '' : String(value)
}
