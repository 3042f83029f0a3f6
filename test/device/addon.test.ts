import { readFileSync } from 'node:fs';
import path from 'node:path';

import test from 'ava';
import ts from 'typescript';

import { addon, limits } from '../../src/device/addon.js';
import { Stream } from '../../src/device/binding.js';

/** The functions that `interface Addon` declares, with the names of their parameters. */
function declared(): Record<string, string[]> {
  const file = path.join(import.meta.dirname, '..', '..', '..', 'src', 'device', 'addon-interface.ts');
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest);
  const face = source.statements.filter(ts.isInterfaceDeclaration).find(({ name }) => name.text === 'Addon');
  return Object.fromEntries(
    face!.members
      .filter(ts.isMethodSignature)
      .map(({ name, parameters }) => [name.getText(source), parameters.map((p) => p.name.getText(source))]),
  );
}

test('TypeScript declares the functions that C++ registers, with the same parameters in the same order', (t) => {
  const registered = Object.entries(addon()).map(([name, entry]) => [
    name,
    (entry as { parameters: string[] }).parameters,
  ]);
  t.deepEqual(declared(), Object.fromEntries(registered));
});

test('an entry point takes as many arguments as it declares, no more and no less', (t) => {
  for (const [name, entry] of Object.entries(addon())) {
    const { length } = (entry as { parameters: string[] }).parameters;
    for (const count of [length - 1, length + 1]) {
      if (count < 0) continue;
      const call = () => (entry as (...args: unknown[]) => unknown)(...Array<unknown>(count).fill(undefined));
      t.throws(call, { instanceOf: TypeError, message: `expected ${length} arguments` }, name);
    }
  }
});

test('every use of noise has a place in the address', (t) => {
  for (const [name, stream] of Object.entries(Stream)) t.true(stream <= limits().stream, name);
});
