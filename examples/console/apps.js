// The apps of this server, each of which can be turned off.
import { button, el, icon, say } from '../dom.js'
import { again, badge, head, nothing } from './parts.js'

export async function appList(api, main, tabs) {
  const { items } = await api.get('/projects')
  const turn = async (app, enabled) => {
    await api.patch(`/projects/${app.name}`, { enabled })
    say(`${app.name} is ${enabled ? 'on' : 'off'}.`, 'Undo', () => api.patch(`/projects/${app.name}`, { enabled: !enabled }).then(again))
    again()
  }
  main.replaceChildren(head('Apps'), tabs, el('p.hint', {}, 'Parts of this server that can be turned off. What they have stored stays.'), items.length ? el('ul.list', { 'aria-label': 'Apps' }, items.map((app) => el('li', {}, el('span.open', {}, el('span.picture', {}, icon('program')),
    el('span.name', {}, app.name, ' ', app.enabled ? badge('on', 'good') : badge('off')), el('span.facts', {}, app.description)),
  button(null, `Turn ${app.enabled ? 'off' : 'on'}`, () => turn(app, !app.enabled), { 'aria-label': `Turn ${app.enabled ? 'off' : 'on'} ${app.name}` }))))
    : nothing('program', 'This server has no apps. “make app NAME=notes” in its source code begins one.'))
}
