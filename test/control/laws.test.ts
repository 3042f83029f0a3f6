import test from 'ava';
import { guide, type GuidanceOptions } from '../../src/control/guidance.js';
import type { Classifier } from '../../src/control/classifier.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { levelAt, type Level } from '../../src/sde/level.js';
import { GaussianMixture } from '../../src/score/mixture/mixture.js';
import { mixtureModel } from '../../src/score/mixture/model.js';
import type { ScoreModel } from '../../src/score/model.js';
import { functionModel } from '../../src/score/function.js';
import { scoreCoefficients } from '../../src/score/parameterization.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';
import { moments } from '../support/gaussian.js';
import { planar } from '../support/planar-mixture.js';

/** -C^-1 (x - alpha mu) and ln N(x; alpha mu, C) + const of a component in the plane, C = alpha^2 Sigma + sigma^2. */
function component(k: number, { alpha, sigma }: Level, x: number, y: number) {
  const [a, b, , c] = covariances[k] as [number, number, number, number];
  const [xx, xy, yy] = [alpha ** 2 * a + sigma ** 2, alpha ** 2 * b, alpha ** 2 * c + sigma ** 2];
  const determinant = xx * yy - xy * xy;
  const [dx, dy] = [x - alpha * planar.means[k]![0]!, y - alpha * planar.means[k]![1]!];
  const score = [-(yy * dx - xy * dy) / determinant, -(xx * dy - xy * dx) / determinant] as const;
  const log = 0.5 * (score[0] * dx + score[1] * dy) - 0.5 * Math.log(determinant);
  return { score, weight: planar.weights[k]! * Math.exp(log) };
}

const covariances = planar.covariances.map((covariance) => {
  const columns = [new Float64Array(2), new Float64Array(2)] as const;
  columns.forEach((column, k) => {
    covariance.apply(Float64Array.of(1 - k, k), column);
  });
  return [...columns[0], ...columns[1]];
});

/** The exact classifier of the components: grad log p(k | x) = s_k - sum_j p(j | x) s_j. */
const exactClassifier: Classifier = {
  classes: 3,
  gradient(x, levels, output, labels) {
    levels.forEach((level, i) => {
      const all = [0, 1, 2].map((k) => component(k, level, x[2 * i]!, x[2 * i + 1]!));
      const sum = all.reduce((total, { weight }) => total + weight, 0);
      for (const axis of [0, 1] as const) {
        const mean = all.reduce((total, { weight, score }) => total + (weight / sum) * score[axis], 0);
        output[2 * i + axis] = all[labels![i]!]!.score[axis] - mean;
      }
    });
  },
};

const line = ve({ sigmaMin: 1e-3, sigmaMax: 2000 });
const gaussian = (mean: number, variance: number) =>
  mixtureModel(new GaussianMixture({ weights: [1], means: [[mean]], covariances: [variance] }), line, {
    conditional: true,
  });
/** N(1, 0.5^2) with a class, N(0, 1) without: scale 2. */
const narrow: GuidanceOptions = { kind: 'classifier-free', scale: 2, unconditional: gaussian(0, 1) };
const guided = () => guide(gaussian(1, 0.25), narrow);

/** Laws of dynamics with the guided score, solved by hand: reverse-time SDEs of tau = 0 (the ODE), 1, 2 and 5, and Langevin dynamics. */
const laws = [
  { tau: 0, mean: 1.380123, std: 0.25 },
  { tau: 1, mean: 1.25, std: 0.330719 },
  { tau: 2, mean: 1.176904, std: 0.362347 },
  { tau: 5, mean: 1.14844, std: 0.375236 },
];
const tilted = { mean: 1.142857, std: 0.377964 };

test.serial('the guided score of a line is that of which every law is known', async (t) => {
  const model = guided();
  /** Slope and intercept of the score at a noise level. */
  const scoreAt = async (sigma: number) => {
    const level = levelAt({ sde: line }, line.timeOfLambda(-Math.log(sigma)));
    const output = new Float32Array(2);
    await model.evaluate(Float32Array.of(0, 1), [level, level], output, new Int32Array(2));
    return { slope: output[1]! - output[0]!, intercept: output[0]! };
  };
  const end = await scoreAt(1e-3);
  near(t, -end.intercept / end.slope, tilted.mean, 5e-4);
  near(t, Math.sqrt(-1 / end.slope), tilted.std, 5e-4);

  const steps = 3000;
  const from = Math.log(2000);
  const h = (from - Math.log(1e-3)) / steps;
  const moment = laws.map(({ tau }) => ({ tau, mean: 0, variance: 2000 ** 2 }));
  for (let k = 0; k < steps; k++) {
    // The midpoint rule in ln sigma, exact for what is linear in the mean and in the variance.
    const square = Math.exp(2 * (from - (k + 0.5) * h));
    const { slope, intercept } = await scoreAt(Math.sqrt(square));
    for (const law of moment) {
      const pull = (1 + law.tau ** 2) * square * h;
      const shrink = Math.exp(pull * slope);
      law.mean = law.mean * shrink + ((shrink - 1) / slope) * intercept;
      law.variance =
        law.variance * shrink ** 2 + (law.tau ** 2 * h * square * (shrink ** 2 - 1)) / (pull * slope);
    }
  }
  for (const [i, { mean, std }] of laws.entries()) {
    near(t, moment[i]!.mean, mean, 1.5e-3);
    near(t, Math.sqrt(moment[i]!.variance), std, 5e-4);
  }
});

