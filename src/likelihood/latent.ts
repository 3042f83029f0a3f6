import { OptionError } from '../errors.js';
import { checkFits } from '../memory.js';
import { checkInteger, checkKnown, checkNumber } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import { recordOfInputs } from '../score/inputs.js';
import { priorMismatch } from '../score/doubts.js';
import { openDevice } from '../score/commands.js';
import type { ScoreModel } from '../score/model.js';
import { betweenLevels, levelDoubts, startOf } from '../solvers/process-record.js';
import { integrateFlow, jumpsOf } from '../solvers/ode/flow-integration.js';
import { ProbabilityFlow } from '../solvers/ode/probability-flow-ode.js';
import { elementCount } from '../shape.js';
import { countOf, inModelSpace, type Data } from './data-space.js';
import {
  integrationOptions,
  planIntegration,
  type IntegrationOptions,
  type IntegrationProgress,
} from './integration.js';

/** How latent codes are decoded. */
export interface DecodeOptions extends IntegrationOptions {
  /** Factor on the latent codes; below 1 samples become more typical (VP and sub-VP; Song et al. 2021). Default 1. */
  readonly temperature?: number | undefined;
}

/** How many points a path between two samples has. */
export interface InterpolateOptions extends IntegrationOptions {
  /** Points on every path, its two ends included. Default 8. */
  readonly points?: number | undefined;
}

/** More points than any animation of a path has pictures. */
const MOST_POINTS = 10_000;

