// The document that the server serves of itself satisfies a linter, and makes
// types that a strict compiler takes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createConfig, lintFromString } from '@redocly/openapi-core';

const run = (program, ...args) => execFileSync(fileURLToPath(new URL(`node_modules/.bin/${program}`, import.meta.url)), args, { encoding: 'utf8' });

test('the OpenAPI document is clean under redocly lint and makes strict types', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const answer = await fetch(`${process.env.HOMEBASE_URL}/api/v1/system/openapi.json`);
  assert.equal(answer.status, 200);
  const source = await answer.text();
  // The library is redocly's command without its renderer and what that needs.
  // Where a browser is sent on to sign in or out, every good answer is a redirect.
  const redirects = (problem) => problem.ruleId === 'operation-2xx-response' && /^#\/paths\/~1auth~1(oidc~1authorize|oidc~1logout|gate~1callback)\//.test(problem.location[0].pointer);
  const lint = async (source) => (await lintFromString({ source, absoluteRef: 'openapi.json', config: await createConfig({ extends: ['recommended'] }) }))
    .filter((problem) => !redirects(problem))
    .map((problem) => `${problem.severity} ${problem.ruleId}: ${problem.message}`);
  assert.notDeepEqual(await lint(source.replace('"operationId":', '"operationID":')), [], 'a fault is seen');
  assert.deepEqual(await lint(source), []);
  const document = join(folder, 'openapi.json'), types = join(folder, 'types.ts'), use = join(folder, 'use.ts');
  writeFileSync(document, source);
  run('openapi-typescript', document, '-o', types);
  writeFileSync(use, `
    import type { paths } from './types';
    type Item = paths['/files/items/{id}']['get']['responses']['200']['content']['application/json'];
    export const name = (item: Item): string => item.name;
    // @ts-expect-error a folder's size is a number
    export const wrong = (item: Item): string => item.size;`);
  run('tsc', '--strict', '--noEmit', types, use);
});
