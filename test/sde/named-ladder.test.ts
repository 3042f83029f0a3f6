import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import {
  ladderFromName,
  ladderFromNumbers,
  zeroTerminalSnr,
  type NamedLadder,
} from '../../src/sde/named-ladder.js';

/**
 * alpha^2 at the levels 0, 499 and 999, by NumPy in double precision; diffusers 0.42 and denoising-diffusion-pytorch 2.3 (sigmoid) have
 * the same to the single precision of theirs.
 */
const published: [NamedLadder, number[]][] = [
  [{ name: 'linear' }, [0.9999, 0.07858724288177824, 4.035829765375676e-5]],
  [{ name: 'scaled-linear' }, [0.99915, 0.27766965045646763, 0.004660098513077238]],
  [{ name: 'cosine' }, [0.999958715775178, 0.4938435904406382, 2.4287669070348567e-9]],
  [{ name: 'sigmoid' }, [0.9996997208002508, 0.5, 3.0027919974932843e-7]],
  [{ name: 'scaled-linear', zeroTerminalSnr: true }, [0.99915, 0.24235916655614523, 0.0]],
];

for (const [named, expected] of published) {
  test(`${JSON.stringify(named)} is the published ladder`, (t) => {
    const { alpha, sigma } = ladderFromName(named);
    [0, 499, 999].forEach((i, k) => {
      t.true(Math.abs(alpha[i]! ** 2 - expected[k]!) < 1e-11, `level ${i}: ${alpha[i]! ** 2}`);
      t.true(Math.abs(sigma[i]! ** 2 + alpha[i]! ** 2 - 1) < 1e-14);
    });
  });
}

test('the linear ladder is that of the VP SDE at any number of levels, given its betas', (t) => {
  const own = ddpmLadder(linearBetas(50));
  const { alpha } = ladderFromName({ name: 'linear', levels: 50, betaStart: 0.1 / 50, betaEnd: 20 / 50 });
  alpha.forEach((a, i) => {
    t.true(Math.abs(a / own.alpha[i]! - 1) < 1e-13);
  });
});

test('zero terminal SNR keeps the first level, ends without signal, and scales the differences of alpha', (t) => {
  const before = ladderFromName({ name: 'linear' });
  const { alpha, sigma } = zeroTerminalSnr(before);
  t.is(alpha[0], before.alpha[0]);
  t.is(alpha[999], 0);
  t.is(sigma[999], 1);
  const factor = before.alpha[0]! / (before.alpha[0]! - before.alpha[999]!);
  for (const i of [100, 500, 900]) {
    const difference = factor * (before.alpha[i]! - before.alpha[i + 1]!);
    t.true(Math.abs(alpha[i]! - alpha[i + 1]! - difference) < 1e-15);
  }
});

test('numbers are betas, or alpha^2 where they fall', (t) => {
  const betas = linearBetas(50);
  const ladder = ddpmLadder(betas);
  t.deepEqual(ladderFromNumbers(betas), ladder);
  const { alpha } = ladderFromNumbers(ladder.alpha.map((a) => a * a));
  alpha.forEach((a, i) => {
    t.true(Math.abs(a - ladder.alpha[i]!) < 1e-15);
  });
});

test('constants out of range are named', (t) => {
  const refused: [() => unknown, string][] = [
    [() => ladderFromName({ name: 'liner' as 'linear' }), 'ladder'],
    [() => ladderFromName({ name: 'linear', offset: 1 }), 'ladder.offset'],
    [() => ladderFromName({ name: 'linear', levels: 0 }), 'ladder.levels'],
    [() => ladderFromName({ name: 'linear', betaEnd: 1.5 }), 'ladder.betaEnd'],
    [() => ladderFromName({ name: 'cosine', mostBeta: 1 }), 'ladder.mostBeta'],
    [() => ladderFromName({ name: 'sigmoid', start: 4 }), 'ladder.end'],
    [() => ladderFromName({ name: 'sigmoid', temperature: 0 }), 'ladder.temperature'],
    [() => ladderFromNumbers([0.1, -0.2, 0.3]), 'betas[1]'],
    [() => ladderFromNumbers([0.9, 0.5, -0.1]), 'alphaBars[2]'],
  ];
  for (const [make, option] of refused) {
    const error = t.throws(make, { instanceOf: OptionError });
    t.is(error.option, option);
  }
});
