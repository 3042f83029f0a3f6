import { Stream, type NoiseAddress } from '../device/binding.js';
import { fillNormal, fillRademacher } from '../device/kernels.js';
import type { DerivativeCost, ScoreDerivative } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { priorLogDensity } from '../sde/prior.js';
import { DerivativeCheck } from '../solvers/ode/derivative-check.js';
import { integrateFlow, type FlowTolerances } from '../solvers/ode/flow-integration.js';
import { LogDensityFlow, type Trace } from '../solvers/ode/log-density-ode.js';
import { ProbabilityFlow } from '../solvers/ode/probability-flow-ode.js';
import { elbo } from './elbo.js';
import { dequantizedInModelSpace, type Data } from './data-space.js';

/** Every option of a likelihood run with its default. */
export interface LikelihoodJob {
  readonly count: number;
  readonly dimension: number;
  readonly tolerances: Required<FlowTolerances>;
  readonly epsilon: number;
  readonly exact: boolean;
  readonly probes: number;
  readonly probe: 'rademacher' | 'gaussian';
  readonly repeats: number;
  readonly bins: number | undefined;
  readonly binWidth: number;
  readonly offset: number;
  readonly draws: number;
  readonly batch: number;
  readonly seed: bigint;
  readonly first: number;
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What one pass found for some samples; values in nats. */
export interface PartResult {
  /** ln p_epsilon, the mean over the random vectors. */
  readonly mean: Float64Array;
  /** Of that mean; NaN with one vector. */
  readonly variance: Float64Array;
  readonly bound: { readonly bound: Float64Array; readonly standardError: Float64Array } | undefined;
  readonly derivativeError: Float64Array | undefined;
  readonly latents: Float64Array;
  readonly evaluations: Int32Array;
  readonly rejected: Int32Array;
  /** Of one evaluation of the right-hand side. */
  readonly cost: DerivativeCost;
  /** Evaluations of the score beside those of the integration. */
  readonly extra: number;
}

/** Integrates samples start to end of one pass. */
export async function integratePart(
  model: ScoreModel,
  derivative: ScoreDerivative,
  data: Data,
  { start, end, repeat }: { start: number; end: number; repeat: number },
  job: LikelihoodJob,
  onProgress: (time: number, share: number) => void,
): Promise<PartResult> {
  const { sde } = model;
  const { epsilon, dimension: d, draws } = job;
  const samples = end - start;
  const first = job.first + start;
  const address = (stream: number): NoiseAddress => ({
    seed: job.seed,
    samples: first,
    step: repeat,
    stream,
  });
  const x = dequantizedInModelSpace(model, data, start, end, address(Stream.dequantization));
  const flow = new ProbabilityFlow(model, {
    first,
    labels: job.labels?.subarray(start, end),
    signal: job.signal,
  });
  const bound =
    draws > 0
      ? await elbo(flow, x, { epsilon, draws, noise: { seed: job.seed, samples: first, substep: repeat } })
      : undefined;

  const ode = new LogDensityFlow(flow, derivative, traceOf(job, samples, address));
  const width = ode.widths[1]!;
  const traces = new Float64Array(samples * width);
  const span = sde.lambda(epsilon) - sde.lambda(sde.T);
  const check = derivative.discrepancy
    ? new DerivativeCheck(ode, flow, derivative, epsilon, samples)
    : undefined;
  const { evaluations, rejected } = await integrateFlow(ode, sde, [x, traces], {
    ...job.tolerances,
    from: epsilon,
    to: sde.T,
    first,
    ...(check && { output: check }),
    onProgress: (time) => {
      onProgress(time, (sde.lambda(epsilon) - sde.lambda(time)) / span);
    },
  });

  const linear = d * (Math.log(sde.alpha(sde.T)) - Math.log(sde.alpha(epsilon)));
  const mean = new Float64Array(samples);
  const variance = new Float64Array(samples);
  for (let i = 0; i < samples; i++) {
    const own = traces.subarray(i * width, (i + 1) * width);
    const average = own.reduce((sum, value) => sum + value, 0) / width;
    const squares = own.reduce((sum, value) => sum + (value - average) ** 2, 0);
    mean[i] = priorLogDensity(sde, x.subarray(i * d, (i + 1) * d)) + linear + d * average;
    variance[i] = (d ** 2 * squares) / (width * (width - 1));
  }
  return {
    mean,
    variance,
    bound,
    derivativeError: check?.error,
    latents: x.map((value) => value / sde.priorSigma),
    evaluations,
    rejected,
    cost: ode.cost,
    extra: 2 * draws + (check?.evaluations ?? 0),
  };
}

function traceOf(job: LikelihoodJob, samples: number, address: (stream: number) => NoiseAddress): Trace {
  if (job.exact) return 'exact';
  return Array.from({ length: job.probes }, (_, substep) => {
    const vectors = new Float32Array(samples * job.dimension);
    if (job.probe === 'gaussian') fillNormal(vectors, samples, { ...address(Stream.probeNormal), substep });
    else fillRademacher(vectors, samples, { ...address(Stream.probeRademacher), substep });
    return vectors;
  });
}