test.serial('guided ODE, SDE and Langevin dynamics draw three laws', async (t) => {
  const model = guided();
  const ode = await sample(model, {
    solver: { name: 'rk45', rtol: 1e-7, atol: 1e-7, denoise: 'none', variable: 'lambda' },
    ...{ count: 3, initial: Float32Array.of(0, 2000, -2000), classLabel: 0 },
  });
  const [middle, above, below] = ode.samples as unknown as [number, number, number];
  // The map from x_T, N(0, 2000^2), to x_0 is affine.
  near(t, middle, 1.380123, 1e-3);
  near(t, above - middle, 0.25, 3e-4);
  near(t, middle - below, 0.25, 3e-4);

  const count = 6000;
  const many: SampleOptions = { count, batch: count, classLabel: 0 };
  const check = (samples: Float32Array, { mean, std }: { mean: number; std: number }) => {
    const found = moments(samples);
    near(t, found.mean, mean, (3 * std) / Math.sqrt(count));
    near(t, found.std, std, (3 * std) / Math.sqrt(2 * count));
  };
  const sde = await sample(model, { ...many, solver: 'dpmpp-2m-sde', steps: 200, grid: 'uniform-lambda' });
  check(sde.samples, laws[1]!);
  const langevin = await sample(model, {
    ...many,
    solver: { name: 'langevin-dynamics', stepSize: 0.002, steps: 500 },
    initial: new Float32Array(count),
  });
  check(langevin.samples, tilted);
});

test.serial('the density of a guided model is that of what its ODE draws', async (t) => {
  // N(m, (s_c^w s^(1 - w))^2), neither the conditional law nor the tilted one.
  const x = Float32Array.of(1, 1.5, 1.2);
  const options = { rtol: 1e-7, atol: 1e-7, classLabel: 0, epsilon: 1e-4 };
  const { logDensity, derivative, warnings, counts } = await likelihood(guided(), x, options);
  t.is(derivative.method, 'closed-form');
  t.regex(warnings.join(' '), /guidance of scale 2/);
  const log = (mean: number, std: number, at: number) =>
    -0.5 * ((at - mean) / std) ** 2 - Math.log(std) - 0.5 * Math.log(2 * Math.PI);
  x.forEach((value, i) => {
    near(t, logDensity[i]!, log(1.380123, 0.25, value), 3e-3);
  });
  t.is(counts.networks['unconditional'], counts.networks['network']);

  const plain = guide(gaussian(1, 0.25), { ...narrow, scale: 1 });
  const conditional = await likelihood(plain, x, options);
  t.false(/guidance/.test(conditional.warnings.join(' ')));
  t.is(conditional.counts.networks['unconditional'], undefined);
  x.forEach((value, i) => {
    near(t, conditional.logDensity[i]!, log(1, 0.5, value), 2e-3);
  });
  // A vector for the trace, and central differences, are the same density.
  for (const other of [{ trace: 'rademacher' }, { derivative: 'central-difference' }] as const) {
    const again = await likelihood(guided(), x, { ...options, ...other });
    again.logDensity.forEach((value, i) => {
      near(t, value, logDensity[i]!, 1e-4);
    });
  }
});

const solvers: SampleOptions[] = [
  { solver: { name: 'rk45', rtol: 1e-4, atol: 1e-4 } },
  { solver: 'dpmpp-2m', steps: 40, grid: 'uniform-lambda' },
  { predictor: 'reverse-diffusion', corrector: 'ald', snr: 0.1, steps: 300 },
];

for (const options of solvers) {
  test.serial(
    `an exact classifier of scale 1 draws its class: ${JSON.stringify(options.solver ?? options.predictor)}`,
    async (t) => {
      const model = guide(mixtureModel(planar, vp()), {
        kind: 'classifier',
        classifier: exactClassifier,
      });
      const count = options.solver === undefined || typeof options.solver === 'string' ? 3000 : 600;
      const { samples } = await sample(model, { ...options, count, batch: count, classLabel: 1, seed: 4 });
      const own = planar.component(1);
      for (const axis of [0, 1]) {
        const found = moments(samples.filter((_, i) => i % 2 === axis));
        const [mean, deviation] = [own.mean()[axis]!, Math.sqrt(own.variances()[axis]!)];
        near(t, found.mean, mean, (3 * deviation) / Math.sqrt(count));
        near(t, found.std, deviation, (3 * deviation) / Math.sqrt(2 * count) + 0.004);
      }
    },
  );
}

