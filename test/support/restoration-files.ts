import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeNpy } from '../../src/io/npy.js';
import { modelBytes } from '../../src/onnx/file/model.js';
import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import type { MixtureSpec } from '../../src/score/mixture/spec.js';
import { fastsdeIn } from './command-line.js';
import { onnxNetwork } from './onnx-network.js';

/** Two digits, [2, 1, 28, 28], as bytes. */
export const digits: Uint8Array = Uint8Array.from(
  { length: 2 * 784 },
  (_, i) => ((i % 28) * 9 + Math.floor(i / 28)) % 256,
);

/** What `mixture.json` holds. */
export const mixtureSpec: MixtureSpec = {
  weights: [0.4, 0.6],
  means: [
    [-1, 0],
    [1, 0.5],
  ],
  covariances: [0.1, 0.2],
};

/** Two measurements by a matrix, under a mixture. */
export const byMatrix: readonly string[] = [
  ...['restore', '--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'A.npy'],
];

/** A folder with what restorations are made of, and what runs the command line and writes arrays there. */
export async function restorationFolder(): Promise<{
  readonly folder: string;
  readonly fastsde: ReturnType<typeof fastsdeIn>;
  readonly write: (
    name: string,
    data: Float32Array | Uint8Array | Float64Array,
    shape: readonly number[],
  ) => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-restore-'));
  const write = (name: string, data: Float32Array | Uint8Array | Float64Array, shape: readonly number[]) =>
    writeFile(join(folder, name), encodeNpy({ data, shape }));
  await write('digits.npy', digits, [2, 1, 28, 28]);
  await writeFile(join(folder, 'mixture.json'), JSON.stringify(mixtureSpec));
  await write('y.npy', Float32Array.of(0.3, -0.8), [2, 1]);
  await write('A.npy', Float64Array.of(0.5, 1), [1, 2]);
  await write('two.npy', Float32Array.of(0.8, 0.3), [1, 2]);
  const x = makeValueInfo('x', { type: 'float32', shape: ['N', 2] });
  const square = onnxNetwork([makeNode('Mul', ['x', 'x'], ['y'])], [], [x]);
  await writeFile(join(folder, 'square.onnx'), modelBytes(square));
  return { folder, fastsde: fastsdeIn(folder), write };
}
