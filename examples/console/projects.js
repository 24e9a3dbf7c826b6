// The projects of the portfolio, in their order.
import { el, icon } from '../dom.js'
import { ordered } from './order.js'
import { badge, head, nothing } from './parts.js'
import { thumbnail } from './pictures.js'

export const site = document.querySelector('meta[name=homebase-portfolio]').content

export async function projects(api, main, bar) {
  const items = []
  for await (const one of api.list('/portfolio/projects', { limit: 200 })) items.push(one)
  const row = (one) => el('a.open', { href: `#/portfolio/projects/${one.slug}` },
    el('span.picture', {}, one.image_ids.length ? thumbnail(api, one.image_ids[0], one) : icon('image')),
    el('span.name', {}, one.title, ' ', one.status === 'draft' ? badge('draft') : '', one.featured && [' ', badge('featured', 'good')]), el('span.facts', {}, one.summary), icon('right'))
  main.replaceChildren(head('Portfolio', el('a.seldom', { href: site, target: '_blank', rel: 'noopener' }, 'View the site'), el('a.main', { href: '#/portfolio/projects/new' }, icon('plus'), 'New project')), bar,
    ...items.length ? [el('p.hint', {}, items.length > 1 ? 'Visitors see them in this order. To change it, drag a handle, or use the arrow keys on it.' : ''), ...ordered({
      label: 'Projects', items, called: ({ title }) => title, row, save: (ids) => api.put('/portfolio/projects/order', { ids }),
    })] : [nothing('image', 'There are no projects yet. All it takes is a title; a picture and a few sentences make it nice.', el('a.main', { href: '#/portfolio/projects/new' }, 'Write about a project'))])
}
