import test from 'ava';
import { ModelError } from '../../../src/errors.js';
import { modelBytes } from '../../../src/onnx/file/model.js';
import type { NodeProto } from '../../../src/onnx/file/proto.js';
import { makeTensor } from '../../../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../../../src/onnx/graph/graph.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { onnxNetwork } from '../../support/onnx-network.js';

/** A network that multiplies its state with a row of a table, which these nodes find (`place`) from the time. */
function lookup(rows: number, place: NodeProto[], time: 'int64' | 'float32' = 'int64'): Uint8Array {
  const picture = { type: 'float32', shape: ['N', 1, 2, 2] } as const;
  return modelBytes(
    onnxNetwork(
      [
        ...place,
        makeNode('Gather', ['table', 'place'], ['row']),
        makeNode('Unsqueeze', ['row', 'axes'], ['factor']),
        makeNode('Mul', ['x', 'factor'], ['y']),
      ],
      [
        makeTensor(
          'table',
          'float32',
          [rows],
          Array.from({ length: rows }, (_, i) => i),
        ),
        makeTensor('axes', 'int64', [3], [1, 2, 3]),
        makeTensor('one', 'int64', [], [1]),
        makeTensor('scale', 'float32', [], [rows - 1]),
        makeTensor('zero', 'float32', [], [0]),
      ],
      [makeValueInfo('x', picture), makeValueInfo('time', { type: time, shape: ['N'] })],
    ),
  );
}

const plain = [makeNode('Identity', ['time'], ['place'])];
const fromOne = [makeNode('Sub', ['time', 'one'], ['place'])];
const fraction = [
  makeNode('Mul', ['time', 'scale'], ['scaled']),
  makeNode('Round', ['scaled'], ['rounded']),
  makeNode('Cast', ['rounded'], ['place'], { to: 7 }),
];
const clipped = [
  makeNode('Clip', ['time', 'zero', 'scale'], ['kept']),
  makeNode('Cast', ['kept'], ['place'], { to: 7 }),
];

const common: LoadOptions = { sde: 'vp', parameterization: 'eps', labels: 'index', probe: false, threads: 1 };

for (const [words, file, options, refused] of [
  [
    'more levels than rows',
    lookup(500, plain),
    {},
    /"time" up in the table "table" of 500 rows, for labels from 0 to 499; .* labels index .* fed 0 to 999\. Give trainedLevels \(--trained-levels 500\)/,
  ],
  ['as many levels as rows', lookup(500, plain), { trainedLevels: 500 }, undefined],
  ['fewer levels than rows', lookup(1001, plain), {}, undefined],
  [
    'a count from 1',
    lookup(500, fromOne),
    { trainedLevels: 500 },
    /from 1 to 500; .* 0 to 499\. It counts levels from 1/,
  ],
  ['a fraction of T', lookup(501, fraction, 'float32'), { labels: 't' }, undefined],
  [
    'another fraction',
    lookup(501, fraction, 'float32'),
    { labels: 't*999' },
    /from 0 to 1; .* to 999\. Check the labels/,
  ],
  [
    'labels of noise',
    lookup(501, fraction, 'float32'),
    { labels: 'log-sigma' },
    /would be fed -\d.*Check the labels/,
  ],
  ['a time that is clipped', lookup(501, clipped, 'float32'), { labels: 't*999' }, undefined],
] as const)
  test(`labels are held against a table of the network: ${words}`, async (t) => {
    const loaded = loadModel(file, { ...common, ...options });
    if (refused) await t.throwsAsync(loaded, { instanceOf: ModelError, message: refused });
    else await t.notThrowsAsync(loaded.then((model) => model.close()));
  });

test('classes are held against a table of the network', async (t) => {
  const picture = { type: 'float32', shape: ['N', 1, 2, 2] } as const;
  const file = modelBytes(
    onnxNetwork(
      [
        makeNode('Gather', ['embedding', 'classes'], ['row']),
        makeNode('Unsqueeze', ['row', 'axes'], ['factor']),
        makeNode('Mul', ['x', 'factor'], ['y']),
      ],
      [
        makeTensor(
          'embedding',
          'float32',
          [10],
          Array.from({ length: 10 }, (_, i) => i),
        ),
        makeTensor('axes', 'int64', [3], [1, 2, 3]),
      ],
      [
        makeValueInfo('x', picture),
        makeValueInfo('t', { type: 'float32', shape: ['N'] }),
        makeValueInfo('classes', { type: 'int64', shape: ['N'] }),
      ],
    ),
  );
  const options = { ...common, labels: 't*999' };
  await t.throwsAsync(loadModel(file, { ...options, classes: 11 }), {
    instanceOf: ModelError,
    message:
      /"classes" up in the table "embedding" of 10 rows, for classes from 0 to 9, and 11 classes were declared: give classes .--classes 10/,
  });
  await (await loadModel(file, { ...options, classes: 10 })).close();
});
