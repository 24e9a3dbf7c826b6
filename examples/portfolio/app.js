// A portfolio that is read from a Homebase server. Everything that is shown
// comes as data and becomes text and attributes: innerHTML is used nowhere.
import { contact } from './contact.js'
import { Homebase } from '../homebase.js'
import { markdown } from './markdown.js'

const api = new Homebase()
const $ = (selector) => document.querySelector(selector)
const data = {} // profile, projects, experience, education, skills
let filter = '' // the tag that is shown, or all

// h makes an element: h('a', { href }, 'text', node, null).
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element && key !== 'list') element[key] = value
    else element.setAttribute(key, value)
  }
  element.append(...children.flat().filter((child) => child || child === 0))
  return element
}

const month = new Intl.DateTimeFormat('en', { month: 'short', year: 'numeric', timeZone: 'UTC' })
const when = (date) => date ? month.format(new Date(date.length === 7 ? `${date}-01` : date)) : 'today'
const period = ({ started_on: from, ended_on: to }) => from ? `${when(from)} – ${when(to)}` : to ? when(to) : ''
const years = ({ started_on: from, ended_on: to }) => [...new Set([from?.slice(0, 4), to?.slice(0, 4) ?? (from && 'today')])].filter(Boolean).join(' – ')
const paragraphs = (text) => text ? text.split(/\n{2,}/).map((part) => h('p', {}, part)) : []
const anchor = ({ label, url }) => h('a', { href: url, rel: 'noopener noreferrer' }, label)

// picture is an image in two sizes. What only a draft names is public nowhere;
// its owner sees the thumbnail of the file, and who has a preview link nothing.
function picture(project, id, alt, sizes) {
  if (project.status === 'draft' && !api.user) return ''
  const at = (size) => api.url(project.status === 'draft' ? `/files/items/${id}/thumbnail` : `/portfolio/images/${id}`, { size })
  return h('img', { srcset: `${at(512)} 512w, ${at(1024)} 1024w`, src: at(1024), sizes, alt, loading: 'lazy' })
}

// load reads everything. Who has signed in on any frontend of this server
// sends cookies, which shows in an answer that is private; strangers are not
// asked for a session they do not have.
async function load() {
  const profile = await api.fetch('/portfolio/profile', { cache: 'no-cache' })
  data.profile = await profile.json()
  if (profile.headers.get('Cache-Control')?.startsWith('private')) await api.start()
  const kinds = ['projects', 'experience', 'education', 'skills']
  const lists = await Promise.all(kinds.map((kind) => api.get(`/portfolio/${kind}`, { limit: 200 }, api.user ? { cache: 'no-cache' } : {})))
  kinds.forEach((kind, i) => { data[kind] = lists[i].items })
}

function showVisitor() {
  $('#visitor').hidden = !api.user
  $('#visitor b').textContent = api.user?.name || api.user?.email || ''
}

function showHero() {
  const { name, headline, summary, location, email, image_id: image, links } = data.profile
  $('.mark').textContent = name || 'Portfolio'
  $('#owner').textContent = [name, location].filter(Boolean).join(', ')
  $('meta[name=description]').content = headline
  $('.hero').replaceChildren(
    image ? h('div', { className: 'portrait' }, picture({}, image, '', '96px')) : '',
    h('h1', {}, headline || name || 'Hello.'),
    h('div', { className: 'intro' }, paragraphs(summary)),
    h('p', { className: 'links' }, location && h('span', {}, location), email && anchor({ label: 'Email', url: `mailto:${email}` }), links.map(anchor)),
  )
}

function card(project, i) {
  const [image] = project.image_ids
  const link = h('a', { href: `#/projects/${project.slug}` }, project.title)
  return h('li', { className: project.featured ? 'card featured' : 'card' },
    h('div', { className: `frame tone${i % 4}` }, image && picture(project, image, '', '(min-width: 60rem) 44rem, 92vw')),
    h('div', { className: 'text' },
      h('p', { className: 'meta' }, project.status === 'draft' && h('span', { className: 'draft' }, 'Draft'), years(project)),
      h('h3', {}, link),
      h('p', {}, project.summary),
      h('p', { className: 'tags' }, project.tags.map((tag) => h('span', {}, tag)))))
}

function showProjects() {
  const tags = [...new Set(data.projects.flatMap((project) => project.tags))]
  const button = (tag) => h('button', { type: 'button', 'aria-pressed': String(filter === tag), onclick: () => {
    filter = tag
    showProjects()
    $('.filters [aria-pressed=true]').focus()
  } }, tag || 'Everything')
  $('.filters').replaceChildren(...(tags.length > 1 ? ['', ...tags].map(button) : []))
  const shown = data.projects.filter((project) => !filter || project.tags.includes(filter))
  $('.cards').replaceChildren(...shown.toSorted((a, b) => b.featured - a.featured).map(card))
}

