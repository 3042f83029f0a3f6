import test from 'ava';
import { OptionError } from '../../src/errors.js';
import {
  ddpmLadder,
  geometricSigmas,
  ladderTransition,
  linearBetas,
  respacedLevels,
  smldLadder,
} from '../../src/sde/ladder.js';

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.abs(b);

test('the DDPM ladder of 1000 levels has the golden betas and alpha-bars', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  // Computed with mpmath at 50 digits.
  const golden: [number, number, number][] = [
    [0, 0.0001, 0.9999],
    [1, 0.00011991991991991992, 0.99978009207207207],
    [499, 0.01004004004004004, 0.078587242881778237],
    [500, 0.01005995995995996, 0.0777966583650239],
    [999, 0.02, 4.0358297653756833e-5],
  ];
  for (const [i, beta, alphaBar] of golden) {
    t.true(near(ladder.alpha[i]! ** 2, alphaBar), `alpha-bar ${i}`);
    t.true(near(ladder.sigma[i]! ** 2, 1 - alphaBar), `sigma ${i}`);
    const { retain, spread } = ladderTransition(ladder, i - 1, i);
    t.true(near(retain, Math.sqrt(1 - beta)), `retain ${i}`);
    t.true(near(spread, beta), `beta ${i}`);
  }
});

test('the SMLD ladder of 1000 levels has the golden sigmas and G', (t) => {
  const ladder = smldLadder(geometricSigmas(1000));
  const golden: [number, number, number][] = [
    [0, 0.01, 0.01],
    [1, 0.010085621663583948, 0.0013113978576137152],
    [500, 0.71012751191542875, 0.092335378900929948],
    [999, 50, 6.5013238715307266],
  ];
  for (const [i, sigma, G] of golden) {
    t.true(near(ladder.sigma[i]!, sigma), `sigma ${i}`);
    const { retain, spread } = ladderTransition(ladder, i - 1, i);
    t.is(retain, 1);
    t.true(near(Math.sqrt(spread), G), `G ${i}`);
  }
});

test('ladders of any number of levels carry the variance of the chain', (t) => {
  for (const levels of [1, 2, 3, 37, 232]) {
    const ladders = [smldLadder(geometricSigmas(levels, 0.01, 1))];
    if (levels > 20) ladders.push(ddpmLadder(linearBetas(levels)));
    for (const ladder of ladders) {
      let alpha = 1;
      let variance = 0;
      for (let i = 0; i < levels; i++) {
        const { retain, spread } = ladderTransition(ladder, i - 1, i);
        alpha *= retain;
        variance = retain ** 2 * variance + spread;
        t.true(
          near(alpha, ladder.alpha[i]!) && near(variance, ladder.sigma[i]! ** 2),
          `level ${i} of ${levels}`,
        );
      }
    }
  }
});

test('a respaced ladder keeps the marginals of the trained one and both its ends', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  const kept = respacedLevels(ladder, 50);
  t.is(kept.length, 50);
  t.is(kept[0], 0);
  t.is(kept[49], 999);
  let alpha = 1;
  let variance = 0;
  let previous = -1;
  for (const i of kept) {
    t.true(i > previous);
    const { retain, spread } = ladderTransition(ladder, previous, i);
    alpha *= retain;
    variance = retain ** 2 * variance + spread;
    previous = i;
    t.true(near(alpha, ladder.alpha[i]!) && near(variance, ladder.sigma[i]! ** 2));
  }
  t.deepEqual(Array.from(respacedLevels(ladder)), [...Array(1000).keys()]);
  t.deepEqual(Array.from(respacedLevels(ladder, 1)), [999]);
});

test('NCSN: ten geometric levels from 0.01 to 1', (t) => {
  const sigmas = geometricSigmas(10, 0.01, 1);
  t.is(sigmas.length, 10);
  t.is(sigmas[0], 0.01);
  t.is(sigmas[9], 1);
  for (let i = 1; i < 10; i++) t.true(near(sigmas[i]! / sigmas[i - 1]!, 100 ** (1 / 9)));
});

test('ladders that are none are refused', (t) => {
  t.throws(() => ddpmLadder([0.1, 1]), { instanceOf: OptionError, message: /betas\[1\]/ });
  t.throws(() => ddpmLadder([]), { instanceOf: OptionError, message: /betas.length/ });
  t.throws(() => smldLadder([1, 0.5]), { instanceOf: OptionError, message: /sigmas\[1\].*greater than 1/ });
  t.throws(() => geometricSigmas(2.5), { instanceOf: OptionError, message: /levels/ });
  t.throws(() => respacedLevels(smldLadder([1, 2]), 3), {
    instanceOf: OptionError,
    message: /number of trained levels \(2\)/,
  });
});
