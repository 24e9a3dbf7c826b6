import { head } from './parts.js'

export async function audit(api, main) {
  main.replaceChildren(head('audit'))
}
