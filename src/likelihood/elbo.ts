import { Stream, type NoiseAddress } from '../device/binding.js';
import type { Elements } from '../device/device.js';
import { fillUniform } from '../device/kernels.js';
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

const SIGNS = [1, -1] as const;

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
  x: Elements,
  { epsilon, draws, noise }: ElboOptions,
): Promise<Elbo> {
  const { device } = flow;
  const { sde } = flow.model;
  const d = flow.widths[0]!;
  const count = x.length / d;
  const rows = Int32Array.from({ length: count }, (_, i) => i);
  const span = sde.lambda(epsilon) - sde.lambda(sde.T);
  const terms: Float64Array[] = [];
  const u = new Float64Array(count);
  const [z, state] = [device.allocate(x.length, 'double'), device.allocate(x.length, 'double')];
  // Of both signs |s|^2 and s . z, then |z|^2.
  const products = device.allocate(5 * count, 'double');
  const product = (k: number) => device.rows(products, count, k, 1);
  const [low, high] = sde.dataRange;
  const v = VARIANCE * ((high - low) / 2) ** 2;
  for (let m = 0; m < draws; m++) {
    device.fill(z, count, 'normal', { ...noise, stream: Stream.forward, step: m });
    fillUniform(u, count, { ...noise, stream: Stream.trainingTime, step: m });
    const t = u.map((value) => sde.timeOfLambda(sde.lambda(epsilon) - (span * (m + value)) / draws));
    const transitions = Array.from(t, (time) => sde.transition(epsilon, time));
    const places = flow.places(t, rows);
    const coefficients = places.levels.map((level) => flow.model.coefficients(level));
    for (const [k, sign] of SIGNS.entries()) {
      device.affine(
        state,
        [x, z],
        table(transitions, ({ retain, spread }) => [retain, sign * Math.sqrt(spread)]),
      );
      const pending = flow.evaluate(state, places, rows);
      if (pending) await pending;
      // The score.
      device.affine(
        state,
        [state, flow.output(count)],
        table(coefficients, (c) => [c.state, c.output]),
      );
      device.dots(state, state, product(2 * k));
      device.dots(state, z, product(2 * k + 1));
    }
    device.dots(z, z, product(4));
    const found = await device.read(products);
    const half = new Float64Array(count);
    for (const [k, sign] of SIGNS.entries()) {
      for (let i = 0; i < count; i++) {
        const [squares, along] = [found[2 * k * count + i]!, found[(2 * k + 1) * count + i]!];
        half[i]! += squares / 4 + (sign * along) / (2 * Math.sqrt(transitions[i]!.spread));
      }
    }
    const norms = found.subarray(4 * count);
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
  device.dots(x, x, product(0));
  const norms = Float64Array.from(await device.read(product(0)));
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
