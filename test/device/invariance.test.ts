import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

import test from 'ava';

import { nativeInfo, setThreads } from '../../src/device/addon.js';
import { type NoiseAddress, type State, Stream } from '../../src/device/binding.js';
import {
  affine,
  clip,
  threshold,
  dots,
  fillNormal,
  fillRademacher,
  fillUniform,
  langevinStep,
  matchSpread,
  addNoise,
  projectMeasurement,
  scaledErrors,
} from '../../src/device/kernels.js';
import { digests } from '../support/native-digests.js';
import { scrambled } from '../support/native-reference.js';

const address = { seed: 99n, step: 3, stream: Stream.corrector } as const;

const digestsModule = pathToFileURL(
  path.join(import.meta.dirname, '..', 'support', 'native-digests.js'),
).href;

test('every instruction set gives the same bits', (t) => {
  const run = `import(${JSON.stringify(digestsModule)}).then((m) => process.stdout.write(m.digests()))`;
  const expected = digests();
  for (const isa of nativeInfo().supported) {
    const env = { ...process.env, FASTSDE_ISA: isa };
    t.is(execFileSync(process.execPath, ['-e', run], { encoding: 'utf8', env }), expected, isa);
  }
});

test.serial('every number of threads gives the same bits', (t) => {
  const { threads } = nativeInfo();
  t.teardown(() => {
    setThreads(threads);
  });
  setThreads(1);
  const expected = digests();
  for (const count of [2, 3, 8]) {
    setThreads(count);
    t.is(digests(), expected, `${count} threads`);
  }
});

