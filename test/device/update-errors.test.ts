// Updates of states refuse what they cannot use.
import { diffuse } from '../../src/device/diffuse.js';
import { affine, fillNormal, langevinStep, projectMeasurement, addNoise } from '../../src/device/kernels.js';
import { f32, f64, noise, wrong, testRefusals, type Refused } from '../support/refusals.js';

const shared = f32(20);

function detached(): Float32Array {
  const array = new Float32Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

testRefusals([
  [
    'no typed array',
    'out',
    () => {
      affine(wrong([1, 2]), [f32(2)], f64(1, 0));
    },
  ],
  [
    'an integer array',
    'out',
    () => {
      affine(wrong(new Int32Array(2)), [f32(2)], f64(1, 0));
    },
  ],
  [
    'an empty array',
    'out',
    () => {
      affine(f32(0), [f32(0)], f64(1, 0));
    },
  ],
  [
    'a detached array',
    'out',
    () => {
      affine(detached(), [f32(8)], f64(1, 0));
    },
  ],
  [
    'a detached operand',
    'operands[0]',
    () => {
      affine(f32(8), [detached()], f64(1, 0));
    },
  ],
  [
    'no operand',
    'operands',
    () => {
      affine(f32(8), [], f64(1));
    },
  ],
  [
    'nine operands',
    'operands',
    () => {
      affine(f32(8), Array<Float32Array>(9).fill(f32(8)), new Float64Array(10));
    },
  ],
  [
    'a short operand',
    'operands[1]',
    () => {
      affine(f32(8), [f32(8), f32(7)], f64(1, 1, 0));
    },
  ],
  [
    'a float64 operand of a float32 result',
    'operands[0]',
    () => {
      affine(f32(8), [new Float64Array(8)], f64(1, 0));
    },
  ],
  [
    'an operand that overlaps the result',
    'operands[0]',
    () => {
      affine(shared.subarray(0, 8), [shared.subarray(1, 9)], f64(1, 0));
    },
  ],
  [
    'coefficients of float32',
    'coefficients',
    () => {
      affine(f32(8), [f32(8)], wrong(f32(2)));
    },
  ],
  [
    'a row too short',
    'coefficients',
    () => {
      affine(f32(8), [f32(8)], f64(1, 0, 1));
    },
  ],
  [
    'a batch that does not divide',
    'coefficients',
    () => {
      affine(f32(8), [f32(8)], f64(1, 0, 1, 0, 1, 0));
    },
  ],
  [
    'no coefficients',
    'coefficients',
    () => {
      affine(f32(8), [f32(8)], f64());
    },
  ],
  [
    'a NaN coefficient',
    'coefficients[1][0]',
    () => {
      affine(f32(8), [f32(8)], f64(1, 0, NaN, 0));
    },
  ],
  [
    'an infinite coefficient',
    'coefficients[0][1]',
    () => {
      affine(f32(8), [f32(8)], f64(1, Infinity));
    },
  ],
  [
    'a mean of another type',
    'mean',
    () => {
      affine(f32(8), [f32(8)], f64(1, 1), noise, new Float64Array(8));
    },
  ],
  [
    'a mean that is the result',
    'mean',
    () => {
      affine(shared, [f32(20)], f64(1, 1), noise, shared);
    },
  ],
  [
    'a numeric seed',
    'noise.seed',
    () => {
      fillNormal(f32(8), 1, { ...noise, seed: wrong(1) });
    },
  ],
  [
    'a negative seed',
    'noise.seed',
    () => {
      fillNormal(f32(8), 1, { ...noise, seed: -1n });
    },
  ],
  [
    'a seed of 65 bits',
    'noise.seed',
    () => {
      fillNormal(f32(8), 1, { ...noise, seed: 2n ** 64n });
    },
  ],
  [
    'a fractional step',
    'noise.step',
    () => {
      fillNormal(f32(8), 1, { ...noise, step: 0.5 });
    },
  ],
  [
    'a stream beyond 8 bits',
    'noise.stream',
    () => {
      fillNormal(f32(8), 1, { ...noise, stream: 256 });
    },
  ],
  [
    'a substep beyond 24 bits',
    'noise.substep',
    () => {
      fillNormal(f32(8), 1, { ...noise, substep: 2 ** 24 });
    },
  ],
  [
    'a negative salt',
    'noise.salt',
    () => {
      fillNormal(f32(8), 1, { ...noise, salt: -1 });
    },
  ],
  ...(['particle', 'visit', 'node'] as const).map((name): Refused => [
    `a ${name} of 33 bits`,
    `noise.${name}`,
    () => {
      fillNormal(f32(8), 1, { ...noise, [name]: 2 ** 32 });
    },
  ]),
  [
    'a negative sample',
    'noise.samples',
    () => {
      fillNormal(f32(8), 1, { ...noise, samples: -1 });
    },
  ],
  [
    'a NaN sample',
    'noise.samples',
    () => {
      fillNormal(f32(8), 1, { ...noise, samples: NaN });
    },
  ],
  [
    'a list of samples of another length',
    'noise.samples',
    () => {
      fillNormal(f32(8), 2, { ...noise, samples: f64(1, 2, 3) });
    },
  ],
  [
    'a NaN in the list of samples',
    'noise.samples[1]',
    () => {
      fillNormal(f32(8), 2, { ...noise, samples: f64(1, NaN) });
    },
  ],
  [
    'an index beyond the counter',
    'noise.samples',
    () => {
      fillNormal(f32(4096), 1, { ...noise, samples: 2 ** 53 - 1 });
    },
  ],
  [
    'a batch of 0',
    'batch',
    () => {
      fillNormal(f32(8), 0, noise);
    },
  ],
  [
    'a batch of 3 for 8 elements',
    'batch',
    () => {
      fillNormal(f32(8), 3, noise);
    },
  ],
  [
    'an unknown norm',
    'norm',
    () => {
      langevinStep(f32(8), f32(8), f64(0, 1, 0.1), wrong('l1'), noise);
    },
  ],
  [
    'a negative Langevin factor',
    'coefficients[0][2]',
    () => {
      langevinStep(f32(8), f32(8), f64(0, 1, -0.1), 'batch', noise);
    },
  ],
  [
    'a short network output',
    'output',
    () => {
      langevinStep(f32(8), f32(4), f64(0, 1, 0.1), 'batch', noise);
    },
  ],
  [
    'a network output that is the state',
    'output',
    () => {
      langevinStep(shared, shared, f64(0, 1, 0.1), 'batch', noise);
    },
  ],
  [
    'a row of pixels that does not divide the sample',
    'width',
    () => {
      diffuse(f32(8), undefined, f32(8), f64(1, 1, 1, 1), noise, { flips: new Uint8Array(1), width: 3 });
    },
  ],
  [
    'a flip too few',
    'flips',
    () => {
      diffuse(f32(8), undefined, f32(8), new Float64Array(8), noise, { flips: new Uint8Array(1), width: 4 });
    },
  ],
  [
    'data that are the result',
    'x0',
    () => {
      diffuse(shared, undefined, shared, f64(1, 1, 1, 1), noise);
    },
  ],
  [
    'a target that is the data',
    'target',
    () => {
      diffuse(f32(20), shared, shared, f64(1, 1, 1, 1), noise);
    },
  ],
  [
    'steps of another length',
    'results.steps',
    () => {
      langevinStep(f32(8), f32(8), f64(0, 1, 0.1), 'batch', noise, { steps: f64(0, 0) });
    },
  ],
  [
    'a mask of another length',
    'mask',
    () => {
      projectMeasurement(f32(8), f32(8), f32(8), f64(1, 1, 1, 1), noise);
    },
  ],
  [
    'measurements of another length',
    'y',
    () => {
      projectMeasurement(f32(8), f32(4), f32(8), f64(1, 1), noise);
    },
  ],
  [
    'a basis that is not square',
    'basis',
    () => {
      projectMeasurement(f32(8), f32(8), f32(8), f64(1, 1), noise, f32(5));
    },
  ],
  [
    'a basis that does not fit',
    'basis',
    () => {
      projectMeasurement(f32(8), f32(8), f32(8), f64(1, 1), noise, f32(9));
    },
  ],
  [
    'a logarithm that is too short',
    'v',
    () => {
      addNoise(f32(2), f32(1), f64(0, 1), noise);
    },
  ],
  [
    'a logarithm in the place of the state',
    'v',
    () => {
      const x = f32(2);
      addNoise(x, x, f64(0, 1), noise);
    },
  ],
  [
    'no two coefficients a sample',
    'coefficients',
    () => {
      addNoise(f32(2), f32(2), f64(0, 1, 2), noise);
    },
  ],
]);
