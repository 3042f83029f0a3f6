// npm run bench -- rows: processor time of a network per row, by the rows of a call, in turns.
import { readFile } from 'node:fs/promises';

import { buildNetwork } from '../src/networks/build.js';
import type { UNetDescription } from '../src/networks/description.js';
import { modelBytes } from '../src/onnx/file/model.js';
import { createSession } from '../src/onnx/run/runtime.js';
import { elementCount } from '../src/shape.js';
import { printTable } from './measure.js';

const ROWS = [4, 8, 16, 32, 64];

const unet = (channels: readonly number[], size: number): UNetDescription => ({
  ...{ kind: 'unet', sde: 'vp', parameterization: 'eps' },
  ...{ channels, shape: [3, size, size] },
});

const networks: [name: string, bytes: () => Promise<Uint8Array>, shape: readonly number[], rounds: number][] =
  [
    ['mnist-vp', () => readFile('models/mnist-vp.onnx'), [1, 28, 28], 9],
    ['mnist-ve', () => readFile('models/mnist-ve.onnx'), [1, 28, 28], 9],
    ...([[[64, 128], 32, 5] as const, [[96, 192], 64, 3] as const] as const).map(
      ([channels, size, rounds]): (typeof networks)[number] => {
        const description = unet(channels, size);
        const bytes = () => Promise.resolve(modelBytes(buildNetwork(description, 0n)));
        return [`U-Net ${channels.join(', ')} at ${size}x${size}`, bytes, description.shape, rounds];
      },
    ),
  ];

export async function run(): Promise<void> {
  const table: string[][] = [];
  for (const [name, bytes, shape, rounds] of networks) {
    const session = await createSession(await bytes(), { threads: 1 });
    const [x, t] = session.inputs.map((input) => input.name) as [string, string];
    const best = ROWS.map(() => Infinity);
    for (let round = 0; round < rounds; round++) {
      for (const [k, rows] of ROWS.entries()) {
        const feeds = {
          [x]: { data: new Float32Array(rows * elementCount(shape)).fill(0.1), dims: [rows, ...shape] },
          [t]: { data: new Float32Array(rows).fill(500), dims: [rows] },
        };
        const before = process.cpuUsage();
        for (let done = 0; done < 64; done += rows) await session.run(feeds);
        const { user, system } = process.cpuUsage(before);
        best[k] = Math.min(best[k]!, (user + system) / 64e3);
      }
    }
    await session.release();
    table.push([name, ...best.map((value) => value.toPrecision(3))]);
  }
  printTable(['ms of processor time a row', ...ROWS.map((rows) => `${rows} rows`)], table);
}
