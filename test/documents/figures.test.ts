import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { startExample } from '../support/example.js';

const numbers = /-?\d+(?:\.\d+)?/g;

const figures = (await readdir('examples/figures'))
  .map((name) => name.replace('.ts', ''))
  .filter((name) => name !== 'svg');

for (const name of figures)
  test(`docs/images/${name}.svg is what examples/figures/${name}.ts makes`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'fastsde-figure-'));
    t.teardown(() => rm(folder, { recursive: true }));
    const path = join(folder, 'figure.svg');
    const { code, stderr } = await startExample(`figures/${name}`, [path]).ended;
    t.is(code, 0, stderr);
    const [made, shown] = await Promise.all(
      [path, `docs/images/${name}.svg`].map((file) => readFile(file, 'utf8')),
    );
    t.is(made!.replace(numbers, '#'), shown!.replace(numbers, '#'));
    // Versions of Node may round exponentials otherwise, and a digit of a place with them.
    const places = (svg: string) => Array.from(svg.matchAll(numbers), ([number]) => Number(number));
    const expected = places(shown!);
    t.true(places(made!).every((place, i) => Math.abs(place - expected[i]!) < 0.25));
    t.regex(await readFile('docs/mathematics.md', 'utf8'), new RegExp(`images/${name}\\.svg`));
  });
