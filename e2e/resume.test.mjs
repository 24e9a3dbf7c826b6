// The portfolio as a JSON Resume: the published schema accepts it and a real
// theme renders it. It needs a running server and a user who may write the
// portfolio; the sample of the schema's package is imported into it.
//
//   HOMEBASE_URL=http://localhost:8080 HOMEBASE_EMAIL=… HOMEBASE_PASSWORD=… node --test e2e/resume.test.mjs
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import schema from '@jsonresume/schema'
import { render } from 'jsonresume-theme-even'

const { HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password } = process.env
for (const [name, value] of Object.entries({ HOMEBASE_URL: url, HOMEBASE_EMAIL: email, HOMEBASE_PASSWORD: password })) {
  assert.ok(value, `${name} is not set`)
}
const api = `${url}/api/v1`
const resume = `${api}/portfolio/resume.json`

let token, sample

const put = async (query) => {
  const answer = await fetch(resume + query, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
    body: JSON.stringify(sample),
  })
  assert.equal(answer.status, 200)
  return answer.json()
}

const valid = (document) => new Promise((resolve, reject) => {
  schema.validate(document, (problems) => problems ? reject(new Error(JSON.stringify(problems))) : resolve())
})

before(async () => {
  const answer = await fetch(`${api}/auth/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, password, mode: 'token' }),
  })
  assert.equal(answer.status, 200)
  token = (await answer.json()).access_token
  sample = JSON.parse(await readFile(new URL('node_modules/@jsonresume/schema/sample.resume.json', import.meta.url)))
})

test('a dry run says what the import then does', async () => {
  const tried = await put('?dry_run=true')
  const done = await put('')
  assert.deepEqual(done.changes, tried.changes)
  assert.deepEqual((await put('')).changes, [])
})

test('the published schema accepts what the portfolio answers', async () => {
  const answer = await fetch(resume)
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('cache-control'), /^public, max-age=60/)
  await valid(await answer.json())
})

test('a theme renders it', async () => {
  const page = render(await (await fetch(resume)).json())
  for (const words of [sample.basics.name, sample.work[0].name, sample.education[0].institution, sample.skills[0].keywords[0], sample.projects[0].name]) {
    assert.ok(page.includes(words), `${words} is not on the page`)
  }
})
