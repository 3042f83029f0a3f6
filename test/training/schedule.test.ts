import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { resolveSettings, type TrainSettings } from '../../src/training/options.js';
import { learningRateAt } from '../../src/training/schedule.js';

test('the warm-up rises linearly to the learning rate', (t) => {
  const schedule = resolveSettings({ learningRate: 1, warmup: 4, steps: 100 });
  t.deepEqual(
    [1, 2, 3, 4, 5, 100].map((step) => learningRateAt(schedule, step)),
    [0.25, 0.5, 0.75, 1, 1, 1],
  );
  t.is(learningRateAt(resolveSettings({ learningRate: 1, warmup: 0, steps: 10 }), 1), 1);
});

test('the cosine is whole after the warm-up, a half at its middle and 0 at the last step', (t) => {
  const schedule = resolveSettings({ learningRate: 2, warmup: 10, decay: 'cosine', steps: 110 });
  t.is(learningRateAt(schedule, 10), 2);
  t.true(Math.abs(learningRateAt(schedule, 60) - 1) < 1e-12);
  t.is(learningRateAt(schedule, 110), 0);
});

test('the inverse square root is whole until its start, and a half at four times that', (t) => {
  const schedule = resolveSettings({
    learningRate: 1,
    warmup: 0,
    decay: 'inverse-sqrt',
    decayFrom: 50,
    steps: 1000,
  });
  t.is(learningRateAt(schedule, 50), 1);
  t.is(learningRateAt(schedule, 200), 0.5);
});

test('a schedule that cannot be used is refused by name', (t) => {
  const cases: readonly [Partial<TrainSettings>, string][] = [
    [{ learningRate: 0 }, 'learningRate'],
    [{ learningRate: Infinity }, 'learningRate'],
    [{ warmup: -1 }, 'warmup'],
    [{ warmup: 1.5 }, 'warmup'],
    [{ decay: 'cosin' as 'cosine' }, 'decay'],
    [{ decayFrom: 0 }, 'decayFrom'],
  ];
  for (const [options, option] of cases) {
    const error = t.throws(() => resolveSettings({ steps: 10, ...options }), { instanceOf: OptionError });
    t.is(error.option, option);
  }
});
