import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

test("the README's program runs and writes its picture", async (t) => {
  const readme = await readFile('README.md', 'utf8');
  const [, program] = /```js\n([^]*?)```/.exec(readme)!;
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-readme-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const api = new URL('../../src/index.js', import.meta.url).href;
  await writeFile(join(folder, 'program.mjs'), program!.replace("'fastsde'", `'${api}'`));
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: folder });
  t.regex(stdout, /step 0 of 39\n(.*\n)*step 36 of 39\n\{ network: 40 \}/);
  t.true((await stat(join(folder, 'digits.png'))).size > 1000);
});
