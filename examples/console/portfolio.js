import { head } from './parts.js'

export async function portfolio(api, main) {
  main.replaceChildren(head('portfolio'))
}
