import { ModelError, OptionError } from '../errors.js';
import { Stream } from '../device/binding.js';
import { fill } from '../device/kernels.js';
import type { Queue } from '../device/queue.js';
import { assemble } from '../autodiff/assemble.js';
import { Builder } from '../onnx/graph/builder.js';
import { parameterNames, type ParameterSelection } from '../autodiff/parameters.js';
import { pullBack } from '../autodiff/reverse.js';
import { trainingGraphOf, type GraphForm, type TrainingGraph } from '../autodiff/training.js';
import type { Model } from '../onnx/file/model.js';
import { prepare } from '../onnx/graph/prepare.js';
import { checkChoice, checkInteger } from '../options.js';
import { inputScale, scoreCoefficients } from '../score/parameterization.js';
import type { Level } from '../sde/level.js';
import type { Roles } from '../score/network/roles.js';
import { rowTensor, type Criterion, type TrainedNetwork } from './criterion.js';
import { probeLaws } from './names.js';
import { placed } from './placed.js';
import { weightingOf, type WeightingOptions } from './weighting.js';

/** How the divergence of the score is estimated. */
export interface ImplicitOptions {
  /** Random projections of each row of `sliced`; default 1. */
  readonly probes?: number;
  /** Law of these projections; default `rademacher`. */
  readonly probe?: (typeof probeLaws)[number];
  /** Whether `sliced` takes |s|^2 exactly rather than by its projections; default true. */
  readonly varianceReduction?: boolean;
}

/** Dimensions up to which the exact trace is taken: it costs a backward pass for each. */
const MAX_DIMENSIONS = 64;

/** A bound on the size of the graph, which has a backward pass for each projection. */
const MAX_PROBES = 64;

/**
 * Implicit score matching, lambda(t) (|s|^2 + 2 tr ds/dx) per element. Its expectation is that of denoising score matching
 * less lambda(t) E |s*|^2 / D, which no parameter can change.
 *
 * @param trace `exact` (Hyvärinen 2005), or `sliced` by random projections (Song, Garg, Shi and Ermon 2019)
 * @param queue whose commands the projections are, in arrays of its own; here and now by default
 */
export function implicit(
  { model, roles, description, elements }: TrainedNetwork,
  options: ImplicitOptions & WeightingOptions,
  trace: 'exact' | 'sliced',
  queue?: Queue,
): Criterion {
  const { probes = 1, probe = 'rademacher', varianceReduction = true } = options;
  checkInteger('probes', probes, 1, MAX_PROBES);
  checkChoice('probe', probe, probeLaws);
  if (trace === 'exact' && elements > MAX_DIMENSIONS) {
    const limit = `'sliced' or 'denoising' for samples of more than ${MAX_DIMENSIONS} elements`;
    throw new OptionError('kind', 'implicit', limit);
  }
  const { parameterization, sigmaData } = description;
  const lambda = weightingOf(description, options);
  // The network sees u = scale x, whose score is that of x over the scale; score matching is the same in u.
  const scaleOf = (level: Level) => inputScale(parameterization, level, sigmaData);
  const scoreOf = (level: Level) => {
    const { state, output } = scoreCoefficients(parameterization, level, sigmaData);
    return { state: state / scaleOf(level) ** 2, output: output / scaleOf(level) };
  };
  const count = trace === 'exact' ? elements : probes;
  const makeArray = (rows: number, k: number): Float32Array => {
    const v = new Float32Array(rows * elements);
    if (trace === 'exact') for (let b = 0; b < rows; b++) v[b * elements + k] = Math.sqrt(elements);
    return placed(v, queue);
  };
  const places = new Map<number, Float32Array[]>();
  const stream = probe === 'normal' ? Stream.probeNormal : Stream.probeRademacher;
  return {
    trainingGraph: (parameters, form) =>
      implicitGraph(model, roles, parameters, form, {
        probes: count,
        slices: trace === 'sliced' && !varianceReduction,
      }),
    feeds(points, { seed, step, first }) {
      const rows = points.length;
      const arrays = places.get(rows) ?? Array.from({ length: count }, (_, k) => makeArray(rows, k));
      places.set(rows, arrays);
      if (trace === 'sliced')
        for (const [k, v] of arrays.entries())
          fill(v, rows, probe, { seed, samples: first, step, substep: k, stream }, queue?.number);
      const dims = [rows, ...description.shape];
      return {
        ...Object.fromEntries(arrays.map((data, k) => [probeName(k), { data, dims }])),
        'score.state': rowTensor(points, (point) => scoreOf(point).state),
        'score.output': rowTensor(points, (point) => scoreOf(point).output),
        weight: rowTensor(points, (point) => {
          return point.weight * lambda(point) * scaleOf(point) ** 2;
        }),
      };
    },
  };
}

/** Name of the input that holds the k-th projection of every row, in the shape of the state. */
function probeName(k: number): string {
  return `probe.${k}`;
}

/**
 * The training graph of implicit score matching: tr dF/dx is the mean over probes v of v . (dF/dx)^T v, by reverse mode,
 * and the gradient of that goes through the derived graph once more. Exact (Hyvärinen 2005) for the probes sqrt(D) e_k,
 * sliced (Song, Garg, Shi and Ermon 2019) for random ones.
 *
 * @param slices whether |s|^2 is estimated by the probes too, rather than exact ("with variance reduction")
 * @throws ModelError that lists every node without a derivative.
 */
async function implicitGraph(
  model: Model,
  { state, output }: Roles,
  parameters: ParameterSelection,
  form: GraphForm,
  { probes, slices }: { probes: number; slices: boolean },
): Promise<TrainingGraph> {
  const names = Array.from({ length: probes }, (_, k) => probeName(k));
  const graph = await prepare(model, { keep: [output.name] });
  const b = new Builder(graph);
  const axes = b.shape(output.name).slice(1).keys();
  const elements = Array.from(axes, (axis) => axis + 1);
  const dots = names.map((probe) => {
    const product = pullBack(b, new Map([[output.name, probe]]), [state.name]).get(state.name);
    if (product === undefined) {
      throw new ModelError(`"${output.name}" does not depend on "${state.name}", so it has no divergence.`);
    }
    return b.sum(b.mul(probe, product), elements, false);
  });
  const type = b.type(output.name);
  const traced = assemble(model, b, {
    inputs: new Map(names.map((probe) => [probe, graph.types.get(state.name)!])),
    outputs: new Map([
      ['trace', { value: b.op('Mean', dots), type: { type, shape: [b.shape(output.name)[0]!] } }],
    ]),
    description: { kind: 'trace', of: output.name, wrt: state.name, probes },
  });
  const loss = {
    kind: 'score-matching',
    output: output.name,
    state: state.name,
    trace: 'trace',
    weight: 'weight',
    ...(slices && { probes: names }),
  } as const;
  return trainingGraphOf(traced, { loss, parameters: parameterNames(model, parameters) }, form);
}
