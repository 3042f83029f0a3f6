import { readFile } from 'node:fs/promises';
import test from 'ava';
import * as data from '../../src/data.js';
import * as evaluation from '../../src/evaluation.js';
import * as main from '../../src/index.js';
import * as onnx from '../../src/onnx.js';
import * as queue from '../../src/queue.js';
import * as training from '../../src/training.js';

const entries = { index: main, training, onnx, data, evaluation, queue };

/** Values and types that an entry point exports by name. */
async function namesOf(entry: string): Promise<string[]> {
  const text = await readFile(`src/${entry}.ts`, 'utf8');
  return [...text.matchAll(/export (?:type )?\{([^}]*)\}/g)]
    .flatMap(([, list]) => list!.split(','))
    .map((name) => name.replace('type ', '').trim())
    .filter((name) => name !== '');
}

test('a name is exported from one entry point only', async (t) => {
  const owners = new Map<string, string>();
  for (const [entry, exported] of Object.entries(entries)) {
    for (const name of new Set([...Object.keys(exported), ...(await namesOf(entry))])) {
      t.is(owners.get(name) ?? entry, entry, name);
      owners.set(name, entry);
    }
  }
  t.true(owners.size > 250);
});

test('package.json names every entry point, with its types', async (t) => {
  const { exports } = JSON.parse(await readFile('package.json', 'utf8')) as { exports: object };
  const expected = Object.keys(entries).map((entry) => [
    entry === 'index' ? '.' : `./${entry}`,
    { types: `./dist/${entry}.d.ts`, default: `./dist/${entry}.js` },
  ]);
  t.deepEqual(exports, Object.fromEntries([...expected, ['./package.json', './package.json']]));
});
