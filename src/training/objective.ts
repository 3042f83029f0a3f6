import { DataError, ModelError, OptionError } from '../errors.js';
import type { ParameterSelection } from '../autodiff/parameters.js';
import type { GraphForm, TrainingGraph } from '../autodiff/training.js';
import type { Queue } from '../device/queue.js';
import type { Model, TensorInfo } from '../onnx/file/model.js';
import type { Tensor } from '../onnx/run/runtime.js';
import { checkChoice, checkKnown } from '../options.js';
import {
  describeModel,
  type ModelDescription,
  type DescriptionOptions,
} from '../score/network/description.js';
import { isShared, timeTensor } from '../score/network/feeds.js';
import { readMetadata, type ModelMetadata } from '../score/network/metadata.js';
import { levelAt, type Level } from '../sde/level.js';
import type { Sde } from '../sde/sde.js';
import { inputTensor, inputValues, type InputValue } from '../score/network/input-values.js';
import { missingInput } from '../score/inputs.js';
import type { FedInput, Inputs } from '../score/model.js';
import { inferRoles, type Roles } from '../score/network/roles.js';
import { classification } from './classification.js';
import { checkLabels, classFeeds, DROPOUT } from './conditions.js';
import { denoising } from './denoising.js';
import type { Criterion, TrainedNetwork, TrainingPoint, TrainingRows } from './criterion.js';
import { implicit } from './implicit.js';
import { maskFeeds } from './masks.js';
import { objectiveKinds, type ObjectiveKind } from './names.js';
import { noising } from './noising.js';
import { objectiveRules, type ObjectiveOptions } from './options.js';
import type { Target } from './target.js';
import { timesOf } from './times.js';
import { elementCount } from '../shape.js';

/** The data inputs of a training graph, and the time of each row. The arrays are used again by the next call. */
export interface ObjectiveFeeds {
  /** By the names of the graph's inputs. */
  readonly tensors: Record<string, Tensor>;
  /** One for each row. */
  readonly times: Float64Array;
}

/** An objective for one model. */
export interface Objective {
  /** The model as it is sampled from. */
  readonly description: ModelDescription;
  /** What is fed to the inputs of the network beside state, time and class. */
  readonly inputs: readonly FedInput[];
  /**
   * The network with its loss and gradients: outputs `loss` (the mean over rows of `losses`), `losses` [N] (weighted), and
   * `grad.<p>` for each parameter p.
   * @param parameters default "all"
   * @param form default `fused`, with operators that the addon's sessions have on the CPU; `standard` for any other place
   * @throws ModelError that lists every operator without a derivative.
   */
  trainingGraph(parameters?: ParameterSelection, form?: GraphForm): Promise<TrainingGraph>;
  /**
   * Finds out whether a data set has the labels that the network takes or tells.
   * @throws DataError
   */
  checkLabels(labels: Int32Array | undefined, rows: number): void;
  /**
   * All data inputs of that graph for these rows. Times, noise, projections and dropout are pure functions of
   * (seed, step, row of the batch), so that every split of a batch sees the same.
   * @throws DataError for rows or labels that do not fit the network.
   */
  feeds(rows: TrainingRows): ObjectiveFeeds;
}

/**
 * The objective for a model, made anew wherever it is needed: it depends on the model and the options alone.
 *
 * @param model the network, with or without mask inputs for dropout
 * @param description what the file does not say of itself, and values of its inputs, as for `loadModel`
 * @param queue makes the noise of `feeds`, that of rows, dropout and projections, as commands on arrays of its own; here and now by default
 * @throws OptionError for options that cannot be used; ModelError for a network that they do not fit.
 */
export function objective(
  model: Model,
  options: ObjectiveOptions = {},
  { inputs = {}, ...description }: DescriptionOptions & { readonly inputs?: Inputs | undefined } = {},
  queue?: Queue,
): Objective {
  checkKnown(options, Object.keys(objectiveRules), 'objective');
  const metadata = readMetadata(model.metadata);
  const standard = metadata.kind === 'classifier' ? 'classifier' : 'denoising';
  const kind = checkChoice('kind', options.kind ?? standard, objectiveKinds);
  const network = networkOf(model, metadata, kind, description, inputs);
  const criterion = criteria[kind](network, options, queue);
  const times = timesOf(network.description, options);
  const noised = noising(network, options, criterion.target !== undefined, queue);
  const classes = classFeeds(network, options);
  const masks = maskFeeds(model, options, queue);
  const { sde, ladder } = network.description;
  let points: Point[] = [];
  return {
    description: network.description,
    inputs: network.inputs.map(({ record }) => record),
    trainingGraph: (parameters = 'all', form = 'fused') => criterion.trainingGraph(parameters, form),
    checkLabels(labels, rows) {
      const { classes = network.roles.class && network.description.classes } = criterion;
      if (classes !== undefined) checkLabels(labels, rows, classes, network.description.nullClass);
    },
    feeds(rows) {
      const { labels, step, seed, first } = rows;
      const address = { seed, step, first };
      const count = countRows(rows, network);
      const { t, index, weight } = times(count, address);
      const { labels: rule, levels } = network.description;
      // Used again: what objects of hundreds of rows cost would be half of the time of a step outside of a small network.
      if (points.length !== count) points = Array.from({ length: count }, () => new Point(sde));
      const label = new Float64Array(count);
      for (let i = 0; i < count; i++) {
        const point = points[i]!;
        point.weight = weight[i]!;
        if (ladder === undefined) point.move(t[i]!);
        else point.take(levelAt(network.description, t[i]!, index?.[i]));
        point.target = criterion.target?.(point);
        label[i] = rule.label(point, levels);
      }
      return {
        times: t,
        tensors: {
          ...noised(rows, points),
          [network.roles.time.name]: timeTensor(network.roles.time, label, false),
          ...Object.fromEntries(
            network.inputs.map((value) => [value.name, inputTensor(value, count, new Int32Array(count))]),
          ),
          ...classes(count, labels, address),
          ...masks(count, address),
          ...criterion.feeds(points, rows),
        },
      };
    },
  };
}

