// The types of homebase.js. What routes take and answer is in homebase-api.d.ts:
// api.get(`/auth/users/${id}`) answers with a user, and a wrong field of
// api.patch(`/auth/users/${id}`, { … }) is an error.
import type { components, paths } from './homebase-api'

export type Schemas = components['schemas']
export type User = Schemas['AuthMe']

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

// Fits compares the parts of a path with those of a route.
type Fits<Route, Path> = Route extends `${infer A}/${infer RouteRest}`
  ? Path extends `${infer B}/${infer PathRest}` ? Part<A, B> extends true ? Fits<RouteRest, PathRest> : false : false
  : Path extends `${string}/${string}` ? false : Part<Route, Path>
type Part<A, B> = A extends `{${string}}` ? true : B extends A ? true : false

type Operation<M extends Method, Path extends string> = string extends Path ? never
  : Path extends keyof paths ? paths[Path] extends Record<M, infer O> ? O : never
    : { [R in keyof paths]: Fits<R, Path> extends true ? paths[R] extends Record<M, infer O> ? O : never : never }[keyof paths]

type Json<T> = T extends { content: { 'application/json': infer J } } ? J : null
type Success<O> = O extends { responses: infer R } ? { [C in keyof R]: C extends 200 | 201 | 202 | 204 ? Json<R[C]> : never }[keyof R] : any

// Answer is what a request of a path answers with, Body what it sends, Query
// what it may ask; any where the path is not known while types are checked.
export type Answer<M extends Method, Path extends string> = [Operation<M, Path>] extends [never] ? any : Success<Operation<M, Path>>
export type Body<M extends Method, Path extends string> = [Operation<M, Path>] extends [never] ? any
  : Operation<M, Path> extends { requestBody?: { content: { 'application/json': infer B } } } ? B | Blob : unknown
export type Query<M extends Method, Path extends string> = [Operation<M, Path>] extends [never] ? Record<string, unknown>
  : Operation<M, Path> extends { parameters: { query?: infer Q } } ? { [K in keyof Q]?: Q[K] | number | boolean | null } : Record<string, never>

export interface Init extends RequestInit { json?: unknown; query?: Record<string, unknown> | null }

export interface Told {
  status?: number; code?: string; title?: string; detail?: string; request_id?: string
  errors?: { pointer: string; code: string; detail: string }[]
}

export class Problem extends Error {
  constructor(told?: Told, retryAfter?: number)
  status: number
  code: string
  detail: string | undefined
  fields: Record<string, string>
  requestId: string
  retryAfter: number
}

export type Credentials = { email?: string; password?: string; code?: string; link_token?: string; passkey?: unknown; token?: string; name?: string }
export type Message = { type: string; data?: any }

export class Homebase extends EventTarget {
  constructor(options?: { api?: string; credentials?: RequestCredentials })
  static passkeys: boolean
  user: User | null
  reauthenticate: (() => Promise<unknown>) | null
  base: string
  url(path: string, query?: Record<string, unknown> | null): string
  get<P extends string>(path: P, query?: Query<'get', P> | null, init?: Init): Promise<Answer<'get', P>>
  post<P extends string>(path: P, json?: Body<'post', P> | null, init?: Init): Promise<Answer<'post', P>>
  put<P extends string>(path: P, json?: Body<'put', P>, init?: Init): Promise<Answer<'put', P>>
  patch<P extends string>(path: P, json?: Body<'patch', P>, init?: Init): Promise<Answer<'patch', P>>
  delete<P extends string>(path: P, init?: Init): Promise<Answer<'delete', P>>
  list<P extends string>(path: P, query?: Query<'get', P>): AsyncGenerator<Answer<'get', P> extends { items: (infer I)[] } ? I : any>
  fetch(path: string, init?: Init): Promise<Response>
  start(): Promise<User | null>
  signIn(credentials: Credentials, path?: string): Promise<User>
  signInWithPasskey(credentials?: Credentials): Promise<User>
  offerPasskeys(refused: (problem: Problem) => void): Promise<boolean>
  addPasskey(name?: string): Promise<Schemas['AuthPasskey']>
  removePasskey(passkey: Pick<Schemas['AuthPasskey'], 'id' | 'credential_id'>): Promise<void>
  reauthenticateWithPasskey(): Promise<null>
  signOut(scope?: 'session' | 'others' | 'all'): Promise<void>
  fresh(): Promise<Schemas['AuthGrant'] | undefined>
  refresh(sent?: number): Promise<Schemas['AuthGrant'] | undefined>
  events(path: string, types: string[], tell: (message: Message) => void): () => void
}
