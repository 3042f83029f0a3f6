import { OptionError } from '../../errors.js';
import type { Device, Elements } from '../../device/device.js';
import type { Model } from '../../onnx/file/model.js';
import { checkIndex, type Level } from '../../sde/level.js';
import type { Scheduler } from '../../sde/scheduler.js';
import type { Ladder, Sde } from '../../sde/sde.js';
import { elementCount } from '../../shape.js';
import { checkClassLabel, classesIn } from '../class-label.js';
import { setCommands, setLinearizeCommands, setVjpCommands, type BindEvaluation } from '../commands.js';
import { requireInputs, sampleIn } from '../inputs.js';
import type {
  Linearize,
  ModelInputs,
  Parameterization,
  ScoreCoefficients,
  ScoreModel,
  Vjp,
} from '../model.js';
import { inputScale, scoreCoefficients } from '../parameterization.js';
import type { BoundNetwork } from './bound-network.js';
import type { NetworkArrays, RowLabels } from './bound-rows.js';
import type { ModelDescription } from './description.js';
import type { ModelMetadata } from './metadata.js';
import { inputValues, samplesGiven, type InputValue } from './input-values.js';
import type { Network } from './network.js';
import type { ProbeReport } from './probe.js';
import type { Roles } from './roles.js';
import type { Tape } from './tape.js';

/** What views of one network have in common. @internal */
export interface NetworkParts {
  readonly file: Model;
  readonly network: Network;
  readonly metadata: ModelMetadata;
  readonly description: ModelDescription;
  readonly report: ProbeReport | undefined;
  readonly derivative: OpenedOnce<Network>;
  readonly linearized: OpenedOnce<LinearizedNetwork>;
}

/** @internal A network whose evaluations keep on a tape what products with its Jacobian read. */
export interface LinearizedNetwork {
  readonly network: Network;
  readonly tape: () => Tape;
  readonly bind: (device: Device, arrays: NetworkArrays) => BoundNetwork;
  release(): Promise<void>;
}

/** What is made when it is first asked for. */
interface OpenedOnce<T> {
  (): Promise<T>;
  close(): Promise<void>;
}

/** @internal What is opened once for all views of a network. */
export function openedOnce<T extends { release(): Promise<void> }>(open: () => Promise<T>): OpenedOnce<T> {
  let opened: Promise<T> | undefined;
  return Object.assign(() => (opened ??= open()), {
    close: async () => (await opened?.catch(() => undefined))?.release(),
  });
}

/** A score network in an ONNX file. */
export class OnnxScoreModel implements ScoreModel {
  /** The path of the file, or "the model" where it came from bytes. */
  readonly source: string;
  readonly shape: readonly number[];
  readonly sde: Sde;
  readonly ladder?: Ladder;
  readonly scheduler?: Scheduler;
  readonly parameterization: Parameterization;
  readonly sigmaData: number;
  readonly classes?: number;
  readonly nullClass?: number;
  /** Name of the label rule. */
  readonly labels: string;
  /** What the file says of itself. */
  readonly metadata: ModelMetadata;
  /** Which tensors of the network are which. */
  readonly roles: Roles;
  /** The file as a graph. */
  readonly file: Model;
  /** What the probe found; absent where it did not run. */
  readonly report?: ProbeReport;
  /**
   * Runs the network on x ([batch, ...shape]) and writes its raw output.
   * @throws ModelError after close(), and where ONNX Runtime fails; OptionError for arrays that do not fit.
   */
  readonly evaluate: ScoreModel['evaluate'];
  /**
   * Makes the network that keeps what its derivative reads, and its transpose: two sessions. Absent on a GPU, where what is kept would go to the
   * host and back.
   * @throws ModelError that lists the operators without a derivative.
   */
  readonly linearize?: () => Promise<Linearize>;
  readonly learnedVariance?: boolean;
  readonly selfConditions?: boolean;
  /** Present where the network takes more than a state, a time and a class. */
  readonly inputs?: ModelInputs;
  readonly #parts: NetworkParts;
  readonly #values: readonly InputValue[];
  readonly #description: ModelDescription;
  readonly #network: Network;
  readonly #elements: number;

