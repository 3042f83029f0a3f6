import test from 'ava';

import { type NoiseAddress, Stream } from '../../src/device/binding.js';
import { fillNormal, fillRademacher, fillUniform } from '../../src/device/kernels.js';
import {
  bitsOf,
  exactNormalPair,
  normalPair,
  normals,
  rademachers,
  threefry,
  uniforms,
} from '../support/native-reference.js';

const address: NoiseAddress = {
  seed: 0x0123456789abcdefn,
  salt: 77,
  samples: 5,
  step: 123456789,
  stream: Stream.corrector,
  substep: 3,
  particle: 0xfedcba98,
  visit: 2,
  node: 0x10000001,
};

function filled(kernel: typeof fillNormal, batch: number, size: number, noise: NoiseAddress): Float32Array {
  const out = new Float32Array(batch * size);
  kernel(out, batch, noise);
  return out;
}

test('the reference generator gives the known answer of Threefry4x32-20', (t) => {
  t.deepEqual(threefry([0, 0, 0, 0], [0, 0, 0, 0], 20), [0x9c6ca96a, 0xe17eae66, 0xfc10ecd4, 0x5256a7d8]);
});

for (const [batch, size] of [
  [1, 1],
  [64, 2],
  [5, 63],
  [3, 64],
  [3, 65],
  [3, 130],
  [2, 784],
  [1, 3072],
] as const) {
  test(`fills equal the reference bit for bit at ${batch} x ${size}`, (t) => {
    t.deepEqual([...filled(fillNormal, batch, size, address)], normals(address, batch, size));
    t.deepEqual([...filled(fillUniform, batch, size, address)], uniforms(address, batch, size));
    t.deepEqual([...filled(fillRademacher, batch, size, address)], rademachers(address, batch, size));
  });
}

test('normals agree with Box-Muller in double precision', (t) => {
  const exact = normals(address, 1, 4096, exactNormalPair);
  const worst = filled(fillNormal, 1, 4096, address).reduce(
    (max, z, i) => Math.max(max, Math.abs(z - exact[i]!)),
    0,
  );
  t.true(worst < 2e-6, `largest difference ${worst}`);
});

test('the transform gives the first normals that an independent prototype recorded', (t) => {
  // Threefry4x32-12 with key (42, 0, 0, 0), step 7, stream 1: elements 0 to 3 are word 0 of blocks 0 to 3.
  const recorded = [0xbfe20027, 0xbfba2ebc, 0x3f1ba50d, 0x3fbc5e55];
  const actual = recorded.map((_, block) => {
    const words = threefry([block, 0, 7, 1], [42, 0, 0, 0], 12);
    return bitsOf(normalPair(words[0]!, words[1]!)[0]);
  });
  t.deepEqual(actual, recorded);
});

test('a million normals keep the hash that the reference in TypeScript gives', (t) => {
  // FNV-1a of the little-endian bytes. Changing the noise of an address breaks every stored seed: never update this.
  const z = filled(fillNormal, 1, 2 ** 20, { seed: 42n, samples: 0, step: 7, stream: Stream.predictor });
  let [low, high] = [0x84222325, 0xcbf29ce4];
  for (const byte of new Uint8Array(z.buffer)) {
    low = (low ^ byte) >>> 0;
    // times 2^40 + 0x1b3, modulo 2^64
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + (low << 8) + Math.floor(product / 2 ** 32)) >>> 0;
    low = product >>> 0;
  }
  t.is(high.toString(16) + low.toString(16).padStart(8, '0'), '5dac76180a95d543');
});
