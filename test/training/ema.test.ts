import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { checkEma, emaDecay, powerFunctionExponent, type Ema } from '../../src/training/ema.js';

/** The weight of the parameters after each of n steps in the average; [0] is that of the initial ones. */
function weights(ema: Ema, steps: number, batch: number): number[] {
  let kept = [1];
  for (let step = 1; step <= steps; step++) {
    const decay = emaDecay(ema, step, batch);
    kept = [...kept.map((weight) => weight * decay), 1 - decay];
  }
  return kept;
}

function near(t: { true: (value: boolean, message?: string) => void }, value: number, truth: number): void {
  t.true(Math.abs(value - truth) <= 1e-12 * Math.max(1, Math.abs(truth)), `${value} instead of ${truth}`);
}

test('a constant decay weighs geometrically', (t) => {
  const found = weights({ kind: 'constant', decay: 0.9 }, 20, 1);
  found.slice(1).forEach((weight, k) => {
    near(t, weight, 0.1 * 0.9 ** (19 - k));
  });
});

test('the warm-up forgets the initial parameters as 10! (n + 1)! / (n + 10)!', (t) => {
  const n = 30;
  let truth = 1;
  for (let k = 2; k <= 10; k++) truth *= k / (n + k);
  near(t, weights({ kind: 'warm-up', decay: 0.9999 }, n, 1)[0]!, truth);
  t.is(emaDecay({ kind: 'warm-up', decay: 0.999 }, 1e6, 1), 0.999);
});

test('with a half-life, weights halve in that many images', (t) => {
  near(t, weights({ kind: 'half-life', images: 640, ramp: 0 }, 10, 64)[0]!, 0.5);
  near(t, emaDecay({ kind: 'half-life', images: 500_000 }, 1e6, 128), 0.5 ** (128 / 500_000));
});

test('the ramp of a half-life starts from the first parameters, and halves over a share of the images seen', (t) => {
  const ema: Ema = { kind: 'half-life', images: 1e9, ramp: 0.1 };
  t.is(emaDecay(ema, 1, 64), 0);
  near(t, emaDecay(ema, 1001, 64), 0.5 ** (64 / 6400));
});

test('the inverse rule of power 1 is the mean of all steps', (t) => {
  const found = weights({ kind: 'inverse', power: 1 }, 25, 1);
  near(t, found[0]!, 0);
  for (const weight of found.slice(1)) near(t, weight, 1 / 25);
});

test('a power-function average has the standard deviation it is asked for', (t) => {
  const steps = 2000;
  for (const deviation of [0.05, 0.1, 0.2]) {
    const found = weights({ kind: 'power-function', deviation }, steps, 1);
    const mean = found.reduce((sum, weight, k) => sum + (weight * k) / steps, 0);
    const variance = found.reduce((sum, weight, k) => sum + weight * (k / steps - mean) ** 2, 0);
    t.true(Math.abs(Math.sqrt(variance) - deviation) < 1e-3, `${Math.sqrt(variance)} for ${deviation}`);
  }
});

test('the exponent of a power function solves its defining equation', (t) => {
  // The relative deviation of the density (gamma + 1) u^gamma on [0, 1].
  for (const gamma of [0.5, 6.94, 16.97]) {
    const deviation = Math.sqrt((gamma + 1) / ((gamma + 2) ** 2 * (gamma + 3)));
    t.true(Math.abs(powerFunctionExponent(deviation) - gamma) < 1e-9);
  }
});

test('a rule that cannot be used is refused by name', (t) => {
  const cases: readonly [Ema, string][] = [
    [{ kind: 'constant', decay: 1.5 }, 'ema.decay'],
    [{ kind: 'warm-up', decay: Number.NaN }, 'ema.decay'],
    [{ kind: 'half-life', images: 0 }, 'ema.images'],
    [{ kind: 'half-life', images: 10, ramp: -1 }, 'ema.ramp'],
    [{ kind: 'inverse', power: 0 }, 'ema.power'],
    [{ kind: 'power-function', deviation: 0.3 }, 'ema.deviation'],
    [{ kind: 'warmup' as 'warm-up', decay: 0.9 }, 'ema.kind'],
    [{ kind: 'constant', decay: 0.9, ramp: 1 } as Ema, 'ema.ramp'],
  ];
  for (const [ema, option] of cases) {
    t.is(t.throws(() => checkEma(ema, 'ema'), { instanceOf: OptionError }).option, option);
  }
});
