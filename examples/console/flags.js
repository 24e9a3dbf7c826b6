import { head } from './parts.js'

export async function flags(api, main) {
  main.replaceChildren(head('flags'))
}
