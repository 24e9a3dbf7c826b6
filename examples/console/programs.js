// Programs: those that sign people in here, hosts behind the gate, the apps of
// this server, and access keys for scripts.
import { appList } from './apps.js'
import { clients } from './clients.js'
import { hosts } from './hosts.js'
import { keys } from './keys.js'
import { tabs } from './parts.js'

export async function programs(api, main, [kind]) {
  const kinds = [
    api.can('users:manage') && ['clients', 'Sign-in', clients], api.can('users:manage') && ['hosts', 'Protected sites', hosts],
    api.can('system:manage') && ['apps', 'Apps', appList], ['keys', 'Access keys', keys],
  ].filter(Boolean)
  const [name, , page] = kinds.find(([known]) => known === kind) ?? kinds[0]
  const at = (known) => known === kinds[0][0] ? '#/programs' : `#/programs/${known}`
  await page(api, main, tabs('Programs', kinds.map(([known, words]) => [at(known), words]), at(name)))
}