test.serial('without a class and with, a network and an exact classifier are one guidance', async (t) => {
  const runs: SampleOptions[] = [
    { solver: 'heun', steps: 30, grid: 'uniform-lambda' },
    { predictor: 'reverse-diffusion', corrector: 'langevin', snr: 0.1, steps: 60 },
  ];
  const model = mixtureModel(planar, vp(), { conditional: true });
  for (const [run, by] of [[runs[0]!, 2e-5] as const, [runs[1]!, 1e-3] as const]) {
    for (const scale of [0, 1, 2.5]) {
      const options = { ...run, count: 50, classLabel: 2 };
      const free = await sample(guide(model, { kind: 'classifier-free', scale }), options);
      const exact = guide(model, { kind: 'classifier', classifier: exactClassifier, scale });
      const { samples } = await sample(exact, options);
      free.samples.forEach((value, i) => {
        near(t, value, samples[i]!, by);
      });
    }
  }
});

test.serial('a guide of another parameterization is the same guide', async (t) => {
  const sde = vp();
  const [good, bad] = [0.25, 0.6].map((std) =>
    (['score', 'eps', 'x0', 'v'] as const).map((parameterization) =>
      functionModel({
        ...{ shape: [2], sde, parameterization },
        evaluate(x, levels, output) {
          x.forEach((value, i) => {
            const level = levels[i >> 1]!;
            const score = -(value - 0.3 * level.alpha) / ((std * level.alpha) ** 2 + level.sigma ** 2);
            const c = scoreCoefficients(parameterization, level);
            output[i] = (score - c.state * value) / c.output;
          });
        },
      }),
    ),
  ) as [ScoreModel[], ScoreModel[]];
  const draw = async (model: ScoreModel, other: ScoreModel) =>
    sample(guide(model, { kind: 'autoguidance', guide: other, scale: 1.7, interval: [0.02, 50] }), {
      ...{ solver: 'heun', steps: 20, grid: 'uniform-lambda', count: 8 },
    });
  const { samples, counts } = await draw(good[0]!, bad[0]!);
  t.true(counts.networks['guide']! < counts.networks['network']!);
  for (const model of good) {
    for (const other of bad) {
      const again = await draw(model, other);
      again.samples.forEach((value, i) => {
        near(t, value, samples[i]!, 5e-4);
      });
    }
  }
});

test.serial(
  'integrations meet their tolerance where the field jumps at the ends of an interval',
  async (t) => {
    const [least, most] = [0.3, 1.7];
    const model = guide(gaussian(1, 0.25), { ...narrow, scale: 3, interval: [least, most] });
    /** The ODE by the midpoint rule in ln sigma, exact for what is linear, in parts between the jumps. */
    const carried = (x: number) => {
      for (const [from, to, w] of [
        [2000, most, 1] as const,
        [most, least, 3] as const,
        [least, 1e-5, 1] as const,
      ]) {
        const h = Math.log(from / to) / 10_000;
        for (let k = 0; k < 10_000; k++) {
          const square = Math.exp(2 * (Math.log(from) - (k + 0.5) * h));
          const precision = w / (0.25 + square) + (1 - w) / (1 + square);
          const shrink = Math.exp(-precision * square * h);
          x = x * shrink + ((1 - shrink) * w) / (0.25 + square) / precision;
        }
      }
      return x;
    };
    const [mean, above] = [carried(0), carried(2000)];
    for (const variable of ['lambda', 't'] as const) {
      const { samples, counts } = await sample(model, {
        solver: { name: 'rk45', rtol: 1e-5, atol: 1e-5, denoise: 'none', variable },
        ...{ count: 2, initial: Float32Array.of(0, 2000), classLabel: 0, trajectory: 10 },
      });
      near(t, samples[0]!, mean, 5e-5);
      near(t, samples[1]!, above, 5e-5);
      t.true(counts.networks['unconditional']! < counts.networks['network']! / 2);
    }
    const options = { rtol: 1e-6, atol: 1e-6, classLabel: 0, epsilon: 1e-4 };
    const { logDensity } = await likelihood(model, Float32Array.of(1.3), options);
    const std = above - mean;
    const expected = -0.5 * ((1.3 - mean) / std) ** 2 - Math.log(std) - 0.5 * Math.log(2 * Math.PI);
    near(t, logDensity[0]!, expected, 1e-3);
  },
);

test.serial('rescaling acts where no signal is left', async (t) => {
  const [good, bad] = [2, 1].map((factor) =>
    functionModel({
      ...{ shape: [4], sde: vp(), parameterization: 'x0' },
      evaluate(x, _, output) {
        output.set(x.map((value) => factor * value));
      },
    }),
  ) as [ScoreModel, ScoreModel];
  const x = Float32Array.of(1, -2, 3, 0.5);
  const output = new Float32Array(4);
  // 3 (2 x) - 2 x has twice the spread of 2 x.
  const model = guide(good, { kind: 'autoguidance', guide: bad, scale: 3, rescale: 1 });
  await model.evaluate(x, [{ t: 1, alpha: 0, sigma: 1, lambda: -Infinity }], output);
  output.forEach((value, i) => {
    near(t, value, 2 * x[i]!, 1e-5);
  });
});

function near(
  t: { true(value: boolean, message?: string): unknown },
  value: number,
  expected: number,
  by: number,
) {
  t.true(Math.abs(value - expected) < by, `${value} is not ${expected} +- ${by}`);
}
