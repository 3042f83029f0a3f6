// The native kernels per element, beside the memory traffic that they cannot avoid, and beside the same work as a chain of
// whole-array operations in plain JavaScript and in PyTorch (where python3 has torch).
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';

import { nativeInfo, setThreads } from '../src/device/addon.js';
import { adamw } from '../src/device/adamw.js';
import { type NoiseAddress, Stream } from '../src/device/binding.js';
import { diffuse } from '../src/device/diffuse.js';
import { toBytes } from '../src/device/bytes.js';
import {
  affine,
  dots,
  fillNormal,
  fillRademacher,
  fillUniform,
  langevinStep,
} from '../src/device/kernels.js';
import { nanoseconds, printTable } from './measure.js';

/** Samples and elements of a sample. */
export const kernelShapes: readonly (readonly [batch: number, size: number])[] = [
  [64, 2],
  [64, 1 * 28 * 28],
  [64, 3 * 32 * 32],
  [16, 3 * 256 * 256],
];

const noise: NoiseAddress = { seed: 1n, samples: 0, step: 0, stream: Stream.predictor };

/** One piece of work: natively, as unavoidable memory traffic, and as a chain in JavaScript; `torch` names it in the script. */
interface Case {
  name: string;
  torch?: string;
  native: () => void;
  floor?: () => void;
  chain?: () => unknown;
}

function cases(batch: number, size: number): Case[] {
  const n = batch * size;
  const random = () => Float32Array.from({ length: n }, () => Math.random() - 0.5);
  const [x, score, mean] = [random(), random(), random()];
  const update = Float64Array.from({ length: 3 * batch }, (_, i) => [0.99, 0.01, 0.1][i % 3]!);
  const traffic = Float64Array.from({ length: 3 * batch }, (_, i) => [0.99, 0.01, 0][i % 3]!);
  const corrector = Float64Array.from({ length: 3 * batch }, (_, i) => [0, 1, 2 * 0.01 ** 2][i % 3]!);
  const products = new Float64Array(batch);
  const bytes = new Uint8Array(n);
  const flips = Uint8Array.from({ length: batch }, (_, b) => b % 2);
  const diffusion = Float64Array.from({ length: 4 * batch }, (_, i) => [0.8, 0.6, -0.6, 0.8][i % 4]!);
  const reading = { range: [-1, 1], flips, width: size % 784 === 0 ? 28 : size % 32 === 0 ? 32 : 1 } as const;
  const readWrite = () => {
    affine(x, [x, score], traffic);
  };
  const write = () => x.fill(1);
  return [
    {
      name: 'normals',
      torch: 'normal',
      native: () => {
        fillNormal(x, batch, noise);
      },
      floor: write,
      chain: () => randn(n),
    },
    {
      name: 'uniforms',
      native: () => {
        fillUniform(x, batch, noise);
      },
      floor: write,
    },
    {
      name: 'Rademacher signs',
      native: () => {
        fillRademacher(x, batch, noise);
      },
      floor: write,
    },
    {
      name: 'predictor',
      native: () => {
        affine(x, [x, score], update, noise);
      },
      floor: readWrite,
    },
    {
      name: 'predictor and mean',
      torch: 'predictor',
      native: () => {
        affine(x, [x, score], update, noise, mean);
      },
      floor: readWrite,
      chain: () => predictorChain(x, score),
    },
    ...(['batch', 'sample', 'sqrt-d'] as const).map((norm) => ({
      name: `Langevin, ${norm} norms`,
      ...(norm === 'batch' ? { torch: 'langevin', chain: () => langevinChain(x, score, batch) } : {}),
      native: () => {
        langevinStep(x, score, corrector, norm, noise, { mean });
      },
      floor: readWrite,
    })),
    {
      name: 'bytes, half mirrored, diffused, and target',
      torch: 'diffuse',
      native: () => {
        diffuse(x, mean, bytes, diffusion, noise, reading);
      },
    },
    {
      name: 'dot products',
      native: () => {
        dots(x, score, products);
      },
    },
    {
      name: 'floats to bytes',
      native: () => {
        toBytes(score, -1, 1, bytes);
      },
    },
  ];
}

