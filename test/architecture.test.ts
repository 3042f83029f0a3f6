import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import test from 'ava';

const root = path.join(import.meta.dirname, '..', '..');
const src = path.join(root, 'src');

/** The files of src, each with the files that it imports, those of types included. */
const imports = new Map(
  readdirSync(src, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => {
      const text = readFileSync(path.join(src, file), 'utf8');
      const specifiers = [...text.matchAll(/(?:\bfrom|\bimport\(|^import)\s*'(\.[^']+)\.js'/gm)];
      const folder = path.posix.dirname(file);
      return [file, specifiers.map((match) => path.posix.join(folder, `${match[1]!}.ts`))] as const;
    }),
);

/** What a program imports. */
const entries = ['index.ts', 'training.ts', 'onnx.ts', 'data.ts', 'evaluation.ts', 'queue.ts'];

/** The folder of src that a file lies in; the files of src itself are the entry points at the top, the rest at the bottom. */
const roomOf = (file: string) => (file.includes('/') ? file.slice(0, file.indexOf('/')) : file);

/** The rooms from top to bottom, as the documentation lists them. */
function rooms(): string[] {
  const text = readFileSync(path.join(root, 'docs', 'architecture.md'), 'utf8');
  const rows = text.split('\n').filter((line) => line.startsWith('| `src/'));
  return rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`src\/(\w+)\/`/g)].map((match) => match[1]!));
}

test('imports point downwards in the table of rooms', (t) => {
  const table = rooms();
  const present = new Set([...imports.keys()].filter((file) => file.includes('/')).map(roomOf));
  t.deepEqual([...present].sort(), [...table].sort(), 'docs/architecture.md lists every room once');
  const heightOf = (file: string) => {
    if (entries.includes(file)) return -1;
    return file.includes('/') ? table.indexOf(roomOf(file)) : table.length;
  };
  const upwards = [...imports].flatMap(([file, used]) =>
    used.filter((other) => heightOf(other) < heightOf(file)).map((other) => `${file} imports ${other}`),
  );
  t.deepEqual(upwards, []);
});

test('no files of src import each other in a circle', (t) => {
  // A file whose imports have all been left out of the graph is in no circle; what remains is.
  const left = new Map(imports);
  for (let size = -1; size !== left.size;) {
    size = left.size;
    for (const [file, used] of left) if (!used.some((other) => left.has(other))) left.delete(file);
  }
  t.deepEqual([...left.keys()], []);
});

test('a name is exported from one file alone', (t) => {
  const places = new Map<string, string[]>();
  for (const file of imports.keys()) {
    if (entries.includes(file)) continue;
    const text = readFileSync(path.join(src, file), 'utf8');
    const exported = text.matchAll(
      /^export (?:async )?(?:abstract )?(?:function|const|class|interface|type) (\w+)/gm,
    );
    // Overloads of a function are one.
    for (const name of new Set(Array.from(exported, (match) => match[1]!)))
      places.set(name, [...(places.get(name) ?? []), file]);
  }
  t.deepEqual(
    [...places].filter(([, files]) => files.length > 1),
    [],
  );
});