test.serial('JavaScript threads that use the kernels at the same time get the same bits', async (t) => {
  setThreads(3);
  const code = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(digestsModule)}).then((m) => parentPort.postMessage(m.digests()));`;
  const workers = [1, 2].map(() => new Worker(code, { eval: true }));
  const results = workers.map((worker) => once(worker, 'message') as Promise<[string]>);
  const expected = digests();
  for (const result of results) t.is((await result)[0], expected);
  t.is(nativeInfo().threads, 3, 'a worker thread keeps what was set before it');
});

/** Whether two arrays hold the same bytes; far faster on long arrays than t.deepEqual. */
function sameBits(a: State, b: State): boolean {
  const bytes = (array: State) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

/** A kernel that updates x, one row of three coefficients per sample. */
type Update = (x: State, other: State, coefficients: Float64Array, noise: NoiseAddress) => void;

const updates: Record<string, Update> = {
  fillNormal: (x, _, c, noise) => {
    fillNormal(x, c.length / 3, noise);
  },
  fillUniform: (x, _, c, noise) => {
    fillUniform(x, c.length / 3, noise);
  },
  fillRademacher: (x, _, c, noise) => {
    fillRademacher(x, c.length / 3, noise);
  },
  affine: (x, other, c, noise) => {
    affine(x, [x, other], c, noise);
  },
  'langevin with sample norms': (x, other, c, noise) => {
    langevinStep(x, other, c.map(Math.abs), 'sample', noise);
  },
  'langevin with sqrt-d norms': (x, other, c, noise) => {
    langevinStep(x, other, c.map(Math.abs), 'sqrt-d', noise);
  },
  dots: (x, other, c) => {
    const out = new Float64Array(c.length / 3);
    dots(x, other, out);
    x.fill(out.at(-1)!, x.length - x.length / out.length);
  },
  addNoise: (x, other, c, noise) => {
    addNoise(
      x,
      Float32Array.from(other),
      c.filter((_, i) => i % 3 < 2),
      noise,
    );
  },
  clip: (x) => {
    clip(x, -0.25, 0.5);
  },
  threshold: (x, _, c) => {
    threshold(x, c.length / 3, [-0.25, 0.5], 0.6);
  },
  scaledErrors: (x, other, c) => {
    if (x instanceof Float32Array) return;
    const out = new Float64Array(c.length / 3);
    scaledErrors(x, x, Float64Array.from(other), 1e-5, 1e-3, out);
    const size = x.length / out.length;
    for (const [b, error] of out.entries()) x.fill(error, b * size, (b + 1) * size);
  },
  matchSpread: (x, other, c) => {
    const like = x instanceof Float64Array ? Float64Array.from(other) : Float32Array.from(other);
    matchSpread(
      x,
      like,
      c.filter((_, i) => i % 3 === 0),
    );
  },
  projectMeasurement: (x, other, c, noise) => {
    if (x instanceof Float64Array || other instanceof Float64Array) return;
    const mask = new Float32Array(x.length / (c.length / 3)).fill(1);
    projectMeasurement(
      x,
      other,
      mask,
      c.filter((_, i) => i % 3 < 2),
      noise,
    );
  },
};

for (const [name, update] of Object.entries(updates)) {
  for (const size of [2, 97, 784, 8192, 66000]) {
    test(`${name} treats a sample of ${size} alike in any batch and at any alignment`, (t) => {
      const batch = size < 100 ? 300 : size < 10000 ? 12 : 3;
      const first = 41;
      for (const type of [Float32Array, Float64Array]) {
        const x = type.from(scrambled(batch * size, 1));
        const other = Float32Array.from(scrambled(batch * size, 2));
        const coefficients = Float64Array.from(scrambled(3 * batch, 3));
        const whole = x.slice();
        update(whole, other, coefficients, { ...address, samples: first });

        const row = (array: State, b: number, width: number) => array.slice(b * width, (b + 1) * width);
        for (const b of [0, 1, batch - 1]) {
          const memory = new type(size + 1); // a view that is not aligned to a vector
          const sample = memory.subarray(1);
          sample.set(row(x, b, size));
          const c = coefficients.slice(3 * b, 3 * b + 3);
          update(sample, row(other, b, size), c, { ...address, samples: first + b });
          if (name !== 'dots' || b === batch - 1)
            t.true(sameBits(sample, row(whole, b, size)), `sample ${b} alone`);
        }

        if (name === 'dots') continue;
        const order = Array.from({ length: batch }, (_, b) => (b * 7) % batch);
        const permute = (array: State, width: number) => {
          const result = array.slice();
          for (const [i, b] of order.entries()) result.set(row(array, b, width), i * width);
          return result;
        };
        const permuted = permute(x, size);
        const rows = permute(coefficients, 3) as Float64Array;
        const samples = Float64Array.from(order, (b) => first + b);
        update(permuted, permute(other, size), rows, { ...address, samples });
        t.true(sameBits(permuted, permute(whole, size)), 'samples by index, in another order');
      }
    });
  }
}

test('a coefficient row shared by all samples gives what separate rows give', (t) => {
  const x = Float32Array.from(scrambled(64 * 2, 1));
  const equal = Float64Array.from({ length: 64 * 2 }, (_, i) => (i % 2 === 0 ? 0.7 : 0.3));
  const mixed = equal.slice();
  mixed[127] = 0.4;
  const [a, b] = [new Float32Array(128), new Float32Array(128)];
  affine(a, [x], equal, { ...address, samples: 0 });
  affine(b, [x], mixed, { ...address, samples: 0 });
  t.deepEqual(a.subarray(0, 126), b.subarray(0, 126));
});

test('noise differs where any part of its address differs', (t) => {
  const base: NoiseAddress = { ...address, samples: 0 };
  const variants: NoiseAddress[] = [
    base,
    { ...base, seed: 100n },
    { ...base, seed: 99n + (1n << 63n) },
    { ...base, salt: 1 },
    { ...base, step: 4 },
    { ...base, stream: Stream.prior },
    { ...base, substep: 1 },
    { ...base, particle: 1 },
    { ...base, visit: 1 },
    { ...base, node: 1 },
    { ...base, samples: 1 },
    { ...base, samples: 2 ** 40 },
  ];
  const seen = new Set(
    variants.map((noise) => {
      const out = new Float32Array(64);
      fillNormal(out, 1, noise);
      return out.join();
    }),
  );
  t.is(seen.size, variants.length);
});
