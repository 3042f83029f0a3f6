// Whether the emulation of a GPU finds mistakes in kernels: each is made in a copy of the sources, and must not pass.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import { compileDriver } from '../support/emulated-gpu.js';

const root = path.join(import.meta.dirname, '..', '..', '..');
const child = path.join(import.meta.dirname, '..', 'support', 'gpu-mutant-child.js');

interface Mutant {
  readonly name: string;
  /** The module that is compiled, and the file that the mistake is in. */
  readonly module: string;
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
  readonly verb: string;
  /** What is said of it. */
  readonly expected: RegExp;
}

const mutants: readonly Mutant[] = [
  {
    name: 'none',
    ...{ module: 'dots.cu', file: 'dots.cu', right: '', wrong: '' },
    ...{ verb: 'dots', expected: /^$/ },
  },
  {
    name: 'a missing barrier',
    ...{ module: 'ordered.cu', file: 'kernel.h' },
    right: 'for (size_t i = 0; i < now; ++i) all = fold(all, room[i]);\n        __syncthreads();',
    wrong: 'for (size_t i = 0; i < now; ++i) all = fold(all, room[i]);',
    ...{ verb: 'scaledErrors', expected: /elements of array 3/ },
  },
  {
    name: 'a sum in another order',
    ...{ module: 'dots.cu', file: 'kernel.h' },
    right: 'for (unsigned int half = width / 2; half > 0; half /= 2)',
    wrong: 'for (unsigned int half = 1; half < width; half *= 2)',
    ...{ verb: 'dots', expected: /elements of array 2/ },
  },
  {
    name: 'a part of a warp that meets',
    ...{ module: 'dots.cu', file: 'kernel.h' },
    right: 'value = add(value, __shfl_xor_sync',
    wrong: 'if (threadIdx.x % 2 == 0) value = add(value, __shfl_xor_sync',
    ...{ verb: 'dots', expected: /a thread left a warp/ },
  },
  {
    name: 'a write out of bounds',
    ...{ module: 'clip.cu', file: 'clip.cu' },
    right: 'if (i >= p.count) return;',
    wrong: 'if (i > p.count) return;',
    ...{ verb: 'clip', expected: /elements of array 0/ },
  },
  {
    name: 'an access far out of bounds',
    ...{ module: 'clip.cu', file: 'clip.cu' },
    right: 'const size_t i = threadNumber();\n    if (i >= p.count) return;',
    wrong: 'const size_t i = threadNumber() << 20;',
    ...{ verb: 'clip', expected: /SIGSEGV/ },
  },
  {
    name: 'a gradient that is not brought down',
    ...{ module: 'training.cu', file: 'training.cu' },
    right: 'c.gradientScale = *p.scale',
    wrong: 'c.gradientScale = 1',
    ...{ verb: 'adamw', expected: /elements of array 0/ },
  },
  {
    name: 'factors beyond the last element',
    ...{ module: 'vectors.cu', file: 'vectors.cu' },
    right: 'if (i >= p.count) return;\n    p.x[i] = multiply',
    wrong: 'if (i > p.count) return;\n    p.x[i] = multiply',
    ...{ verb: 'weigh', expected: /elements of array 0/ },
  },
  {
    name: 'a product with the zeros of a matrix',
    ...{ module: 'vectors.cu', file: 'vectors.cu' },
    right: ': value != 0;',
    wrong: ': true;',
    ...{ verb: 'multiplyAxis', expected: /elements of array 0/ },
  },
  {
    name: 'vectors that are read before they are orthogonal',
    ...{ module: 'vectors.cu', file: 'vectors.cu' },
    right: 'other[i], own[i]);\n        __syncthreads();',
    wrong: 'other[i], own[i]);',
    ...{ verb: 'orthonormalize', expected: /elements of array [01]/ },
  },
  {
    name: 'a rotation with fused operations',
    ...{ module: 'vectors.cu', file: '../krylov.h' },
    right: 'add(multiply(cosine, a), multiply(sine, b))',
    wrong: 'multiplyAdd(cosine, a, multiply(sine, b))',
    ...{ verb: 'leastResiduals', expected: /elements of array 0/ },
  },
];

for (const { name, module, file, right, wrong, verb, expected } of mutants) {
  test(`the emulation finds ${name}`, (t) => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'fastsde-'));
    t.teardown(() => {
      rmSync(folder, { recursive: true });
    });
    const native = path.join(folder, 'native');
    cpSync(path.join(root, 'native'), native, { recursive: true });
    const place = path.join(native, 'cuda', file);
    const source = readFileSync(place, 'utf8');
    t.true(source.includes(right), 'the place of the mistake is there');
    writeFileSync(place, source.replace(right, wrong));
    const driver = path.join(folder, 'libcuda.so');
    compileDriver(path.join(native, 'cuda', module), driver);
    const env = { ...process.env, FASTSDE_LIBCUDA: driver };
    const { status, signal, stderr } = spawnSync(process.execPath, [child, verb], { env, encoding: 'utf8' });
    t.regex(`${signal ?? ''}${stderr}`, expected);
    t.is(status === 0, name === 'none', stderr);
  });
}