/** States at one end of the probability-flow ODE. */
export interface LatentResult {
  /** `[count, ...shape]`: latent codes in the prior's unit, or samples in the model's own space. */
  readonly values: Float64Array;
  /** `[count, ...shape]` of `values`. */
  readonly shape: readonly number[];
  /** Score evaluations of every sample, rejected steps included. */
  readonly evaluations: Int32Array;
  /** Wall-clock time of the run. */
  readonly seconds: number;
  /** Doubts about the codes, in plain words. */
  readonly warnings: readonly string[];
  /** Every option as resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Latent codes of data: the states x_T / priorSigma to which the probability-flow ODE carries them, standard normal where
 * the model fits the data (Song et al. 2021, section 4.3). Every datum has one code, which the true score determines.
 *
 * @param data [count, ...shape]: bytes are pixels, 0..255 mapped onto the data range; floats are in the model's own space.
 * @throws OptionError, NonFiniteScoreError, and IntegrationError where the tolerances cannot be reached.
 */
export async function encode(
  model: ScoreModel,
  data: Data,
  options: IntegrationOptions = {},
): Promise<LatentResult> {
  checkKnown(options, integrationOptions);
  const count = countOf(model, data);
  const x = inModelSpace(model, data, 0, count);
  const flowed = await flow(model, x, 'to-prior', options);
  return { ...flowed, values: flowed.values.map((value) => value / model.sde.priorSigma) };
}

/**
 * Samples from latent codes: the inverse of {@link encode}.
 *
 * @param latents [count, ...shape] in the prior's unit, as `encode` gives them or standard normal.
 * @throws as encode.
 */
export async function decode(
  model: ScoreModel,
  latents: Float32Array | Float64Array,
  options: DecodeOptions = {},
): Promise<LatentResult> {
  checkKnown(options, [...integrationOptions, 'temperature']);
  const { temperature = 1, ...rest } = options;
  checkNumber('temperature', temperature, 0, true);
  checkLatents(model, 'latents', latents);
  const scale = temperature * model.sde.priorSigma;
  const flowed = await flow(
    model,
    Float64Array.from(latents, (z) => scale * z),
    'to-data',
    rest,
  );
  return { ...flowed, options: { ...flowed.options, temperature } };
}

/**
 * Paths between data through the latent space: both ends are encoded, joined by great circles, and decoded.
 *
 * @param from [count, ...shape], as `encode` takes them.
 * @param to as many, the other ends.
 * @returns values [count, points, ...shape].
 * @throws as encode.
 */
export async function interpolate(
  model: ScoreModel,
  from: Data,
  to: Data,
  options: InterpolateOptions = {},
): Promise<LatentResult> {
  checkKnown(options, [...integrationOptions, 'points']);
  const { points = 8, onProgress, classLabel, ...rest } = options;
  checkInteger('points', points, 2, MOST_POINTS);
  checkFits('points', points, 8 * from.length, 'fewer points or fewer pairs');
  const count = countOf(model, from);
  if (countOf(model, to) !== count) throw new OptionError('to', to, `as many samples as from (${count})`);
  const labels = checkConditions(model, classLabel, count);
  const d = elementCount(model.shape);
  const part = (share: number, begin: number, phase: number) => ({
    ...rest,
    classLabel:
      labels && Int32Array.from({ length: count * phase }, (_, i) => labels[Math.floor(i / phase)]!),
    onProgress: (progress: IntegrationProgress) => {
      onProgress?.({ ...progress, fraction: begin + share * progress.fraction });
    },
  });
  const whole = points + 2;
  const a = await encode(model, from, part(1 / whole, 0, 1));
  const b = await encode(model, to, part(1 / whole, 1 / whole, 1));
  const codes = new Float64Array(count * points * d);
  for (let i = 0; i < count; i++) {
    const ends = [a, b].map(({ values }) => values.subarray(i * d, (i + 1) * d)) as [
      Float64Array,
      Float64Array,
    ];
    for (let p = 0; p < points; p++) codes.set(slerp(...ends, p / (points - 1)), (i * points + p) * d);
  }
  const flowed = await decode(model, codes, part(points / whole, 2 / whole, points));
  return {
    ...flowed,
    shape: [count, points, ...model.shape],
    seconds: a.seconds + b.seconds + flowed.seconds,
    options: { ...flowed.options, count, points },
  };
}

/**
 * The point at `u` in [0, 1] on the way from a to b: with the angle theta between them,
 * (sin((1 - u) theta) a + sin(u theta) b) / sin(theta), so that the norm goes from one's to the other's.
 */
export function slerp(a: Float64Array, b: Float64Array, u: number): Float64Array {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  const theta = Math.acos(Math.min(1, Math.max(-1, dot / Math.sqrt(aa * bb))));
  // Ends in one direction (or a code of zero) are joined by a line; opposite ones have no shortest way.
  const sine = Math.sin(theta);
  const [left, right] =
    sine > 1e-6 ? [Math.sin((1 - u) * theta) / sine, Math.sin(u * theta) / sine] : [1 - u, u];
  return a.map((value, i) => left * value + right * b[i]!);
}

function checkLatents(model: ScoreModel, name: string, latents: Float32Array | Float64Array): void {
  const d = elementCount(model.shape);
  const bad = latents.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new OptionError(`${name}[${bad}]`, latents[bad], 'a finite number');
  if (latents.length === 0 || latents.length % d !== 0) {
    throw new OptionError(name, latents, `codes of ${model.shape.join(' x ')} = ${d} elements`);
  }
}

/** Carries states along the probability-flow ODE, between epsilon and T. */
async function flow(
  model: ScoreModel,
  x: Float64Array,
  direction: 'to-prior' | 'to-data',
  options: IntegrationOptions,
): Promise<LatentResult> {
  const began = performance.now();
  const { sde } = model;
  const d = elementCount(model.shape);
  const count = x.length / d;
  const { tolerances, epsilon, batch, labels, signal } = planIntegration(model, options, count);
  const [from, to] = direction === 'to-prior' ? [epsilon, sde.T] : [sde.T, epsilon];
  const evaluations = new Int32Array(count);
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(start + batch, count);
    const values = x.subarray(start * d, end * d);
    const device = openDevice(model, values.length, signal);
    try {
      const state = device.allocate(values.length, 'double');
      device.write(state, values);
      const ode = new ProbabilityFlow(model, {
        device,
        first: start,
        labels: labels?.subarray(start, end),
        signal,
      });
      const part = await integrateFlow(ode, sde, [state], {
        jumps: jumpsOf(model),
        ...tolerances,
        device,
        from,
        to,
        first: start,
        onProgress: (time) => {
          const share = (sde.lambda(from) - sde.lambda(time)) / (sde.lambda(from) - sde.lambda(to));
          const fraction = (start + share * (end - start)) / count;
          options.onProgress?.({ done: start, count, time, fraction });
        },
      });
      values.set(await device.read(state));
      evaluations.set(part.evaluations, start);
    } finally {
      await device.close();
    }
  }
  return {
    values: x,
    shape: [count, ...model.shape],
    evaluations,
    seconds: (performance.now() - began) / 1000,
    warnings: [...priorMismatch(model, labels), ...levelDoubts(model)],
    options: {
      sde: sde.name,
      ...(model.guidance && { guidance: model.guidance }),
      ...recordOfInputs(model),
      ...tolerances,
      ...{ epsilon, count, batch },
      ...startOf(model),
      ...betweenLevels(model),
    },
  };
}