/** A point of one row, which moves from step to step. */
class Point implements TrainingPoint {
  readonly #sde: Sde;
  t = 0.5;
  index: number | undefined;
  alpha = 0.5;
  sigma = 0.5;
  weight = 1.5;
  target: Target | undefined;

  constructor(sde: Sde) {
    this.#sde = sde;
  }

  get lambda(): number {
    return this.index === undefined ? this.#sde.lambda(this.t) : Math.log(this.alpha) - Math.log(this.sigma);
  }

  /** To a time of the SDE. */
  move(t: number): void {
    this.t = t;
    this.alpha = this.#sde.alpha(t);
    this.sigma = this.#sde.sigma(t);
  }

  /** To a trained level. */
  take({ t, index, alpha, sigma }: Level): void {
    this.t = t;
    this.index = index;
    this.alpha = alpha;
    this.sigma = sigma;
  }
}

const criteria: Readonly<
  Record<ObjectiveKind, (network: TrainedNetwork, options: ObjectiveOptions, queue?: Queue) => Criterion>
> = {
  denoising,
  implicit: (network, options, queue) => implicit(network, options, 'exact', queue),
  sliced: (network, options, queue) => implicit(network, options, 'sliced', queue),
  classifier: classification,
};

function networkOf(
  model: Model,
  metadata: ModelMetadata,
  kind: ObjectiveKind,
  options: DescriptionOptions,
  given: Inputs,
): TrainedNetwork {
  const inputs = model.inputs.filter(({ name }) => !name.startsWith(DROPOUT));
  const roles = inferRoles(
    inputs,
    model.outputs,
    { ...metadata.names, ...options.names },
    Object.keys(given),
  );
  if (roles.selfCondition)
    throw new ModelError(
      `The network's input "${roles.selfCondition.name}" takes the last estimate of x_0, which training does not make: export the ` +
        'network without self-conditioning.',
    );
  const values = valuesFor(roles, given);
  const { state, time } = roles;
  if (state.type !== 'float32') {
    throw new ModelError(
      `The network's input "${state.name}" is ${state.type}; only float32 networks can be trained.`,
    );
  }
  const whole = new Set(values.filter(({ rows }) => rows === undefined).map(({ name }) => name));
  checkFreeRows(
    inputs.filter((info) => !whole.has(info.name) && (info !== time || !isShared(time, undefined))),
  );
  if (isShared(time, undefined)) {
    throw new ModelError(
      `The network's time input "${time.name}" holds one number for the whole batch; training needs one for every row.`,
    );
  }
  // The logits of a classifier are no score, and have another shape than the state.
  const description =
    kind === 'classifier'
      ? describeModel({ parameterization: 'score', ...options }, metadata, { ...roles, output: state })
      : describeModel(options, metadata, roles);
  const elements = elementCount(description.shape);
  return { model, roles, description, elements, inputs: values };
}

/** @throws OptionError for an input without a value, and for one with a row for each of several samples. */
function valuesFor(roles: Roles, given: Inputs): InputValue[] {
  const values = inputValues(roles, given);
  for (const info of roles.inputs) {
    const value = values.find(({ name }) => name === info.name);
    if (value === undefined) throw missingInput(info, 'inputs of train');
    if ((value.rows ?? 1) > 1)
      throw new OptionError(
        `inputs.${info.name}`,
        `[${value.record.shape.join(', ')}]`,
        'one value for all samples, which training draws in an order of its own',
      );
  }
  return values;
}

/**
 * Training splits a batch over workers and measures held-out data in other parts, so that no number of rows can be fixed.
 *
 * @throws ModelError naming the input that takes no other number of rows.
 */
export function checkFreeRows(inputs: readonly TensorInfo[]): void {
  for (const { name, shape } of inputs) {
    const rows = shape?.[0];
    if (typeof rows !== 'number') continue;
    throw new ModelError(
      `The network's input "${name}" takes batches of exactly ${rows}; training needs a free first dimension. ` +
        'Export it with one (dynamic_shapes of torch.onnx.export), or give that dimension a name in the file.',
      { value: shape },
    );
  }
}

function countRows(
  { x0, flips }: TrainingRows,
  { elements, description: { shape } }: TrainedNetwork,
): number {
  const count = x0.length / elements;
  if (!(Number.isInteger(count) && count > 0)) {
    throw new DataError(
      `TrainingRows of ${x0.length} elements are no samples of shape [${shape.join(', ')}].`,
      {
        option: 'x0',
        value: x0,
      },
    );
  }
  if (flips !== undefined && shape.length !== 3) {
    throw new DataError(`Samples of shape [${shape.join(', ')}] are no images that could be mirrored.`, {
      option: 'flips',
      value: flips,
    });
  }
  return count;
}
