import { Stream, type NoiseAddress } from '../device/binding.js';
import { affine, dots, fillNormal, fillUniform } from '../device/kernels.js';
import type { ProbabilityFlow } from '../solvers/ode/probability-flow-ode.js';

export interface ElboOptions {
  /** Where the data are in time. */
  readonly epsilon: number;
  /** Times drawn for every sample, an even number; each costs two evaluations. */
  readonly draws: number;
  /** Address of the noise; stream and step are set here. */
  readonly noise: Omit<NoiseAddress, 'stream' | 'step'>;
}

/** A bound and its standard error, per sample, in nats. */
export interface Elbo {
  readonly bound: Float64Array;
  readonly standardError: Float64Array;
}

/** A guess at the variance of images in a typical direction, for data in [-1, 1]; it affects the standard error alone. */
const VARIANCE = 0.05;

/**
 * Lower bound on the log-density of the reverse-time SDE (Song et al. 2021, "Maximum likelihood training", theorem 3):
 *
 *     log p(x) >= E log pi(x_T) - E int g^2 (|s|^2 / 2 - s . grad log p(x_t | x)) dt + d ln(alpha(T) / alpha(epsilon))
 *
 * tight where s is the true score. The time is drawn uniformly in lambda, which is in proportion to g^2 / sigma^2, from
 * one stratum per draw; z and -z are used together, so that s . z / sqrt(spread) stays bounded as t falls to epsilon.
 * The standard error is that of collapsed pairs of strata, if anything too large.
 */
export async function elbo(
  flow: ProbabilityFlow,
  x: Float64Array,
  { epsilon, draws, noise }: ElboOptions,
): Promise<Elbo> {
  const { sde } = flow.model;
  const d = flow.widths[0]!;
  const count = x.length / d;
  const rows = Int32Array.from({ length: count }, (_, i) => i);
  const span = sde.lambda(epsilon) - sde.lambda(sde.T);
  const terms: Float64Array[] = [];
  const z = new Float64Array(x.length);
  const u = new Float64Array(count);
  const norms = new Float64Array(count);
  const [low, high] = sde.dataRange;
  const v = VARIANCE * ((high - low) / 2) ** 2;
  for (let m = 0; m < draws; m++) {
    fillNormal(z, count, { ...noise, stream: Stream.forward, step: m });
    fillUniform(u, count, { ...noise, stream: Stream.trainingTime, step: m });
    const t = u.map((value) => sde.timeOfLambda(sde.lambda(epsilon) - (span * (m + value)) / draws));
    const transitions = Array.from(t, (time) => sde.transition(epsilon, time));
    const half = new Float64Array(count);
    for (const sign of [1, -1]) {
      const state = new Float64Array(x.length);
      affine(
        state,
        [x, z],
        table(transitions, ({ retain, spread }) => [retain, sign * Math.sqrt(spread)]),
      );
      const points = flow.points(t, state, rows);
      const output = await flow.evaluate(points, rows);
      const score = state;
      const coefficients = points.levels.map((level) => flow.model.coefficients(level));
      affine(
        score,
        [state, output],
        table(coefficients, (c) => [c.state, c.output]),
      );
      const [squares, along] = [new Float64Array(count), new Float64Array(count)];
      dots(score, score, squares);
      dots(score, z, along);
      for (let i = 0; i < count; i++) {
        half[i]! += squares[i]! / 4 + (sign * along[i]!) / (2 * Math.sqrt(transitions[i]!.spread));
      }
    }
    dots(z, z, norms);
    terms.push(
      half.map((value, i) => {
        // For data of variance v in every direction, s is -sqrt(spread) z / c and the integrand this multiple of -|z|^2:
        // its part with mean 0 is taken out.
        const variance = sde.sigma(t[i]!) ** 2;
        const { spread } = transitions[i]!;
        const c = sde.alpha(t[i]!) ** 2 * v + variance;
        const known = (1 / c - spread / (2 * c * c)) * (norms[i]! - d);
        // g^2 dt = 2 sigma^2 |d lambda|.
        return 2 * span * variance * (value + known);
      }),
    );
  }
  const { retain, spread } = sde.transition(epsilon, sde.T);
  const variance = sde.priorSigma ** 2;
  const linear = d * (Math.log(sde.alpha(sde.T)) - Math.log(sde.alpha(epsilon)));
  dots(x, x, norms);
  const bound = norms.map((norm, i) => {
    const prior =
      -0.5 * (d * Math.log(2 * Math.PI * variance) + (retain ** 2 * norm + d * spread) / variance);
    return prior - terms.reduce((sum, term) => sum + term[i]!, 0) / draws + linear;
  });
  const standardError = norms.map((_, i) => {
    let squares = 0;
    for (let m = 0; m < draws; m += 2) squares += (terms[m]![i]! - terms[m + 1]![i]!) ** 2;
    return Math.sqrt(squares) / draws;
  });
  return { bound, standardError };
}

/** Rows of coefficients, with no noise. */
function table<T>(rows: readonly T[], row: (value: T) => readonly [number, number]): Float64Array {
  return Float64Array.from(rows.flatMap((value) => [...row(value), 0]));
}
