import test from 'ava';

import { type NoiseAddress, Stream } from '../src/native/binding.js';
import { fillNormal, fillRademacher, fillUniform } from '../src/native/kernels.js';
import { exactNormalPair, normals, rademachers, threefry, uniforms } from './native-reference.js';

const address: NoiseAddress = {
  seed: 0x0123456789abcdefn,
  salt: 77,
  samples: 5,
  step: 123456789,
  stream: Stream.corrector,
  substep: 3,
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
