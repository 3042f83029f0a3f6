import type { State } from '../device/binding.js';
import type { ScoreModel } from '../score/model.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import { Batch } from '../solvers/batch.js';
import type { Counts } from '../solvers/counts.js';
import { denoise } from '../solvers/walk.js';

export interface ParticleOptions {
  /** Particles of each sample, K. */
  readonly particles: number;
  /** Share of K below which the effective sample size makes the particles be drawn anew. */
  readonly essThreshold: number;
  /** From the prior down to the level whose law stands for that of the data. */
  readonly levels: readonly Level[];
  /** Samples, each with particles of its own; the global index of the first. */
  readonly size: number;
  readonly first: number;
  readonly seed: bigint;
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onStep: (step: number) => void;
}

export interface Particles {
  /** [size, ...shape]. */
  readonly samples: State;
  readonly counts: Counts;
  /** Of each sample: the least effective number of particles on the way. */
  readonly effectiveSampleSize: Float64Array;
  /** Of each sample: the logarithm of an unbiased estimate of p(y). */
  readonly logEvidence: Float64Array;
}

/** The posterior mean of x_0 given each state at the last level. */
export async function denoised(
  model: ScoreModel,
  states: Float32Array,
  { levels, size, first, seed, labels, signal }: ParticleOptions,
): Promise<{ samples: State; networks: Record<string, number> }> {
  const batch = new Batch(model, { size, first, seed, labels, selfConditioned: false, signal });
  try {
    batch.write(states);
    await denoise(batch, levels.at(-1)!, levels.length - 1);
    return { samples: await batch.read(), networks: batch.counts.networks };
  } finally {
    await batch.close();
  }
}

/** Mean and standard deviation of every element of the data, where these are known; else the middle and half the width of their range. */
export function spreadOf(model: ScoreModel): { mean: Float64Array; deviations: Float64Array } {
  const data = model.moments?.();
  const [low, high] = model.sde.dataRange;
  const all = (value: number) => new Float64Array(elementCount(model.shape)).fill(value);
  return {
    mean: data?.mean ?? all((low + high) / 2),
    deviations: data?.variances.map(Math.sqrt) ?? all((high - low) / 2),
  };
}

/** A step of the chain that particles follow: x_to = alpha_to (mean + sqrt(variance) z). */
export interface ChainStep {
  /** Share of x / alpha in the mean; that of the estimate of x_0 is the rest. */
  readonly kept: number;
  readonly variance: number;
  /** Share of the change since the estimate before, by which the estimate is extrapolated: the chain is of order 2. */
  readonly extrapolated: number;
}

/**
 * Step k of the chain: DPM-Solver++(2M) of the SDE (Lu et al. 2022), in whose mean the estimate of x_0 before the step has a part. The
 * chain of order 1 (DDIM with eta = 1) has a variance that is 9 % too low in 100 steps, this one 0.3 %.
 */
export function chainStep(levels: readonly Level[], k: number): ChainStep {
  const [before, from, to] = [levels[k - 1], levels[k]!, levels[k + 1]!];
  const kept = squaredRatio(to) / squaredRatio(from);
  const steps = before ? (to.lambda - from.lambda) / (from.lambda - before.lambda) : 0;
  return { kept, variance: squaredRatio(to) * (1 - kept), extrapolated: steps / 2 };
}

/** The means over alpha of a step of all rows, from their states and their estimates of x_0 now and before. */
export function stepMeans(
  { kept, extrapolated }: ChainStep,
  alpha: number,
  x: Float32Array,
  estimates: Float64Array,
  previous: Float64Array,
): Float64Array {
  return estimates.map(
    (now, i) => kept * (x[i]! / alpha) + (1 - kept) * (now + extrapolated * (now - previous[i]!)),
  );
}

/** Rows of values from where they come from: row i takes that of parents[i]. */
export function gathered(values: Float64Array, parents: Int32Array): Float64Array {
  const width = values.length / parents.length;
  const out = new Float64Array(values.length);
  parents.forEach((parent, row) => {
    out.set(values.subarray(parent * width, (parent + 1) * width), row * width);
  });
  return out;
}

/** (sigma / alpha)^2. */
export function squaredRatio({ alpha, sigma }: Level): number {
  return (sigma / alpha) ** 2;
}

export function logNormal(x: number, variance: number): number {
  return -0.5 * ((x * x) / variance + Math.log(2 * Math.PI * variance));
}

/** The labels of all samples for every particle. */
export function repeated(labels: Int32Array, times: number): Int32Array {
  const out = new Int32Array(times * labels.length);
  for (let p = 0; p < times; p++) out.set(labels, p * labels.length);
  return out;
}
