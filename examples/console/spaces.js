import { head } from './parts.js'

export async function spaces(api, main) {
  main.replaceChildren(head('spaces'))
}
