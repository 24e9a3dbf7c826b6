import { head } from './parts.js'

export async function analytics(api, main) {
  main.replaceChildren(head('analytics'))
}
