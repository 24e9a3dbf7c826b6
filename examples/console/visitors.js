// Analytics: who looked at the frontends, counted without knowing anybody.
import { button, el } from '../dom.js'
import { bars, timeline } from './chart.js'
import { card, count, head, nothing } from './parts.js'

const spans = [[7, '7 days'], [30, '30 days'], [90, '90 days'], [365, 'A year']]
const day = (time) => new Date(time).toISOString().slice(0, 10)

export async function analytics(api, main, [asked = '']) {
  const chosen = { ...span(30), ...Object.fromEntries(new URLSearchParams(asked)) }
  const place = el('div.part')
  const set = (more) => {
    Object.assign(chosen, more)
    history.replaceState(null, '', `#/analytics/${new URLSearchParams(Object.entries(chosen).filter(([, value]) => value))}`)
    return show()
  }
  const from = el('input', { type: 'date', onchange: () => from.value && set({ from: from.value }) }), to = el('input', { type: 'date', onchange: () => to.value && set({ to: to.value }) })
  const quick = el('div.spans', { role: 'group', 'aria-label': 'Time' }, spans.map(([days, words]) => button(null, words, () => set(span(days)))))
  const show = async () => {
    const mine = show.newest = {}
    from.value = chosen.from
    to.value = chosen.to
    spans.forEach(([days], i) => quick.children[i].setAttribute('aria-pressed', String(span(days).from === chosen.from && span(days).to === chosen.to)))
    place.ariaBusy = 'true'
    const nodes = await page(api, chosen, set).catch((problem) => {
      if (problem.name !== 'Problem') throw problem
      if (problem.status === 404) return [nothing('chart', 'Analytics is turned off, so nobody is counted.', api.can('system:manage') && button(null, 'Turn it on', () => api.patch('/projects/analytics', { enabled: true }).then(show), { kind: 'main' }))]
      return [el('p.problem', { role: 'alert' }, problem.message)]
    })
    if (show.newest !== mine) return
    place.ariaBusy = null
    place.replaceChildren(...nodes.flat().filter(Boolean))
  }
  await show()
  main.replaceChildren(head('Analytics'), el('div.filters', {}, quick, el('label', {}, 'From', from), el('label', {}, 'To', to)), place)
}

const unit = () => el('span.small', {}, 'views · visitors')

// span is the last days, in UTC as the server counts.
const span = (days) => ({ from: day(Date.now() - (days - 1) * 864e5), to: day(Date.now()) })

async function page(api, { from, to, site, page: path }, set) {
  const days = (new Date(to) - new Date(from)) / 864e5 + 1, by = days <= 2 ? 'hour' : days <= 120 ? 'day' : 'month'
  const { items, pages, referrers, devices, dropped } = await api.get('/projects/analytics/stats', { from, to, by, site, page: path })
  const sum = (key) => items.reduce((all, one) => all + one[key], 0)
  const words = new Intl.DateTimeFormat(undefined, { timeZone: 'UTC', ...{ hour: { hour: 'numeric' }, day: { day: 'numeric', month: 'short' }, month: { month: 'short', year: 'numeric' } }[by] })
  const limited = (site || path) && el('p', {}, `Only ${path ?? ''} ${site ? `of ${site}` : ''} `, button('cross', 'All pages', () => set({ site: '', page: '' }), { kind: 'plain' }))
  if (!sum('views')) return [limited, nothing('chart', path || site ? 'Nobody looked at it in this time.' : 'Nobody came in this time. Visits to the portfolio are counted without cookies; a website of your own counts them with one line: analytics.js.')]
  const tops = (title, names, list, name) => list.length > 0 && card('', [title, ' ', unit()], bars({ title, names, rows: list.slice(0, 10).map((one) => [name(one), one.views, one]), say: ([, views, { visitors }]) => `${views.toLocaleString()} · ${visitors.toLocaleString()}` }))
  return [limited,
    el('section.card', {}, el('p.figures', {}, el('span', {}, el('strong', {}, sum('views').toLocaleString()), ' views'), el('span', {}, el('strong', {}, sum('visitors').toLocaleString()), ' visitors')),
      timeline({ title: 'Views and visitors', items, day: ({ at }) => words.format(new Date(at)), names: ['views', 'visitors'], values: ({ views, visitors }) => [views, visitors] }),
      dropped > 0 && el('p.small', {}, `${count(dropped, 'view was', 'views were')} not counted, because too many came at once.`),
      el('p.small', {}, `Somebody who comes on two ${by === 'hour' ? 'hours' : 'days'} counts as two visitors: nobody is recognised again.`)),
    el('div.cards', {}, pages.length > 0 && card('', ['Pages ', unit()], el('ul.pages', {}, pages.slice(0, 12).map((one) => el('li', {}, button(null, one.path, () => set({ site: one.site, page: one.path }), { kind: 'link' }),
      el('span.small', {}, one.site), el('span.number', {}, `${one.views.toLocaleString()} · ${one.visitors.toLocaleString()}`))))),
    tops('Where they came from', ['Site', 'Views and visitors'], referrers, ({ referrer }) => referrer || 'typed in, or unknown'), tops('Devices', ['Device', 'Views and visitors'], devices, ({ device }) => device))]
}
