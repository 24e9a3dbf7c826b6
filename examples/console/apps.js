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
  main.replaceChildren(head('Apps'), tabs, items.length ? el('ul.list', { 'aria-label': 'Apps' }, items.map((app) => el('li', {}, el('span.open', {}, el('span.picture', {}, icon('program')),
    el('span.name', {}, app.name, ' ', app.enabled ? badge('on', 'good') : badge('off')), el('span.facts', {}, app.description)),
  button(app.enabled ? 'pause' : 'play', `Turn ${app.name} ${app.enabled ? 'off' : 'on'}`, () => turn(app, !app.enabled), { hide: true, kind: 'plain' }))))
    : nothing('program', 'This server has no apps. “make app NAME=notes” begins one.'))
}