  /** @internal */
  constructor(parts: NetworkParts, values: readonly InputValue[] = []) {
    const { file, network, metadata, description, report } = parts;
    this.#parts = parts;
    this.#values = values;
    this.source = network.source;
    this.file = file;
    this.roles = network.roles;
    this.metadata = metadata;
    this.shape = description.shape;
    this.sde = description.sde;
    this.parameterization = description.parameterization;
    this.sigmaData = description.sigmaData;
    this.labels = description.labels.name;
    if (description.ladder) this.ladder = description.ladder;
    if (description.scheduler) this.scheduler = description.scheduler;
    if (description.classes !== undefined) this.classes = description.classes;
    if (description.nullClass !== undefined) this.nullClass = description.nullClass;
    if (report) this.report = report;
    this.#description = description;
    this.#network = network;
    if (network.roles.inputs.length > 0) this.inputs = this.#describeInputs();
    this.#elements = elementCount(description.shape);
    if (description.learnedVariance) this.learnedVariance = true;
    if (network.roles.selfCondition) this.selfConditions = true;
    if (network.device === 'cpu') this.linearize = () => this.#linearized();
    this.evaluate = async (x, levels, output, labels, signal, { estimate, variance } = {}) => {
      const rows = this.#labelled(x, levels, output, labels);
      await network.run({ x, ...rows, inputs: values, estimate, signal }, output, { variance });
    };
    if (network.binds) {
      const bind: BindEvaluation = (device, x, output, companions) => {
        const enqueue = network.bind(device, {
          x,
          output,
          ...companions,
          isScaled: this.#isScaled,
          inputs: values,
        });
        return (levels, labels) => {
          enqueue(this.#labelled(x, levels, output, labels));
        };
      };
      setCommands(this.evaluate, bind, network.device);
    }
  }

  /** Doubts in plain words: what the probe found, and an SDE that is not the one of which the file speaks. */
  get warnings(): readonly string[] {
    const found = this.report?.findings.map(({ message }) => message) ?? [];
    const { sde } = this.metadata;
    // Networks of two SDEs may both denoise, and samples have another law all the same.
    if (sde === undefined || sde === this.sde.name) return found;
    return [
      ...found,
      `The file says that its network was trained on the ${sde} SDE (fastsde.sde), and it is read as ${this.sde.name}.`,
    ];
  }

  coefficients(level: Level): ScoreCoefficients {
    const { parameterization, sigmaData } = this.#description;
    return scoreCoefficients(parameterization, level, sigmaData);
  }

  /**
   * Makes the differentiated network: a second session, of about three times the cost.
   * @throws ModelError that lists the operators without a derivative.
   */
  async differentiate(): Promise<Vjp> {
    const network = await this.#parts.derivative();
    const inputs = this.#values;
    const vjp: Vjp = async (x, v, levels, output, product, labels, signal) => {
      const rows = this.#labelled(x, levels, output, labels);
      await network.run({ x, ...rows, inputs, cotangent: v, signal }, output, { product });
      if (rows.scale) this.#rescale(product, rows.scale);
    };
    if (network.binds) {
      setVjpCommands(vjp, (device, x, v, output, product) => {
        const arrays = { x, cotangent: v, output, product, isScaled: this.#isScaled, inputs };
        const enqueue = network.bind(device, arrays);
        return (levels, labels) => {
          const rows = this.#labelled(x, levels, output, labels);
          enqueue(rows);
          if (rows.scale) device.scale(product, rows.scale);
        };
      });
    }
    return vjp;
  }

  async #linearized(): Promise<Linearize> {
    const { network, tape: newTape, bind } = await this.#parts.linearized();
    const tape = newTape();
    const inputs = this.#values;
    const linearize: Linearize = async (x, levels, output, labels, signal) => {
      const rows = this.#labelled(x, levels, output, labels);
      await network.run({ x, ...rows, inputs, signal }, output, { tape });
      return async (v, product) => {
        await tape.product(v, product, signal);
        if (rows.scale) this.#rescale(product, rows.scale);
      };
    };
    if (network.binds)
      setLinearizeCommands(linearize, (device, x, v, output, product) => {
        const isScaled = this.#isScaled;
        const bound = bind(device, { x, cotangent: v, output, product, isScaled, inputs });
        let scale: Float64Array | undefined;
        return {
          evaluate: (levels, labels) => {
            const rows = this.#labelled(x, levels, output, labels);
            bound.enqueue(rows);
            ({ scale } = rows);
          },
          product: () => {
            bound.enqueueProduct();
            if (scale) device.scale(product, scale);
          },
        };
      });
    return linearize;
  }

  /** Releases the sessions, of all views of the network; evaluating the model afterwards is an error. */
  async close(): Promise<void> {
    await this.#network.release();
    await this.#parts.derivative.close();
    await this.#parts.linearized.close();
  }

  /** The product as that of x, which enters the network multiplied with the scale. */
  #rescale(product: Float32Array, scale: Float64Array): void {
    for (let i = 0; i < product.length; i++) product[i]! *= scale[Math.floor(i / this.#elements)]!;
  }

  /** Closes it at the end of the block of an `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #describeInputs(): ModelInputs {
    const { roles } = this.#network;
    const fed = this.#values.map(({ record }) => record);
    return {
      fed,
      missing: roles.inputs.filter(({ name }) => !fed.some((known) => known.name === name)),
      samples: samplesGiven(this.#values),
      with: (inputs) => new OnnxScoreModel(this.#parts, inputValues(roles, inputs, this.#values)),
    };
  }

  get #isScaled(): boolean {
    return this.parameterization === 'edm';
  }

  /** What rows are fed beside x. @throws OptionError for arrays that do not fit, and for classes that are none. */
  #labelled(
    x: Elements,
    levels: readonly Level[],
    output: Elements,
    conditions: Int32Array | undefined,
  ): RowLabels {
    this.#check(x, levels, output);
    return { ...this.#fed(levels), ...this.#given(levels.length, conditions) };
  }

  /** What goes into the network beside the state: a time label for every row, and the factor of its state. */
  #fed(levels: readonly Level[]): { time: Float64Array; scale: Float64Array | undefined } {
    const { labels: rule, levels: trained, ladder, parameterization, sigmaData } = this.#description;
    const time = new Float64Array(levels.length);
    const scale = this.#isScaled ? new Float64Array(levels.length) : undefined;
    for (const [i, level] of levels.entries()) {
      if (i > 0 && level === levels[i - 1]) {
        time[i] = time[i - 1]!;
        if (scale) scale[i] = scale[i - 1]!;
        continue;
      }
      if (ladder && level.index !== undefined) checkIndex(ladder, level.index);
      time[i] = rule.label(level, trained);
      if (scale) scale[i] = inputScale(parameterization, level, sigmaData);
    }
    return { time, scale };
  }

  #check(x: Elements, levels: readonly Level[], output: Elements): void {
    requireInputs(this);
    const count = levels.length;
    const expected = `a Float32Array of [${[count, ...this.shape].join(', ')}], as there are ${count} levels`;
    if (x.length !== count * this.#elements) throw new OptionError('x', x, expected);
    if (output.length !== x.length) throw new OptionError('output', output, expected);
  }

  /** What rows are given: the class of each, and the sample whose inputs it has. */
  #given(count: number, conditions: Int32Array | undefined): Pick<RowLabels, 'classes' | 'samples'> {
    const samples = this.inputs?.samples;
    const bySample = samples !== undefined && conditions?.every((value) => value < 0);
    if (samples !== undefined && !bySample && count !== samples) {
      const expected = `of ${samples} samples, of which inputs have a row each`;
      throw new OptionError('x', `${count} samples`, expected);
    }
    return {
      classes: this.#classes(count, bySample ? classesIn(conditions!, samples) : conditions),
      ...(samples !== undefined && {
        samples: Int32Array.from({ length: count }, (_, i) =>
          bySample ? sampleIn(conditions![i]!, samples) : i,
        ),
      }),
    };
  }

  #classes(count: number, labels: Int32Array | undefined): Int32Array | undefined {
    const { classes } = this;
    if (classes === undefined) return undefined;
    if (labels?.length !== count) {
      const none = this.nullClass === undefined ? '' : `, or ${this.nullClass} for no class,`;
      const expected = `a class from 0 to ${classes - 1}${none} for every sample: the model is class-conditional`;
      throw new OptionError('classLabel', labels, expected);
    }
    labels.forEach((label, i) => checkClassLabel(`classLabel[${i}]`, label, this));
    return labels;
  }
}
