// The types of every route, as examples/homebase-api.d.ts has them: made from the
// OpenAPI document by openapi-typescript, without what a client does not name.
// After a route has changed: make build && (cd e2e && npm ci) && node e2e/types.mjs
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
export const file = here('../examples/homebase-api.d.ts')
export const run = (program, ...args) => execFileSync(here(`node_modules/.bin/${program}`), args, { encoding: 'utf8' })

// lean is the document without problems, headers and examples.
function lean(node) {
  if (Array.isArray(node)) return node.filter((one) => one?.in !== 'header').map(lean)
  if (node === null || typeof node !== 'object') return node
  return Object.fromEntries(Object.entries(node).filter(([key, value]) => !(
    key === 'examples' || key === 'example' || key === 'headers' && !value.type || key === 'description' && typeof value === 'string' || /^([345]\d\d(-\w+)?|default)$/.test(key) && (value.$ref ?? value.description)))
    .map(([key, value]) => [key, lean(value)]))
}

// types is the text of the file. A tool that knows the document better than its
// reader says of each path which methods it does not have; that goes.
export function types() {
  const folder = mkdtempSync(join(tmpdir(), 'types-'))
  try {
    const document = JSON.parse(execFileSync(here('../bin/homebase'), ['openapi'], { encoding: 'utf8', maxBuffer: 1 << 26, env: {} }))
    writeFileSync(join(folder, 'openapi.json'), JSON.stringify(lean(document)))
    run('openapi-typescript', join(folder, 'openapi.json'), '-o', join(folder, 'out.d.ts'))
    const text = readFileSync(join(folder, 'out.d.ts'), 'utf8').replace(/^ *\w+\?: never;\n/gm, '').replace(/^ *(parameters|content|headers): \{\s*\};?\n/gm, '')
      .replace(/^ *headers: \{\n *\[name: string\]: unknown;\n *\};\n/gm, '').replace(/^( {4})+/gm, (spaces) => '  '.repeat(spaces.length / 4))
    return text.replace(/^\/\*\*[\s\S]*?\*\/\n/, '// Made from the OpenAPI document by openapi-typescript: node e2e/types.mjs\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(file, types())