function station(entry, title, place) {
  return h('li', {},
    h('p', { className: 'meta' }, period(entry)),
    h('div', {},
      h('h3', {}, title || place),
      title && h('p', { className: 'place' }, entry.url ? anchor({ label: place, url: entry.url }) : place, entry.location && `, ${entry.location}`),
      paragraphs(entry.summary),
      entry.highlights?.length ? h('ul', {}, entry.highlights.map((text) => h('li', {}, text))) : null))
}

function showHome() {
  showHero()
  showProjects()
  $('#experience ol').replaceChildren(...data.experience.map((e) => station(e, e.role, e.organization)))
  $('#education ol').replaceChildren(...data.education.map((e) => station(e, [e.study_type, e.area].filter(Boolean).join(' '), e.institution)))
  const groups = Map.groupBy(data.skills, (skill) => skill.category || 'More')
  $('#skills dl').replaceChildren(...[...groups].map(([name, skills]) => h('div', {}, h('dt', {}, name), h('dd', {}, skills.map((skill) => skill.name).join(', ')))))
  for (const [id, list] of Object.entries({ work: 'projects', experience: 'experience', education: 'education', skills: 'skills' })) {
    $(`#${id}`).hidden = !data[list].length
  }
}

function showProject(project, next) {
  const [hero, ...more] = project.image_ids
  $('#project').replaceChildren(
    h('header', { className: 'wide' },
      h('p', { className: 'meta' }, project.status === 'draft' && h('span', { className: 'draft' }, 'Draft'), period(project)),
      h('h1', { tabIndex: -1 }, project.title),
      h('p', { className: 'lead' }, project.summary),
      h('p', { className: 'tags' }, project.tags.map((tag) => h('span', {}, tag)))),
    hero ? h('div', { className: 'frame wide' }, picture(project, hero, '', '(min-width: 75rem) 72rem, 100vw')) : '',
    h('div', { className: 'body' }, ...markdown(project.body), project.links.length ? h('p', { className: 'links' }, project.links.map(anchor)) : ''),
    ...more.map((id) => h('div', { className: 'frame wide' }, picture(project, id, '', '(min-width: 75rem) 72rem, 100vw'))),
    h('p', { className: 'next wide' }, h('a', { href: '#work' }, 'All work'), next !== project && h('a', { href: `#/projects/${next.slug}` }, `Next: ${next.title}`)),
  )
}

// previewed is the project of a preview link, which its owner gives to some.
async function previewed(token) {
  try {
    const project = await api.get(`/portfolio/previews/${token}`)
    data.projects = [...data.projects.filter(({ id }) => id !== project.id), project]
    return project.slug
  } catch (problem) {
    return $('#notice').textContent = problem.message
  }
}

// route shows what the address names: #/projects/a-slug, #/previews/a-token, or a
// part of the page.
let home = 0 // where the page was scrolled to when a project was opened
async function route() {
  const token = /^#\/previews\/(.+)/.exec(location.hash)?.[1]
  const slug = token ? await previewed(token) : /^#\/projects\/(.+)/.exec(location.hash)?.[1]
  const at = data.projects.findIndex((project) => project.slug === slug)
  const back = !$('#project').hidden
  if (!$('#home').hidden) home = scrollY
  $('#notice').hidden = !slug || at >= 0
  if (!token) $('#notice').textContent = 'There is no such project. It may have been renamed.'
  $('#project').hidden = at < 0
  $('#home').hidden = at >= 0
  $('nav').hidden = false
  document.title = [data.projects[at]?.title, data.profile.name || 'Portfolio'].filter(Boolean).join(' · ')
  if (at >= 0) {
    showProject(data.projects[at], data.projects[(at + 1) % data.projects.length])
    scrollTo({ top: 0, behavior: 'instant' })
    $('#project h1').focus({ preventScroll: true })
  } else {
    const part = /^#[a-z]+$/.test(location.hash) && $(location.hash)
    if (part) part.scrollIntoView({ behavior: back ? 'instant' : 'auto' })
    else if (back || location.hash) scrollTo({ top: location.hash ? 0 : home, behavior: 'instant' })
  }
}

async function show() {
  try {
    await load()
    showVisitor()
    showHome()
    await route()
  } catch (problem) {
    $('#notice').textContent = problem.message
  }
  $('#main').setAttribute('aria-busy', 'false')
}

contact($('#contact form'), api)
$('#visitor button').onclick = () => api.signOut()
addEventListener('hashchange', () => data.skills && route())
for (const event of ['signin', 'signout']) api.addEventListener(event, show)
// Who comes back may have signed out on another frontend.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && api.user) api.get('/auth/me').catch(() => {})
})
show()
