import { head } from './parts.js'

export async function programs(api, main) {
  main.replaceChildren(head('programs'))
}
