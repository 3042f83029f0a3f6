import type { Elements, ScaledNoise } from '../../device/device.js';
import { checkKnown, checkNumber } from '../../options.js';
import type { Step } from '../../sde/grid.js';
import { levelAt, trainedLevelAt, type Level } from '../../sde/level.js';
import { checkClip, estimator, type Clip } from '../clipping.js';
import { predictorOptions } from '../names.js';
import type { Predictor } from '../predictor.js';
import { ddimFromNoise, freshDeviation } from './ddim.js';

/** Options of DPM-Solver and DPM-Solver++ within a step. */
export interface SinglestepOptions {
  /** How the estimate of x_0 is kept within the data range at every evaluation. Default false. */
  readonly clip?: Clip | undefined;
}

/** Options of the methods of two evaluations a step. */
export interface TwoStageOptions extends SinglestepOptions {
  /**
   * Noise, from 0 (default, the ODE) to 1 and more, as DDIM has it: the step goes on to the noise that leaves room for it. With 1 these are
   * the ancestral methods `dpm_2_ancestral` and `dpmpp_2s_ancestral` of k-diffusion.
   */
  readonly eta?: number | undefined;
}

/** DPM-Solver-1 (Lu et al. 2022a, equation 4.1): order 1, one evaluation a step; the same as DDIM with eta 0. */
export function dpmSolver1(options: SinglestepOptions = {}): Predictor {
  return singlestep('dpm-solver-1', 'noise', [], options);
}

/** DPM-Solver-2 (Lu et al. 2022a, algorithm 4 with r1 = 1/2): order 2, two evaluations a step. */
export function dpmSolver2S(options: TwoStageOptions = {}): Predictor {
  return singlestep('dpm-solver-2s', 'noise', [1 / 2], options);
}

/** DPM-Solver-3 (Lu et al. 2022a, algorithm 5 with r1 = 1/3, r2 = 2/3): order 3, three evaluations a step. */
export function dpmSolver3S(options: SinglestepOptions = {}): Predictor {
  return singlestep('dpm-solver-3s', 'noise', [1 / 3, 2 / 3], options);
}

/** DPM-Solver++(2S) (Lu et al. 2022b, algorithm 1 with r1 = 1/2): order 2, two evaluations a step. */
export function dpmpp2S(options: TwoStageOptions = {}): Predictor {
  return singlestep('dpmpp-2s', 'data', [1 / 2], options);
}

/** The same of order 3, with r1 = 1/3 and r2 = 2/3: three evaluations a step. */
export function dpmpp3S(options: SinglestepOptions = {}): Predictor {
  return singlestep('dpmpp-3s', 'data', [1 / 3, 2 / 3], options);
}

/**
 * The exponential Runge-Kutta methods of DPM-Solver. In lambda, x / alpha with the prediction of the noise and x / sigma with
 * that of x_0 obey dy/dlambda = +-factor p / .., whose solution from s to t is, for p = p_s + (lambda - lambda_s) slope,
 *
 *     x_t = scale x_s - factor_t [(e^z - 1) p_s + ((e^z - 1) / z - 1) h slope],   z = h or -h.
 *
 * @param nodes where in the step the second and third evaluation lie.
 */
function singlestep(
  name: 'dpm-solver-1' | 'dpm-solver-2s' | 'dpm-solver-3s' | 'dpmpp-2s' | 'dpmpp-3s',
  prediction: 'noise' | 'data',
  nodes: readonly number[],
  options: TwoStageOptions,
): Predictor {
  checkKnown(options, predictorOptions[name]);
  const { clip = false, eta = 0 } = options;
  checkClip(clip);
  checkNumber('eta', eta, 0, true);
  const isNoise = prediction === 'noise';
  const scale = (s: Level, t: Level) => (isNoise ? t.alpha / s.alpha : t.sigma / s.sigma);
  const factor = (t: Level) => (isNoise ? t.sigma : t.alpha);
  const exponent = (s: Level, t: Level) => (isNoise ? t.lambda - s.lambda : s.lambda - t.lambda);
  const constant = (s: Level, t: Level) =>
    isNoise && t.sigma === 0 ? -scale(s, t) * s.sigma : -factor(t) * Math.expm1(exponent(s, t));
  const linear = (s: Level, t: Level) => -factor(t) * (Math.expm1(exponent(s, t)) / exponent(s, t) - 1);
  const target = (step: Step) => withLess(step.to, freshDeviation(step, eta));
  return {
    name,
    ...(nodes.length > 0 && { continuous: true }),
    defaults: { steps: nodes.length === 0 ? 50 : 20, grid: 'uniform-lambda' },
    fromNoise: ddimFromNoise({ eta, clip }),
    resolve: () => ({ ...(nodes.length === 1 && { eta }), clip }),
    inner: (step) => (target(step).sigma === 0 ? 0 : nodes.length),
    begin(batch) {
      const { model, x } = batch;
      const estimate = estimator(clip);
      const [start, inner, trial] = [batch.like(), batch.like(), batch.like()];
      const predict = (out: Elements, { alpha, sigma }: Level, state: Elements): void => {
        estimate(batch, out, state);
        if (isNoise) batch.combine(out, [state, out], [1 / sigma, -alpha / sigma]);
      };
      /** out <- the solution at t with p_s and a multiple of the difference of the inner prediction to it. */
      const solve = (out: Elements, s: Level, t: Level, multiple = 0, noise?: ScaledNoise): void => {
        const first = constant(s, t) - multiple;
        batch.combine(out, [x, start, inner], [scale(s, t), first, multiple], noise);
      };
      /** An evaluation inside of a step and where in it that is: at a trained level, where a network knows no others and there is one. */
      const innerLevel = (from: Level, to: Level, node: number): { level: Level; place: number } => {
        const h = to.lambda - from.lambda;
        const t = model.sde.timeOfLambda(from.lambda + node * h);
        const level = levelAt(model, t);
        const trained = trainedLevelAt(model, t);
        const isInside = trained.lambda > from.lambda && trained.lambda < to.lambda;
        if (trained.t === t || !isInside) return { level, place: node };
        return { level: trained, place: (trained.lambda - from.lambda) / h };
      };
      return async (step, address) => {
        const { k, from } = step;
        const to = target(step);
        const noise = address && { scale: freshDeviation(step, eta), address };
        predict(start, from, x);
        // The data are no place that a step has a middle to: one prediction leads there.
        const inside = to.sigma === 0 ? [] : nodes.map((node) => innerLevel(from, to, node));
        for (const [i, { level, place }] of inside.entries()) {
          solve(trial, from, level, i === 0 ? 0 : (linear(from, level) * place) / inside[0]!.place);
          await batch.evaluate(level, k, { state: trial });
          predict(inner, level, trial);
        }
        if (inside.length === 0) solve(x, from, to, 0, noise);
        else if (inside.length === 1) solve(x, from, to, constant(from, to) / (2 * inside[0]!.place), noise);
        else solve(x, from, to, linear(from, to) / inside[1]!.place);
      };
    },
  };
}

/** The level from which fresh noise leads to another. */
function withLess(level: Level, fresh: number): Level {
  if (fresh === 0) return level;
  const { t, alpha, sigma } = level;
  const left = Math.sqrt(Math.max(0, sigma ** 2 - fresh ** 2));
  return { t, alpha, sigma: left, lambda: Math.log(alpha / left) };
}
