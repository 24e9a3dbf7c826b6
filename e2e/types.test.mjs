// The types of the client are those of this server's routes, and the client is
// what its types say.
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { file, run, types } from './types.mjs'

test('homebase-api.d.ts is made from the routes that there are', () => {
  assert.equal(readFileSync(file, 'utf8'), types(), 'make build && node e2e/types.mjs')
})

test('homebase.js is strict, and does what homebase.d.ts says', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const example = (name) => new URL(`../examples/${name}`, import.meta.url)
  // Beside its types a script is not read: here it has another name.
  cpSync(example('homebase.js'), join(folder, 'client.js'))
  for (const name of ['homebase.d.ts', 'homebase-api.d.ts']) cpSync(example(name), join(folder, name))
  cpSync(new URL('types/check.ts', import.meta.url), join(folder, 'check.ts'))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, checkJs: true, allowJs: true, noEmit: true, target: 'es2024', lib: ['es2024', 'dom', 'dom.iterable'], module: 'esnext', moduleResolution: 'bundler' }, files: ['client.js', 'check.ts'],
  }))
  try { run('tsc', '-p', folder) } catch (problem) { assert.fail(problem.stdout) }
})
