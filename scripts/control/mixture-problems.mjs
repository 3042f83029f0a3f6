// Holds methods of restoration against exact posteriors: a mixture of 25 Gaussians in 8 dimensions, of which 1 or 4 numbers are measured
// (the problems of Cardoso et al. 2023, MCGdiff). The figure is the sliced Wasserstein-1 distance of samples from the posterior, mean
// +- 1.96 standard errors over the problems; "exact" is that between exact samples, the floor.
//
//   node scripts/control/mixture-problems.mjs [problems] [method ...]
import {
  fillNormal,
  fillUniform,
  GaussianMixture,
  matrixOperator,
  mixtureModel,
  mixturePosterior,
  restore,
  Stream,
  ve,
} from '../../dist/index.js';

const d = 8;
const [problems = 5, ...chosen] = process.argv
  .slice(2)
  .map((word) => (/^\d+$/.test(word) ? Number(word) : word));
const sde = ve({ sigmaMin: 0.01, sigmaMax: 100 });
const walk = { steps: 100, grid: 'uniform-lambda' };
const ancestral = { ...walk, solver: { name: 'ddim', eta: 1 } };
const methods = {
  replacement: { ...ancestral, method: 'replacement', corrector: 'ald', count: 400 },
  pigdm: { ...ancestral, method: 'pigdm', count: 400 },
  'mmps, 4': { ...ancestral, method: 'mmps', iterations: 4, count: 400 },
  dps: { ...walk, method: 'dps', count: 400 },
  'smc, 8': { ...walk, method: 'smc', particles: 8, count: 200 },
  'smc, 32': { ...walk, method: 'smc', particles: 32, count: 200 },
  'smc, 128': { ...walk, method: 'smc', particles: 128, count: 200 },
};

/** Random numbers of a problem, one use after the other. */
function random(seed) {
  let step = 0;
  const drawn = (fill) => (length) => {
    const out = new Float64Array(length);
    fill(out, 1, { seed, samples: 0, step: step++, stream: Stream.user });
    return out;
  };
  return { normal: drawn(fillNormal), uniform: drawn(fillUniform) };
}

/** Orthonormal vectors, by Gram and Schmidt. */
function orthonormal(count, length, { normal }) {
  const vectors = [];
  for (let k = 0; k < count; k++) {
    const v = normal(length);
    for (const u of vectors) {
      const part = u.reduce((sum, value, i) => sum + value * v[i], 0);
      u.forEach((value, i) => (v[i] -= part * value));
    }
    const norm = Math.hypot(...v);
    vectors.push(v.map((value) => value / norm));
  }
  return vectors;
}

function problem(measured, seed) {
  const numbers = random(seed);
  const centres = [-2, -1, 0, 1, 2].flatMap((i) => [-2, -1, 0, 1, 2].map((j) => [-8 * i, -8 * j]));
  const weights = numbers.normal(25).map((z) => z * z);
  const total = weights.reduce((a, b) => a + b, 0);
  const prior = new GaussianMixture({
    weights: weights.map((w) => w / total),
    means: centres.map((pair) => Array.from({ length: d }, (_, i) => pair[i % 2])),
    covariances: centres.map(() => 1),
  });
  const [U, V] = [orthonormal(measured, measured, numbers), orthonormal(measured, d, numbers)];
  const s = numbers.uniform(measured).sort().reverse();
  const A = U.map((_, i) =>
    Array.from({ length: d }, (_, j) => s.reduce((sum, value, k) => sum + U[k][i] * value * V[k][j], 0)),
  );
  const noise = numbers.uniform(1)[0] * s[0];
  const x = prior.sample(1, { seed: seed + 1000n });
  const z = numbers.normal(measured);
  const y = Float64Array.from(
    A,
    (row, i) => row.reduce((sum, value, j) => sum + value * x[j], 0) + noise * z[i],
  );
  return {
    prior,
    A,
    noise,
    y,
    posterior: mixturePosterior(prior, { matrix: A, value: y, noise: noise ** 2 }),
    numbers,
  };
}

/** The mean over 100 directions of the Wasserstein-1 distance of projections. */
function slicedWasserstein(a, b, { normal }) {
  let sum = 0;
  for (let k = 0; k < 100; k++) {
    const v = normal(d);
    const norm = Math.hypot(...v);
    const projected = (x) =>
      Float64Array.from(
        { length: x.length / d },
        (_, n) => v.reduce((dot, value, i) => dot + value * x[n * d + i], 0) / norm,
      ).sort();
    const [p, q] = [projected(a), projected(b)];
    const points = Math.min(p.length, q.length);
    const at = (sorted, i) =>
      sorted[Math.min(sorted.length - 1, Math.floor(((i + 0.5) / points) * sorted.length))];
    for (let i = 0; i < points; i++) sum += Math.abs(at(p, i) - at(q, i)) / points;
  }
  return sum / 100;
}

const shown = (values) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance =
    values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
  return `${mean.toFixed(2)} +- ${(1.96 * Math.sqrt(variance / values.length)).toFixed(2)}`;
};

const names =
  chosen.length > 0
    ? Object.keys(methods).filter((name) => chosen.some((word) => name.startsWith(word)))
    : Object.keys(methods);
for (const measured of [1, 4]) {
  console.log(`\n${measured} of ${d} numbers measured, ${problems} problems`);
  const instances = Array.from({ length: problems }, (_, k) => problem(measured, BigInt(100 * measured + k)));
  const references = instances.map(({ posterior }) => posterior.sample(1000, { seed: 1n }));
  const floor = instances.map(({ posterior, numbers }, k) =>
    slicedWasserstein(posterior.sample(1000, { seed: 2n }), references[k], numbers),
  );
  console.log(`| exact | ${shown(floor)} | |`);
  for (const name of names) {
    const distances = [];
    let seconds = 0;
    for (const [k, { prior, A, noise, y, numbers }] of instances.entries()) {
      const { method, count, particles = 1, ...options } = methods[name];
      const given = {
        ...options,
        method,
        count,
        batch: count * particles,
        seed: 5,
        ...(method === 'smc' && { particles }),
      };
      const result = await restore(
        mixtureModel(prior, sde),
        { operator: matrixOperator(A), values: y, noise },
        given,
      );
      seconds += result.seconds / count / problems;
      distances.push(slicedWasserstein(result.samples, references[k], numbers));
    }
    console.log(`| ${name} | ${shown(distances)} | ${(1000 * seconds).toFixed(1)} ms a sample |`);
  }
}
