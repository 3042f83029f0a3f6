import { decode, encode, interpolate } from '../src/likelihood/latent.js';
import { likelihood } from '../src/likelihood/likelihood.js';
import { functionModel } from '../src/score/function.js';
import { mixtureModel } from '../src/score/mixture/model.js';
import { inspectModel } from '../src/score/network/inspect.js';
import { loadModel } from '../src/score/network/load.js';
import { vp } from '../src/sde/vp.js';
import { planar } from './support/planar-mixture.js';
import test from 'ava';
import { OptionError } from '../src/errors.js';
import { checkKnown, defined } from '../src/options.js';

test('an option of an unknown name is refused, with the nearest that is known', (t) => {
  const check = (options: unknown, path?: string) => () => {
    checkKnown(options as object, ['count', 'steps', 'seed'], path);
  };
  t.notThrows(check({ count: 3, steps: undefined, cout: undefined }));
  const misspelt = t.throws(check({ cout: 3 }), { instanceOf: OptionError });
  t.like(misspelt, { option: 'cout', value: 3, expected: 'absent (did you mean count?)' });
  const foreign = t.throws(check({ temperature: 1 }, 'run'), { instanceOf: OptionError });
  t.is(foreign.message, 'run.temperature must be absent (known are count, steps, seed); got 1.');
  for (const value of [null, [1], 'count'])
    t.throws(check(value), { message: /^options must be an object; got / });
});

test('defined leaves out undefined entries, and no others', (t) => {
  t.deepEqual(defined({ a: 0, b: undefined, c: null, d: '' }), { a: 0, c: null, d: '' });
});

test('an option of another name is refused with the nearest one, by whatever takes a model or makes one', async (t) => {
  const model = mixtureModel(planar, vp());
  const x = Float64Array.of(0, 0);
  const misspelt = (options: object): never => options as never;
  const calls: [() => unknown, string, RegExp][] = [
    [() => likelihood(model, x, misspelt({ probe: 2 })), 'probe', /did you mean probes/],
    [() => likelihood(model, x, misspelt({ rtoll: 1e-3 })), 'rtoll', /rtol/],
    [() => encode(model, x, misspelt({ eps: 1e-3 })), 'eps', /known are .*epsilon/],
    [() => decode(model, x, misspelt({ temprature: 0.8 })), 'temprature', /did you mean temperature/],
    [() => interpolate(model, x, x, misspelt({ point: 3 })), 'point', /did you mean points/],
    [
      () => loadModel('none.onnx', misspelt({ parametrization: 'eps' })),
      'parametrization',
      /parameterization/,
    ],
    [() => loadModel('none.onnx', { names: misspelt({ input: 'x' }) }), 'names.input', /state, time/],
    [() => inspectModel('none.onnx', misspelt({ labells: 't' })), 'labells', /did you mean labels/],
    [() => mixtureModel(planar, vp(), misspelt({ conditionl: true })), 'conditionl', /conditional/],
    [
      () => functionModel(misspelt({ shape: [2], sde: vp(), evaluate: () => 0, class: 3 })),
      'class',
      /classes/,
    ],
  ];
  for (const [call, option, message] of calls) {
    const error = await t.throwsAsync(async () => await call(), { instanceOf: OptionError });
    t.is(error.option, option);
    t.regex(error.message, message);
  }
});
