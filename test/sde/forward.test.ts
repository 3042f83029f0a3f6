import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { chainTransitions, eulerTransitions, perturb, simulate } from '../../src/sde/forward.js';
import { timeGrid } from '../../src/sde/grid.js';
import { ddpmLadder, geometricSigmas, linearBetas, smldLadder } from '../../src/sde/ladder.js';
import type { Transition } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

/** The transition from the start to the end of a chain. */
function compose(transitions: Transition[]): Transition {
  return transitions.reduce(
    (total, step) => ({
      retain: step.retain * total.retain,
      spread: step.retain ** 2 * total.spread + step.spread,
    }),
    { retain: 1, spread: 0 },
  );
}

const near = (a: number, b: number, tolerance: number) => Math.abs(a - b) <= tolerance * Math.abs(b);

/** Mean and variance over all elements. */
function moments(x: Float32Array | Float64Array): { mean: number; variance: number } {
  let mean = 0;
  for (const value of x) mean += value / x.length;
  let variance = 0;
  for (const value of x) variance += (value - mean) ** 2 / x.length;
  return { mean, variance };
}

/** Whether samples have this law, within five standard errors. */
function hasLaw(x: Float32Array | Float64Array, mean: number, variance: number): boolean {
  const actual = moments(x);
  return (
    Math.abs(actual.mean - mean) <= 5 * Math.sqrt(variance / x.length) &&
    Math.abs(actual.variance - variance) <= 5 * variance * Math.sqrt(2 / x.length)
  );
}

test('Euler-Maruyama of the forward SDE converges to the kernel at first order', (t) => {
  for (const sde of [vp(), subvp(), ve()]) {
    for (const time of [0.3, 1]) {
      const variance = sde.sigma(time) ** 2 - sde.sigma(0) ** 2;
      const error = (steps: number) => {
        const { retain, spread } = compose(eulerTransitions(sde, steps, time));
        return Math.abs(spread - variance) + Math.abs(retain - sde.alpha(time) / sde.alpha(0));
      };
      const slope = Math.log2(error(4000) / error(2000));
      t.true(Math.abs(slope + 1) <= 0.05, `${sde.name} at ${time}: slope ${slope}`);
    }
  }
});

test('the chains of DDPM and SMLD end in the law of their ladder', (t) => {
  for (const ladder of [ddpmLadder(linearBetas(1000)), smldLadder(geometricSigmas(1000))]) {
    for (const level of [0, 1, 500, 999]) {
      const { retain, spread } = compose(chainTransitions(ladder, level));
      t.true(near(retain, ladder.alpha[level]!, 1e-12));
      t.true(near(spread, ladder.sigma[level]! ** 2, 1e-12));
    }
  }
});

test('perturbed data have the law of the kernel at the time of each sample', (t) => {
  for (const sde of [vp(), subvp(), ve()]) {
    const times = [0.01, 0.4, 1];
    const elements = 20000;
    const x = new Float64Array(times.length * elements).fill(0.7);
    perturb(sde, x, times, { seed: 11n });
    times.forEach((time, b) => {
      const sample = x.subarray(b * elements, (b + 1) * elements);
      t.true(hasLaw(sample, 0.7 * sde.alpha(time), sde.sigma(time) ** 2), `${sde.name} at ${time}`);
    });
  }
});

test('simulated chains and paths have the law of the kernel', (t) => {
  const paths: [string, Transition[]][] = [
    ['DDPM', chainTransitions(ddpmLadder(linearBetas(100)), 60)],
    ['SMLD', chainTransitions(smldLadder(geometricSigmas(50, 0.01, 1)))],
    ['exact grid', timeGrid(vp(), { steps: 20 }).toReversed()],
  ];
  for (const [name, transitions] of paths) {
    const { retain, spread } = compose(transitions);
    const x = new Float32Array(20000).fill(0.7);
    simulate(x, 4, transitions, { seed: 5n });
    t.true(hasLaw(x, 0.7 * retain, spread), name);
  }
  const sde = subvp();
  const x = new Float64Array(20000).fill(0.7);
  let visits = 0;
  simulate(x, 1, eulerTransitions(sde, 400, 0.5), { seed: 6n }, (position, state) => {
    t.is(state, x);
    t.is(position, visits++);
  });
  t.is(visits, 400);
  t.true(near(moments(x).variance, sde.sigma(0.5) ** 2, 0.06));
});

test('the noise of a sample does not depend on its batch, nor repeat from step to step', (t) => {
  const transitions = [
    { retain: 1, spread: 1 },
    { retain: 1, spread: 1 },
  ];
  const all = new Float64Array(12);
  const states: Float64Array[] = [];
  simulate(all, 4, transitions, { seed: 9n }, (_, x) => {
    states.push(Float64Array.from(x));
  });
  const some = new Float64Array(6);
  simulate(some, 2, transitions, { seed: 9n, first: 1 });
  t.deepEqual(some, all.slice(3, 9));
  t.false(states[0]!.some((value, i) => value === states[1]![i]! - value));
});

test('levels and step counts that cannot be are refused', (t) => {
  t.throws(() => chainTransitions(smldLadder([1, 2]), 2), {
    instanceOf: OptionError,
    message: /from 0 to 1/,
  });
  t.throws(() => eulerTransitions(vp(), 0), { instanceOf: OptionError, message: /steps/ });
});
