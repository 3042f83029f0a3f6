import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';

test('the programs of docs/samplers.md run', async (t) => {
  const text = await readFile('docs/samplers.md', 'utf8');
  const blocks = Array.from(text.matchAll(/```js\n([^]*?)```/g), ([, block]) => block!);
  t.true(blocks.length >= 5);
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-docs-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const api = new URL('../../src/index.js', import.meta.url).href;
  const names =
    'ancestral, denoise, GaussianMixture, gottaGoFast, levelAt, linearPredictor, mixtureModel, sample: draw, saSolver, vp';
  const prelude = `import * as fastsde from '${api}';
const { ${names} } = fastsde;
const model = mixtureModel(new GaussianMixture({ weights: [1], means: [[0, 0]], covariances: [1] }), vp());
const sample = (model, options) => draw(model, { count: 2, ...(typeof options.solver === 'object' ? {} : { steps: 9 }), ...options });
const [y, mask] = [Float32Array.of(0.5, 0), Float32Array.of(1, 0)];
`;
  const program = prelude + blocks.join('\n').replaceAll(/^sample\(/gm, 'await sample(');
  await writeFile(join(folder, 'program.mjs'), `${program}\nconsole.log('done');`);
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'program.mjs')]);
  t.is(stdout, 'done\n');
});
