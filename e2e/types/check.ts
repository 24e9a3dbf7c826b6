// How a program uses the client with its types; each line after @ts-expect-error
// is a mistake that a compiler has to see.
import { Homebase as Client, Problem as Trouble } from './client.js'
import { Homebase, Problem } from './homebase'
export const client: typeof Homebase = Client, trouble: typeof Problem = Trouble

const api = new Homebase(), id: string = 'x'
export async function uses() {
  const user = await api.get(`/auth/users/${id}`)
  const roles: string[] = user.roles
  // @ts-expect-error a user has no such field
  user.role
  const { items } = await api.get('/files/items/root/children', { limit: 20 })
  const size: number = items[0].size
  // @ts-expect-error a folder's name is a text
  await api.patch(`/files/items/${id}`, { name: 3 })
  await api.patch(`/auth/users/${id}`, { status: 'disabled', quota: null })
  // @ts-expect-error a field that the route does not take
  await api.post('/auth/invitations', { email: 'a@example.com', role: 'member' })
  for await (const share of api.list('/files/shares')) { const token: string | undefined = share.token; void token }
  const gone: null = await api.delete(`/auth/users/${id}`)
  const dynamic: number = (await api.get(id)).whatever
  return [roles, size, gone, dynamic]
}
