// The document that the server serves of itself satisfies a linter, and makes
// types that a strict compiler takes.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const run = (program, ...args) => execFileSync(fileURLToPath(new URL(`node_modules/.bin/${program}`, import.meta.url)), args, { encoding: 'utf8', env: { ...process.env, REDOCLY_TELEMETRY: 'off' } });

test('the OpenAPI document is clean under redocly lint and makes strict types', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'openapi-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const answer = await fetch(`${process.env.HOMEBASE_URL}/api/v1/system/openapi.json`);
  assert.equal(answer.status, 200);
  const document = join(folder, 'openapi.json'), types = join(folder, 'types.ts'), use = join(folder, 'use.ts');
  writeFileSync(document, await answer.text());
  const report = JSON.parse(run('redocly', 'lint', document, '--format=json'));
  assert.deepEqual(report.problems.map((p) => `${p.severity} ${p.ruleId}: ${p.message}`), []);
  run('openapi-typescript', document, '-o', types);
  writeFileSync(use, `
    import type { paths } from './types';
    type Item = paths['/files/items/{id}']['get']['responses']['200']['content']['application/json'];
    export const name = (item: Item): string => item.name;
    // @ts-expect-error a folder's size is a number
    export const wrong = (item: Item): string => item.size;`);
  run('tsc', '--strict', '--noEmit', types, use);
});
