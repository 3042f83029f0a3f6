// The native kernels of this build beside those of another one, in turns in one process, for each instruction set of this CPU:
//
//   BEFORE=/path/to/the/other/fastsde.node npm run bench -- kernels-before
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';

import { addon, nativeInfo, setThreads } from '../src/device/addon.js';
import { kernelShapes, torchTimes } from './kernels.js';
import { printTable } from './measure.js';

type Native = ReturnType<typeof addon>;

/** A function of the addon, which tells the names of its parameters. */
type Entry = ((...args: unknown[]) => void) & { readonly parameters: readonly string[] };

/** Calls a verb here and now, of an addon whose verbs take a queue first or of one from before. */
function call(
  native: Native,
  verb: 'affine' | 'langevin' | 'fill' | 'dots',
  ...args: readonly unknown[]
): void {
  const entry = (native as unknown as Readonly<Record<string, Entry>>)[verb]!;
  entry(...(entry.parameters[0] === 'queue' ? [undefined] : []), ...args);
}

/** A call of each addon, and how PyTorch's chain for the same work is named. */
interface Case {
  name: string;
  torch?: string;
  run: (native: Native, address: Uint32Array) => void;
}

function cases(batch: number, size: number): Case[] {
  const random = () => Float32Array.from({ length: batch * size }, () => Math.random() - 0.5);
  const [x, score, mean] = [random(), random(), random()];
  const rows = (...row: number[]) =>
    Float64Array.from({ length: row.length * batch }, (_, i) => row[i % row.length]!);
  const update = rows(0.99, 0.01, 0.1);
  const differing = update.map((c, i) => (i % 3 === 1 ? c + i * 1e-6 : c));
  const corrector = rows(0, 1, 2 * 0.01 ** 2);
  const products = new Float64Array(batch);
  const affine =
    (coefficients: Float64Array, to?: Float32Array) => (native: Native, address: Uint32Array) => {
      call(native, 'affine', x, [x, score], coefficients, to, address, 0);
    };
  const langevin = (norm: number, to?: Float32Array) => (native: Native, address: Uint32Array) => {
    call(native, 'langevin', x, score, corrector, norm, address, 0, to, undefined);
  };
  return [
    {
      name: 'normals',
      torch: 'normal',
      run: (native, address) => {
        call(native, 'fill', x, batch, 0, address, 0);
      },
    },
    { name: 'predictor', run: affine(update) },
    { name: 'predictor, rows that differ', run: affine(differing) },
    { name: 'predictor and mean', torch: 'predictor', run: affine(update, mean) },
    { name: 'Langevin, norms of the batch', run: langevin(0) },
    { name: 'Langevin, norms of the batch, and mean', torch: 'langevin', run: langevin(0, mean) },
    { name: 'Langevin, norms of the sample', run: langevin(1) },
    { name: 'Langevin, norms of the sample, and mean', run: langevin(1, mean) },
    { name: 'Langevin, sqrt(D), and mean', run: langevin(2, mean) },
    {
      name: 'dot products',
      run: (native) => {
        call(native, 'dots', x, score, products);
      },
    },
  ];
}

/** The noise address of step 3, with as many words as an addon takes: their number differs between versions. */
function addressFor(native: Native): Uint32Array {
  for (let words = 8; ; words--) {
    const address = new Uint32Array(words);
    address[3] = 3;
    try {
      call(native, 'fill', new Float32Array(1), 1, 0, address, 0);
      return address;
    } catch (error) {
      if (words === 1) throw error;
    }
  }
}

/** Nanoseconds of a call of each, taken in turns for a second, the best of many runs of some 0.3 ms. */
function inTurns(calls: readonly (() => void)[]): number[] {
  const best = calls.map(() => Infinity);
  let repeats = 1;
  const end = performance.now() + 1000;
  while (performance.now() < end) {
    for (const [i, call] of calls.entries()) {
      call();
      const start = performance.now();
      for (let n = 0; n < repeats; n++) call();
      const time = ((performance.now() - start) * 1e6) / repeats;
      best[i] = Math.min(best[i]!, time);
    }
    repeats = Math.max(1, Math.round(3e5 / Math.min(...best)));
  }
  return best;
}

/** Prints one table per instruction set. */
export function run(): void {
  const file = process.env['BEFORE'];
  if (file === undefined) {
    console.log('Set BEFORE to the fastsde.node of another build to compare the kernels with it.');
    return;
  }
  const after = addon();
  const before = createRequire(import.meta.url)(path.resolve(file)) as Native;
  setThreads(1);
  before.setThreads(1);
  const torch = torchTimes();
  const { isa: own, supported } = nativeInfo();
  console.log(
    `Kernels on ${os.cpus()[0]?.model ?? 'an unknown CPU'}, one thread, ns per element; load average`,
  );
  console.log(
    `${os.loadavg()[0]!.toFixed(1)}, ${path.resolve(file)} before; best of many short runs in turns.`,
  );
  for (const isa of supported.filter((name) => name !== 'baseline')) {
    for (const native of [before, after]) native.selectIsa(isa);
    const rows = kernelShapes.flatMap(([batch, size]) =>
      cases(batch, size).map(({ name, torch: chain, run: call }) => {
        const [old, now] = inTurns(
          [before, after].map((native) => {
            const address = addressFor(native);
            return () => {
              call(native, address);
            };
          }),
        ).map((time) => time / (batch * size)) as [number, number];
        const other = chain === undefined ? undefined : torch[`${chain} ${batch}x${size}`];
        const digits = (value: number) => value.toFixed(value < 10 ? 3 : 1);
        return [
          name,
          `${batch}x${size}`,
          ...[old, now].map(digits),
          (now / old).toFixed(2),
          other === undefined ? '' : digits(other),
          other === undefined ? '' : `${(other / now).toFixed(1)}x`,
        ];
      }),
    );
    console.log(`\n${isa}`);
    printTable(['kernel', 'shape', 'before', 'after', 'after / before', 'PyTorch', 'ratio'], rows);
  }
  after.selectIsa(own);
}
