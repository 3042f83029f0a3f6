import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { isModelFile, modelSource, pathOf, type FilePath } from '../../src/io/path.js';

test('a path stays as it is, and a file: URL becomes one', (t) => {
  for (const path of [
    'model.onnx',
    '/a b/ü.onnx',
    'C:\\models\\a.onnx',
    'blur:3',
    'notes:today.npy',
    '',
    '.',
  ])
    t.is(pathOf('model', path), path);
  const place = resolve('a folder', 'modèle #1.onnx');
  const url = pathToFileURL(place);
  for (const given of [
    url,
    url.href,
    { href: url.href, protocol: 'file:' },
    url.href.replace('file', 'FILE'),
  ])
    t.is(pathOf('model', given), place);
});

for (const [given, expected] of [
  [
    'https://example.org/a%20b.onnx',
    /model must be a file: nothing is downloaded\. First: curl -L -O https:/,
  ],
  [new URL('http://example.org/x.npy'), /nothing is downloaded/],
  ['s3://bucket/model.onnx', /a path, or the file: URL of a file/],
  [new URL('data:text/plain,x'), /a path, or the file: URL of a file/],
  ['file://elsewhere/model.onnx', /of this machine/],
  ['file:///a%2Fb.onnx', /of this machine/],
  [5, /a path, or the file: URL/],
  [undefined, /a path, or the file: URL/],
  [{ href: 5 }, /a path, or the file: URL/],
] as const) {
  test(`what is no file of this machine is refused by name: ${given === undefined ? 'nothing' : JSON.stringify(given)}`, (t) => {
    const refused = t.throws(() => pathOf('model', given as FilePath), { instanceOf: OptionError });
    t.regex(refused.message, expected);
  });
}

test('a model is given by its place or by its bytes, which are not copied', async (t) => {
  const file = await readFile('package.json');
  t.is(modelSource('model', file), file);
  const buffer = new ArrayBuffer(4);
  const view = modelSource('model', buffer) as Uint8Array;
  t.is(view.buffer, buffer);
  t.is(modelSource('model', pathToFileURL(resolve('x.onnx'))), resolve('x.onnx'));
  for (const stray of [null, 5, {}, [1], new Float32Array(2), new DataView(buffer)]) {
    t.false(isModelFile(stray));
    t.throws(() => modelSource('classifier', stray as unknown as string), { instanceOf: OptionError, message: /^classifier must be the path or file: URL/ }); // prettier-ignore
  }
});
