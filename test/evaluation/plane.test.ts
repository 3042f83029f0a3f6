import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { eightGaussians, toys } from '../../src/data/toys.js';
import { OptionError } from '../../src/errors.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import { vp } from '../../src/sde/vp.js';
import { densityOn, fieldOn, writePlane } from '../../src/evaluation/plane.js';
import { planar } from '../support/planar-mixture.js';

test('the density on cells of the plane is that of the diffused mixture, from the top row down', async (t) => {
  const mixture = new GaussianMixture({
    weights: [0.8, 0.2],
    means: [
      [0.5, 1],
      [-1, -1],
    ],
    covariances: [0.05, 0.2],
  });
  const sde = vp();
  const time = 0.2;
  const bins = 12;
  const found = await densityOn({ left: -2, bottom: -2, extent: 4 }, bins, mixtureModel(mixture, sde), time);
  const exact = mixture.at(sde, time);
  let most = 0;
  for (let row = 0; row < bins; row++) {
    for (let column = 0; column < bins; column++) {
      const point = Float64Array.of(-2 + ((column + 0.5) * 4) / bins, 2 - ((row + 0.5) * 4) / bins);
      const difference = found[row * bins + column]! - Math.exp(exact.logDensity(point)[0]!);
      most = Math.max(most, Math.abs(difference));
    }
  }
  t.true(most < 0.01 * Math.exp(exact.logDensity(Float64Array.of(0.5, 1))[0]!), String(most));
});

test('density and score of a conditional model are those of the mixture of its classes', async (t) => {
  const sde = vp();
  const time = 0.3;
  const view = { left: -3, bottom: -3, extent: 6 };
  const model = mixtureModel(planar, sde, { conditional: true });
  const classes = Array.from(planar.weights, (share, label) => ({ label, share }));
  const exact = planar.at(sde, time);

  const { places, vectors } = await fieldOn(view, 9, model, time, classes);
  const density = await densityOn(view, 9, model, time, classes);
  const score = exact.score(Float64Array.from(places));
  vectors.forEach((value, i) => {
    const expected = sde.sigma(time) * score[i]!;
    t.true(Math.abs(value - expected) < 0.01 * (1 + Math.abs(expected)), `${value}, not ${expected}`);
  });
  exact.logDensity(Float64Array.from(places)).forEach((value, i) => {
    t.true(Math.abs(density[i]! - Math.exp(value)) < 2e-3, `${density[i]!}, not ${Math.exp(value)}`);
  });
});

test('a plane is drawn as two panels of points and one for each noise level', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-plane-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const path = join(folder, 'plane.png');
  const { data } = toys['eight-gaussians'].sample(500);
  const shares: number[] = [];
  await writePlane(path, mixtureModel(eightGaussians(), vp()), {
    data,
    noise: [0.2, 1],
    bins: 8,
    count: 100,
    onProgress: (share) => shares.push(share),
  });
  const { format, width } = await sharp(path).metadata();
  t.deepEqual([format, width], ['png', 44 + 3 * 280 + 2 * 18 + 16]);
  t.deepEqual(shares, [0.5, 1]);
  const line = new GaussianMixture({ weights: [1], means: [[0, 0, 0]], covariances: [1] });
  await t.throwsAsync(writePlane(path, mixtureModel(line, vp()), { data }), { instanceOf: OptionError });
});
