// What the probability-flow ODE is best integrated in: evaluations that a likelihood takes for one error, in t and in lambda, on
// mixtures whose density is known and on digits under the embedded models (against runs at a tight tolerance in either).
// VARIABLE_DIGITS sets how many digits (default 8), FASTSDE_DATA says where MNIST lies.
import { mnist } from '../src/data/mnist.js';
import { likelihood } from '../src/likelihood/likelihood.js';
import { embeddedModel } from '../src/score/network/embedded.js';
import { loadModel } from '../src/score/network/load.js';
import { GaussianMixture } from '../src/score/mixture/mixture.js';
import { mixtureModel } from '../src/score/mixture/model.js';
import { priorLogDensity } from '../src/sde/prior.js';
import { subvp } from '../src/sde/subvp.js';
import { ve } from '../src/sde/ve.js';
import { vp } from '../src/sde/vp.js';
import type { Variable } from '../src/solvers/ode/flow-integration.js';
import { printTable } from './measure.js';

/** Mean evaluations at a tolerance, and errors of the log-density in nats: their root mean square, and the largest. */
interface Point {
  readonly tolerance: number;
  readonly evaluations: number;
  readonly error: number;
  readonly largest: number;
}

type Curve = readonly Point[];

const variables: readonly Variable[] = ['t', 'lambda'];
const tolerances = [-2, -2.5, -3, -3.5, -4, -4.5, -5, -5.5, -6, -6.5, -7].map((power) => 10 ** power);
/** The tolerance of a likelihood where none is given. */
const DEFAULT = 1e-5;
const SAMPLES = 64;

export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const dimension of [1, 2, 4, 16, 64]) {
    for (const [deviation, deviationOf] of spreads) {
      for (const sde of [vp(), subvp(), ve()]) {
        const mixture = mixtureOf(dimension, deviationOf);
        const x = mixture.sample(SAMPLES, { seed: 1n });
        const exact = mixture.at(sde, sde.likelihoodEpsilon ?? sde.epsilon).logDensity(x);
        const end = mixture.at(sde, sde.T);
        const model = mixtureModel(mixture, sde);
        const curves = await curvesOf(async (tolerance, variable) => {
          const options = {
            rtol: tolerance,
            atol: tolerance,
            variable,
            trace: 'exact',
            latents: true,
          } as const;
          const { logDensity, latents, evaluations } = await likelihood(model, x, options);
          // The law at T in place of the prior, so that the integration alone is measured.
          const z = latents!.map((value) => value * sde.priorSigma);
          const right = end.logDensity(z);
          const errors = logDensity.map(
            (value, i) =>
              value -
              priorLogDensity(sde, z.subarray(i * dimension, (i + 1) * dimension)) +
              right[i]! -
              exact[i]!,
          );
          return { evaluations, errors };
        });
        rows.push([`${dimension}`, deviation, sde.name, ...comparison(curves, [1e-2, 1e-3, 1e-4])]);
      }
    }
  }
  console.log(
    `Evaluations of a likelihood at one error (rms over ${SAMPLES} points, nats), mixtures of three components:`,
  );
  printTable(['dimensions', 'deviation of a component', 'SDE', ...headings(['1e-2', '1e-3', '1e-4'])], rows);
  await digits();
}

/** Standard deviations of a component at u in [0, 1], the place of a coordinate; the last one as in pictures, parts of which hardly vary. */
const spreads: readonly [string, (u: number) => number][] = [
  ['0.3', () => 0.3],
  ['0.03', () => 0.03],
  ['0.001', () => 0.001],
  ['0.001 to 0.5', (u) => 0.001 * 500 ** u],
];

