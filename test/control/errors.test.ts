import test from 'ava';
import { differentiableOperator } from '../../src/control/differentiable-operator.js';
import { linearOperator } from '../../src/control/linear-operator.js';
import { measure, type Measurement } from '../../src/control/measurement.js';
import {
  blur,
  colorization,
  downsample,
  gaussianBlur,
  inpainting,
  matrixOperator,
} from '../../src/control/operators.js';
import { restore } from '../../src/control/restore.js';
import type { RestoreOptions } from '../../src/control/restore-options.js';
import { OptionError } from '../../src/errors.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { gaussianModel } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

const shape = [1, 4, 4];
const known = inpainting(new Float32Array(16).fill(1), shape);
const values = new Float32Array(16).fill(0.1);
const turned = linearOperator({
  shape,
  measuredShape: [16],
  apply: (x) => x,
  adjoint: (y) => y.toReversed(),
});
const shifted = linearOperator({
  shape,
  measuredShape: [16],
  apply: (x) => x.map((v) => v + 1),
  adjoint: (y) => y,
});

const cases: Record<string, [Partial<Measurement>, RestoreOptions, string, RegExp]> = {
  'another number of values': [
    { values: new Float32Array(17) },
    {},
    'measurement.values',
    /\[1, 4, 4\] = 16 numbers/,
  ],
  NaN: [{ values: values.map((v, i) => (i === 3 ? NaN : v)) }, {}, 'measurement.values[3]', /finite/],
  'a value whose square is beyond float32': [
    { values: Float64Array.from(values).fill(1e300, 2, 3) },
    {},
    'measurement.values[2]',
    /from -1000000000000000000 to 1000000000000000000/,
  ],
  'an operator that measures nothing': [
    {
      operator: linearOperator({
        shape,
        measuredShape: [16],
        apply: (x) => x.map(() => 0),
        adjoint: (y) => y.map(() => 0),
      }),
    },
    {},
    'measurement.operator',
    /measures something, from 1e-18 to .*the largest of A x is 0\.000/,
  ],
  'an operator beyond float32': [
    {
      operator: linearOperator({
        shape,
        measuredShape: [16],
        apply: (x) => x.map((v) => 1e30 * v),
        adjoint: (y) => y.map((v) => 1e30 * v),
      }),
    },
    {},
    'measurement.operator',
    /the largest of A x is \d\.\d+e\+30/,
  ],
  'an operator that is not finite everywhere': [
    {
      operator: differentiableOperator({
        shape,
        measuredShape: [16],
        apply: (x) => x.map(Math.sqrt),
        vjp: (x, v) => v.map((value, i) => value / (2 * Math.sqrt(x[i]!))),
      }),
    },
    { method: 'dps' },
    'measurement.operator.apply',
    /finite wherever samples may be: A\(x\) is NaN/,
  ],
  'classes in a plain list': [
    {},
    { classLabel: [1] as never },
    'classLabel',
    /one class, or an Int32Array of count = 1 classes/,
  ],
  'noise below zero': [{ noise: -0.1 }, {}, 'measurement.noise', /at least 0/],
  'an adjoint that is none': [
    { operator: turned },
    {},
    'measurement.operator.adjoint',
    /transpose of apply: <A x, y>/,
  ],
  'what is not linear': [{ operator: shifted }, {}, 'measurement.operator.adjoint', /transpose/],
  'an operator for other samples': [
    { operator: matrixOperator([[1, 2]]) },
    {},
    'measurement.operator.shape',
    /shape of the model's samples/,
  ],
  'no operator': [{ operator: {} as never }, {}, 'measurement.operator', /an operator, such as/],
  'a method that is none': [{}, { method: 'ddrm' as never }, 'method', /replacement, smc/],
  'an option of another method': [{}, { particles: 4 }, 'particles', /method replacement takes replaceAt/],
  'a solver for particles': [{}, { method: 'smc', solver: 'heun' }, 'solver', /makes its own steps/],
  'a solver without constraints': [{}, { solver: 'rk45' }, 'solver', /on a grid/],
  'a threshold that is text': [
    {},
    { method: 'smc', essThreshold: '0.5' as never },
    'essThreshold',
    /from 0 to 1/,
  ],
  'evaluations for particles': [{}, { method: 'smc', evaluations: 20 }, 'evaluations', /makes its own steps/],
  'evaluations for repaint': [{}, { method: 'repaint', evaluations: 20 }, 'evaluations', /makes its own/],
  'no particles': [{}, { method: 'smc', particles: 0 }, 'particles', /at least 1|from 1/],
};

for (const [name, [change, options, option, message]] of Object.entries(cases)) {
  test(`refused before the model runs: ${name}`, async (t) => {
    const model = gaussianModel(vp(), {
      shape,
      change: options.classLabel === undefined ? {} : { classes: 3 },
    });
    const measurement = { operator: known, values, ...change };
    const error = await t.throwsAsync(restore(model, measurement, options), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
    t.is(model.calls.length, 0);
  });
}

test('operators refuse what they cannot act on', (t) => {
  const refused = (make: () => unknown, option: string, message: RegExp) => {
    const error = t.throws(make, { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  };
  refused(() => inpainting([1, 0, 1], shape), 'mask', /16 numbers/);
  refused(() => inpainting(new Float32Array(16), shape), 'mask', /nothing is known/);
  refused(() => colorization([1, 8, 8]), 'shape', /one channel have no colours/);
  refused(() => blur(2, shape), 'size', /odd/);
  refused(() => blur(5, shape), 'size', /from 1 to 4/);
  refused(() => gaussianBlur(3, shape), 'std', /third/);
  refused(() => downsample(3, shape), 'factor', /divisor of the height 4/);
  refused(() => matrixOperator([[0, 0]]), 'rows', /zero/);
  refused(() => matrixOperator([[1, 2], [1]]), 'rows[1]', /2 numbers/);
});

for (const method of ['replacement', 'mmps', 'pigdm', 'dps'] as const) {
  test(`evaluations in the place of steps: ${method}`, async (t) => {
    const model = mixtureModel(planar, vp());
    const measurement = { operator: matrixOperator([[1, 0]]), values: Float32Array.of(0.3) };
    const { counts } = await restore(model, measurement, { method, evaluations: 20 });
    t.true(counts.score + counts.denoise <= 20);
    t.true(counts.score + counts.denoise >= 18);
  });
}

test('what is measured has finite numbers', (t) => {
  const samples = new Float32Array(32).fill(0.1).fill(NaN, 20, 21);
  const error = t.throws(() => measure(known, samples), { instanceOf: OptionError });
  t.is(error.option, 'samples[20]');
});

test('a mask has finite numbers', (t) => {
  const mask = new Float32Array(16).fill(1);
  mask[3] = NaN;
  const error = t.throws(() => inpainting(mask, shape), { instanceOf: OptionError });
  t.is(error.option, 'mask[3]');
});

test('refused: more particles than memory holds', async (t) => {
  const pictures = [1, 256, 256];
  const operator = inpainting(new Float32Array(65_536).fill(1), pictures);
  const measurement = { operator, values: new Float32Array(65_536) };
  const model = gaussianModel(vp(), { shape: pictures });
  const error = await t.throwsAsync(restore(model, measurement, { method: 'smc', particles: 2 ** 20 }), {
    instanceOf: OptionError,
  });
  t.is(error.option, 'particles');
  t.regex(
    error.message,
    /at most \d+ in the memory of this machine \(1048576 of them take [\d.e+]+ GiB; more samples/,
  );
  t.is(model.calls.length, 0);
});
