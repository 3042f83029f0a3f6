import test from 'ava';
import { dataLevel, levelAt } from '../../src/sde/level.js';
import { ddpmLadder, linearBetas } from '../../src/sde/ladder.js';
import { edm } from '../../src/sde/edm.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

test('lambda of a level is the logarithm of alpha over sigma', (t) => {
  for (const sde of [vp(), subvp(), ve(), edm()]) {
    for (const share of [0.01, 0.3, 1]) {
      const { alpha, sigma, lambda } = levelAt({ sde }, share * sde.T);
      t.true(Math.abs(lambda - Math.log(alpha / sigma)) < 1e-12 * Math.max(1, Math.abs(lambda)));
    }
  }
  t.is(dataLevel.lambda, Math.log(dataLevel.alpha / dataLevel.sigma));
});

test('a level of a ladder has the alpha and sigma that were trained, whatever its time', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  const level = levelAt({ sde: vp(), ladder }, 0.25, 999);
  t.is(level.t, 0.25);
  // alpha_bar_999 of DDPM (Ho et al. 2020): 4.0358e-5.
  t.true(Math.abs(level.alpha ** 2 - 4.0358e-5) < 1e-9);
  t.true(Math.abs(level.lambda - 0.5 * Math.log(4.0358e-5 / (1 - 4.0358e-5))) < 1e-4);
});