/** Three components, with means of size 0.5 in every coordinate. */
function mixtureOf(dimension: number, deviationOf: (u: number) => number): GaussianMixture {
  return new GaussianMixture({
    weights: [0.5, 0.3, 0.2],
    means: [0, 1, 2].map((k) =>
      Array.from({ length: dimension }, (_, i) => 0.5 * Math.sin(1 + 7 * k + 3 * i)),
    ),
    covariances: [1, 0.6, 1.5].map((factor) =>
      Array.from({ length: dimension }, (_, i) => (factor * deviationOf((i + 0.5) / dimension)) ** 2),
    ),
  });
}

async function digits(): Promise<void> {
  const count = Number(process.env['VARIABLE_DIGITS'] ?? 8);
  const { data } = await mnist();
  const bytes = (data as Uint8Array).subarray(0, count * 28 * 28);
  const rows: string[][] = [];
  for (const name of ['vp', 've'] as const) {
    const model = await loadModel(embeddedModel(name));
    const scored = async (tolerance: number, variable: Variable) => {
      const options = { rtol: tolerance, atol: tolerance, variable };
      const { logDensity, evaluations } = await likelihood(model, bytes, options);
      return { logDensity, evaluations };
    };
    // A network in float32 reaches about 1e-6; neither variable is the judge of the other.
    const references = await Promise.all(variables.map((variable) => scored(1e-6, variable)));
    const reference = references[0]!.logDensity.map(
      (value, i) => (value + references[1]!.logDensity[i]!) / 2,
    );
    const curves = await curvesOf(
      async (tolerance, variable) => {
        const { logDensity, evaluations } = await scored(tolerance, variable);
        return { evaluations, errors: logDensity.map((value, i) => value - reference[i]!) };
      },
      tolerances.filter((tolerance) => tolerance > 2e-6),
    );
    rows.push([`MNIST, ${name}`, ...comparison(curves, [10, 1, 0.3])]);
    await model.close();
  }
  console.log(`The same for ${count} digits (1 nat is 0.0018 bits/dim):`);
  printTable(['model', ...headings(['10', '1', '0.3'])], rows);
}

async function curvesOf(
  measure: (
    tolerance: number,
    variable: Variable,
  ) => Promise<{ evaluations: Int32Array; errors: Float64Array }>,
  over: readonly number[] = tolerances,
): Promise<Curve[]> {
  const curves: Curve[] = [];
  for (const variable of variables) {
    const curve: Point[] = [];
    for (const tolerance of over) {
      const { evaluations, errors } = await measure(tolerance, variable);
      curve.push({
        tolerance,
        largest: errors.reduce((most, error) => Math.max(most, Math.abs(error)), 0),
        evaluations: evaluations.reduce((sum, n) => sum + n, 0) / evaluations.length,
        error: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length),
      });
    }
    curves.push(curve);
  }
  return curves;
}

const headings = (errors: readonly string[]) => [
  ...errors.map((error) => `at ${error}: t, lambda, lambda / t`),
  `largest error at tolerance ${DEFAULT}: t, lambda`,
];

function comparison(curves: readonly Curve[], errors: readonly number[]): string[] {
  const largest = curves.map((curve) =>
    curve.find(({ tolerance }) => tolerance < 1.1 * DEFAULT)!.largest.toExponential(0),
  );
  const evaluations = errors.map((error) => {
    const [t, lambda] = curves.map((curve) => evaluationsFor(curve, error)) as [number, number];
    const shown = (value: number, digits = 0) => (Number.isNaN(value) ? '-' : value.toFixed(digits));
    return `${shown(t)}, ${shown(lambda)}, ${shown(lambda / t, 2)}`;
  });
  return [...evaluations, largest.join(', ')];
}

/** The evaluations after which the error stays below this, between the tolerances that were run; NaN where none reaches it. */
function evaluationsFor(curve: Curve, error: number): number {
  const k = curve.findLastIndex((point) => point.error > error);
  const [above, below] = [curve[k], curve[k + 1]];
  if (!below) return NaN;
  if (!above) return below.evaluations;
  const share = Math.log(above.error / error) / Math.log(above.error / below.error);
  return Math.exp((1 - share) * Math.log(above.evaluations) + share * Math.log(below.evaluations));
}