function optimizerCase(n: number): Case {
  const random = () => Float32Array.from({ length: n }, () => Math.random());
  const traffic = Float64Array.of(1, 0, 0);
  const [p, g, m, v, values] = [random(), random(), random(), random(), random()];
  return {
    name: 'AdamW and EMA',
    torch: 'adamw',
    floor: () => {
      // three times 12 of the 36 bytes
      affine(p, [p, g], traffic);
      affine(m, [m, v], traffic);
      affine(values, [values, g], traffic);
    },
    native: () => {
      adamw(p, g, m, v, [{ values, decay: 0.999 }], { learningRate: 1e-9, step: 1000 });
    },
  };
}

// The chains: one operation of the textbook at a time, each with an array of its own.
type Chained = Float32Array;

const map = (a: Chained, f: (x: number) => number): Chained => {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = f(a[i]!);
  return out;
};
const add = (a: Chained, b: Chained): Chained => {
  const out = new Float32Array(a.length);
  for (let i = 0; i < a.length; i++) out[i] = a[i]! + b[i]!;
  return out;
};
const scale = (a: Chained, c: number): Chained => map(a, (x) => c * x);

function randn(n: number): Chained {
  const out = new Float32Array(n);
  for (let i = 0; i < n; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
    const angle = 2 * Math.PI * Math.random();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < n) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

function predictorChain(x: Chained, score: Chained): [Chained, Chained] {
  const drift = add(scale(x, -0.5), scale(score, -1));
  const mean = add(x, scale(drift, -0.001));
  return [add(mean, scale(randn(x.length), 0.03)), mean];
}

function meanNorm(a: Chained, batch: number): number {
  const size = a.length / batch;
  let sum = 0;
  for (let b = 0; b < batch; b++) {
    let squares = 0;
    for (let i = b * size; i < (b + 1) * size; i++) squares += a[i]! ** 2;
    sum += Math.sqrt(squares);
  }
  return sum / batch;
}

function langevinChain(x: Chained, score: Chained, batch: number): [Chained, Chained] {
  const z = randn(x.length);
  const step = 2 * ((0.01 * meanNorm(z, batch)) / meanNorm(score, batch)) ** 2;
  const mean = add(x, scale(score, step));
  return [add(mean, scale(z, Math.sqrt(2 * step))), mean];
}

/** Nanoseconds per element of the chains in PyTorch on one core, by `work batch size`; empty without torch. */
export function torchTimes(): Record<string, number> {
  const script = path.join(import.meta.dirname, '..', '..', 'bench', 'kernels_torch.py');
  const work = [...kernelShapes.map(([batch, size]) => `${batch}x${size}`)];
  const { status, stdout } = spawnSync('python3', [script, ...work], { encoding: 'utf8' });
  return status === 0 ? (JSON.parse(stdout) as Record<string, number>) : {};
}

/** Prints one table; see docs/performance.md. */
export function run(): void {
  const { isa, threads } = nativeInfo();
  const torch = torchTimes();
  console.log(
    `Kernels on ${os.cpus()[0]?.model ?? 'an unknown CPU'}, ${isa}; nanoseconds per element, best of many short runs.`,
  );
  console.log(
    'floor: the same bytes read and written without arithmetic to speak of. Chains run on one thread.',
  );
  if (Object.keys(torch).length === 0) console.log('python3 with torch was not found: no PyTorch figures.');
  const digits = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));
  const row = (work: Case, n: number, shape: string): string[] => {
    setThreads(1);
    const native = nanoseconds(work.native) / n;
    const floor = work.floor && nanoseconds(work.floor) / n;
    const chain = work.chain && nanoseconds(work.chain) / n;
    const other = work.torch === undefined ? undefined : torch[`${work.torch} ${shape}`];
    setThreads(threads);
    const parallel = nanoseconds(work.native) / n;
    const number = (value: number | undefined) => (value === undefined ? '' : digits(value));
    const ratio = (value: number | undefined) => (value === undefined ? '' : `${digits(value / native)}x`);
    return [
      work.name,
      shape,
      ...[native, parallel, floor, chain].map(number),
      ratio(chain),
      number(other),
      ratio(other),
    ];
  };
  const rows = kernelShapes.flatMap(([batch, size]) =>
    cases(batch, size).map((work) => row(work, batch * size, `${batch}x${size}`)),
  );
  rows.push(...[1_000_000, 20_000_000].map((n) => row(optimizerCase(n), n, String(n))));
  const header = [
    'kernel',
    'shape',
    '1 thread',
    `${threads} threads`,
    'floor',
    'JavaScript',
    'ratio',
    'PyTorch',
    'ratio',
  ];
  printTable(header, rows);
}
