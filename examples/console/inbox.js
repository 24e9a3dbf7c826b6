import { head } from './parts.js'

export async function inbox(api, main) {
  main.replaceChildren(head('inbox'))
}
