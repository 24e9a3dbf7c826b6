import { head } from './parts.js'

export async function limits(api, main) {
  main.replaceChildren(head('limits'))
}
