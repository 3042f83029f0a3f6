import { Stream, type NoiseAddress } from '../device/binding.js';
import type { Device } from '../device/device.js';
import { fillNormal, fillRademacher } from '../device/kernels.js';
import { openDevice } from '../score/commands.js';
import type { DerivativeCost, ScoreDerivative } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { levelAt } from '../sde/level.js';
import { priorLogDensity } from '../sde/prior.js';
import { addRuns, costAt } from '../solvers/counts.js';
import { DerivativeCheck } from '../solvers/ode/derivative-check.js';
import { integrateFlow, jumpsOf } from '../solvers/ode/flow-integration.js';
import { LogDensityFlow, type Trace } from '../solvers/ode/log-density-ode.js';
import { ProbabilityFlow } from '../solvers/ode/probability-flow-ode.js';
import { elbo } from './elbo.js';
import { dequantizedInModelSpace, type Data } from './data-space.js';
import type { LikelihoodJob } from './job.js';

/** What one pass over the data found, per sample, in nats. */
export interface Pass {
  /** ln p_epsilon, the mean over the random vectors. */
  readonly logDensity: Float64Array;
  /** Of that mean; NaN with one vector. */
  readonly variance: Float64Array;
  /** By how much central differences may be off; 0 for other derivatives. */
  readonly derivativeError: Float64Array;
  readonly bound: Float64Array;
  readonly boundError: Float64Array;
}

/** The passes, and what they cost. */
export interface Passes {
  readonly passes: readonly Pass[];
  /** States at T of the first pass. */
  readonly ends: Float64Array;
  /** Evaluations of the right-hand side for every sample over all passes, rejected steps included. */
  readonly evaluations: Int32Array;
  readonly rejected: Int32Array;
  /** Of one evaluation of the right-hand side. */
  readonly cost: DerivativeCost;
  /** Runs of each network for every sample, over all passes. */
  readonly networks: readonly Record<string, number>[];
  /** Evaluations of the score of every sample beside those of the integration. */
  readonly extra: number;
}

/** Consecutive samples of the data. */
export interface DataRange {
  readonly start: number;
  readonly end: number;
}

/** Those of one pass. */
interface Part extends DataRange {
  readonly repeat: number;
}

/** Integrates samples that go through the network at once, pass by pass; `fraction` is of their work. */
export async function runPasses(
  model: ScoreModel,
  derivative: ScoreDerivative,
  data: Data,
  { start, end }: DataRange,
  job: LikelihoodJob,
  onProgress: (time: number, fraction: number) => void,
): Promise<Passes> {
  const count = end - start;
  const passes: Pass[] = [];
  const evaluations = new Int32Array(count);
  const rejected = new Int32Array(count);
  const networks = Array.from({ length: count }, (): Record<string, number> => ({}));
  let ends: Float64Array = new Float64Array();
  let cost: DerivativeCost = { score: 0, jvp: 0, vjp: 0 };
  let extra = 0;
  for (let repeat = 0; repeat < job.repeats; repeat++) {
    const part = await integrate(model, derivative, data, { start, end, repeat }, job, (time, share) => {
      onProgress(time, (repeat + share) / job.repeats);
    });
    passes.push(part.found);
    if (repeat === 0) ends = part.x;
    part.evaluations.forEach((n, i) => (evaluations[i]! += n));
    part.rejected.forEach((n, i) => (rejected[i]! += n));
    part.networks.forEach((runs, i) => {
      addRuns(networks[i]!, runs);
    });
    cost = part.cost;
    extra += part.extra;
  }
  return { passes, ends, evaluations, rejected, cost, networks, extra };
}

/** The passes over consecutive parts of the data as those over all of it. */
export function joinPasses(parts: readonly Passes[]): Passes {
  const floats = (pick: (part: Passes) => Float64Array) => concatenate(parts.map(pick), Float64Array);
  const integers = (pick: (part: Passes) => Int32Array) => concatenate(parts.map(pick), Int32Array);
  const passes = parts[0]!.passes.map((_, repeat): Pass => {
    const of = (name: keyof Pass) => floats(({ passes }) => passes[repeat]![name]);
    return {
      logDensity: of('logDensity'),
      variance: of('variance'),
      derivativeError: of('derivativeError'),
      bound: of('bound'),
      boundError: of('boundError'),
    };
  });
  return {
    passes,
    ends: floats(({ ends }) => ends),
    evaluations: integers(({ evaluations }) => evaluations),
    rejected: integers(({ rejected }) => rejected),
    networks: parts.flatMap(({ networks }) => networks),
    cost: parts[0]!.cost,
    extra: parts[0]!.extra,
  };
}

