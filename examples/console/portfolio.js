// The portfolio: its projects, who it is about, and what they have learned and done.
import { tabs } from './parts.js'
import { entries, kinds } from './entries.js'
import { profile } from './profile.js'
import { project } from './project.js'
import { projects } from './projects.js'
import { resume } from './resume.js'

export async function portfolio(api, main, [kind, id]) {
  const bar = tabs('Portfolio', [['#/portfolio', 'Projects'], ['#/portfolio/profile', 'Profile'], ...Object.entries(kinds).map(([name, { title }]) => [`#/portfolio/${name}`, title]), ['#/portfolio/resume', 'Résumé']])
  if (kind === 'projects' && id) return project(api, main, id)
  if (kind === 'profile') return profile(api, main, bar)
  if (kind === 'resume') return resume(api, main, bar)
  if (kinds[kind]) return entries(api, main, bar, kind)
  return projects(api, main, bar)
}