function concatenate<A extends Float64Array | Int32Array>(
  parts: readonly A[],
  Array: new (length: number) => A,
): A {
  const whole = new Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** One part, on a device of its own. */
async function integrate(
  model: ScoreModel,
  derivative: ScoreDerivative,
  data: Data,
  part: Part,
  job: LikelihoodJob,
  onProgress: (time: number, share: number) => void,
) {
  const device = openDevice(model, (part.end - part.start) * job.dimension, job.signal);
  try {
    return await integrateOn(device, model, derivative, data, part, job, onProgress);
  } finally {
    await device.close();
  }
}

async function integrateOn(
  device: Device,
  model: ScoreModel,
  derivative: ScoreDerivative,
  data: Data,
  { start, end, repeat }: Part,
  job: LikelihoodJob,
  onProgress: (time: number, share: number) => void,
) {
  const { sde } = model;
  const { epsilon, dimension: d, elboDraws: draws, seed } = job;
  const samples = end - start;
  const first = job.first + start;
  const address = (stream: number): NoiseAddress => ({ seed, samples: first, step: repeat, stream });
  const found = emptyPass(samples);
  const state = device.allocate(samples * d, 'double');
  device.write(state, dequantizedInModelSpace(model, data, start, end, address(Stream.dequantization)));
  const flow = new ProbabilityFlow(model, {
    device,
    first,
    labels: job.labels?.subarray(start, end),
    signal: job.signal,
  });
  if (draws > 0) {
    const noise = { seed, samples: first, substep: repeat };
    const { bound, standardError } = await elbo(flow, state, { epsilon, draws, noise });
    found.bound.set(bound);
    found.boundError.set(standardError);
  }

  // So far there are those of the bound.
  const networks = Array.from(flow.networks.splice(0), (runs) => ({ ...runs }));

  const ode = new LogDensityFlow(flow, derivative, traceOf(job, samples, address));
  const width = ode.widths[1]!;
  const integrals = device.allocate(samples * width, 'double');
  const span = sde.lambda(epsilon) - sde.lambda(sde.T);
  const check = derivative.discrepancy
    ? new DerivativeCheck(ode, flow, derivative, epsilon, samples)
    : undefined;
  const { evaluations, rejected } = await integrateFlow(ode, sde, [state, integrals], {
    jumps: jumpsOf(model),
    ...job.tolerances,
    device,
    from: epsilon,
    to: sde.T,
    first,
    ...(check && { output: check }),
    onProgress: (time) => {
      onProgress(time, (sde.lambda(epsilon) - sde.lambda(time)) / span);
    },
  });
  if (check) found.derivativeError.set(check.error);

  const x = (await device.read(state)) as Float64Array;
  const traces = (await device.read(integrals)) as Float64Array;
  const linear = d * (Math.log(sde.alpha(sde.T)) - Math.log(sde.alpha(epsilon)));
  for (let i = 0; i < samples; i++) {
    const own = traces.subarray(i * width, (i + 1) * width);
    const average = own.reduce((sum, value) => sum + value, 0) / width;
    const squares = own.reduce((sum, value) => sum + (value - average) ** 2, 0);
    found.logDensity[i] = priorLogDensity(sde, x.subarray(i * d, (i + 1) * d)) + linear + d * average;
    found.variance[i] = (d ** 2 * squares) / (width * (width - 1));
  }
  const checked = check?.evaluations ?? 0;
  const there = costAt(model, levelAt(model, epsilon));
  flow.networks.forEach((runs, i) => {
    // Products in closed form run no network.
    addRuns((networks[i] ??= {}), runs, ode.cost.score + ode.cost.vjp);
    addRuns(networks[i], there, checked);
  });
  return { found, x, evaluations, rejected, cost: ode.cost, networks, extra: 2 * draws + checked };
}

function emptyPass(count: number): Pass {
  const make = () => new Float64Array(count);
  return {
    logDensity: make(),
    variance: make(),
    derivativeError: make(),
    bound: make(),
    boundError: make(),
  };
}

function traceOf(
  { trace, probes, dimension }: LikelihoodJob,
  samples: number,
  address: (stream: number) => NoiseAddress,
): Trace {
  if (trace === 'exact') return trace;
  const [fill, stream] =
    trace === 'gaussian' ? [fillNormal, Stream.probeNormal] : [fillRademacher, Stream.probeRademacher];
  return Array.from({ length: probes }, (_, substep) => {
    const vectors = new Float32Array(samples * dimension);
    fill(vectors, samples, { ...address(stream), substep });
    return vectors;
  });
}
