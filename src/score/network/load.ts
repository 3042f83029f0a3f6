import { ModelError, OptionError } from '../../errors.js';
import { vjp } from '../../autodiff/vjp.js';
import { modelBytes, readModel, type Model } from '../../onnx/file/model.js';
import { createSession, type SessionOptions } from '../../onnx/run/runtime.js';
import { checkInteger, checkKnown } from '../../options.js';
import { elementCount } from '../../shape.js';
import type { Ladder } from '../../sde/sde.js';
import { checkIndex, type Level } from '../../sde/level.js';
import type { Sde } from '../../sde/sde.js';
import { checkClassLabel } from '../class-label.js';
import { describeModel, type ModelDescription, type DescriptionOptions } from './description.js';
import { readMetadata, type ModelMetadata } from './metadata.js';
import type { Parameterization, ScoreCoefficients, ScoreModel, Vjp } from '../model.js';
import { batchOf, COTANGENT, nameSource, Network } from './network.js';
import { inputScale, scoreCoefficients } from '../parameterization.js';
import { probe, type ProbeReport } from './probe.js';
import { inferRoles, type Roles } from './roles.js';

export interface LoadOptions extends DescriptionOptions {
  /**
   * Rows of every run of the network; smaller batches are padded, larger ones split. ONNX Runtime may add in another
   * order at another batch size, so that fixing it makes samples independent of how many are drawn together.
   * Default: as many rows as are asked for, or what the file fixes.
   */
  readonly batch?: number;
  /** Threads of the network. Default: ONNX Runtime's, one per core. */
  readonly threads?: number;
  /** Default `cpu`. `cuda` is an error where it cannot start; there is no fallback. */
  readonly provider?: 'cpu' | 'cuda';
  /** Whether to check sign, scale and labels on noised synthetic data, which costs one evaluation. Default true. */
  readonly probe?: boolean;
}

const optionNames = Object.keys({
  ...{ sde: 1, constants: 1, parameterization: 1, sigmaData: 1, labels: 1, shape: 1, dataRange: 1 },
  ...{ trainedLevels: 1, ladder: 1, classes: 1, names: 1, batch: 1, threads: 1, provider: 1, probe: 1 },
} satisfies Record<keyof LoadOptions, 1>);

/** Throws where there is an option of another name. */
export function checkLoadOptions(options: LoadOptions): void {
  checkKnown(options, optionNames);
  if (options.names) checkKnown(options.names, ['state', 'time', 'class', 'output'], 'names');
}

/** A score network in an ONNX file. */
export class OnnxScoreModel implements ScoreModel {
  /** The path of the file, or "the model" where it came from bytes. */
  readonly source: string;
  readonly shape: readonly number[];
  readonly sde: Sde;
  readonly ladder?: Ladder;
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
  readonly #description: ModelDescription;
  readonly #network: Network;
  readonly #elements: number;
  readonly #openDerivative: () => Promise<Network>;
  #derivative: Promise<Network> | undefined;

  /** @internal */
  constructor(
    file: Model,
    network: Network,
    metadata: ModelMetadata,
    description: ModelDescription,
    report: ProbeReport | undefined,
    openDerivative: () => Promise<Network>,
  ) {
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
    if (description.classes !== undefined) this.classes = description.classes;
    if (description.nullClass !== undefined) this.nullClass = description.nullClass;
    if (report) this.report = report;
    this.#description = description;
    this.#network = network;
    this.#openDerivative = openDerivative;
    this.#elements = elementCount(description.shape);
  }

  /** Doubts of the probe in plain words; empty where it found none or did not run. */
  get warnings(): readonly string[] {
    return this.report?.findings.map(({ message }) => message) ?? [];
  }

  coefficients(level: Level): ScoreCoefficients {
    const { ladder, parameterization, sigmaData } = this.#description;
    if (ladder) checkIndex(ladder, level.index);
    return scoreCoefficients(parameterization, level, sigmaData);
  }

  /**
   * Runs the network on x ([batch, ...shape]) and writes its raw output.
   * @throws ModelError after close(), and where ONNX Runtime fails; OptionError for arrays that do not fit.
   */
  async evaluate(
    x: Float32Array,
    levels: readonly Level[],
    output: Float32Array,
    labels?: Int32Array,
  ): Promise<void> {
    this.#check(x, levels, output, labels);
    await this.#network.run({ x, ...this.#fed(levels), classes: labels }, output);
  }

  /**
   * Makes the differentiated network: a second session, of about three times the cost.
   * @throws ModelError that lists the operators without a derivative.
   */
  async differentiate(): Promise<Vjp> {
    const network = await (this.#derivative ??= this.#openDerivative());
    return async (x, v, levels, output, product, labels) => {
      this.#check(x, levels, output, labels);
      const { time, scale } = this.#fed(levels);
      await network.run({ x, scale, time, classes: labels, cotangent: v }, output, product);
      // x enters the network multiplied with the scale.
      if (scale) for (let i = 0; i < x.length; i++) product[i]! *= scale[Math.floor(i / this.#elements)]!;
    };
  }

  /** Releases the sessions; evaluating the model afterwards is an error. */
  async close(): Promise<void> {
    await this.#network.release();
    const derivative = await this.#derivative?.catch(() => undefined);
    await derivative?.release();
  }

  /** What goes into the network beside the state: a time label for every row, and the factor of its state. */
  #fed(levels: readonly Level[]): { time: Float64Array; scale: Float64Array | undefined } {
    const { labels: rule, levels: trained, ladder, parameterization, sigmaData } = this.#description;
    const time = new Float64Array(levels.length);
    const scale = parameterization === 'edm' ? new Float64Array(levels.length) : undefined;
    for (const [i, level] of levels.entries()) {
      if (i > 0 && level === levels[i - 1]) {
        time[i] = time[i - 1]!;
        if (scale) scale[i] = scale[i - 1]!;
        continue;
      }
      if (ladder) checkIndex(ladder, level.index);
      time[i] = rule.label(level, trained);
      if (scale) scale[i] = inputScale(parameterization, level, sigmaData);
    }
    return { time, scale };
  }

  #check(x: Float32Array, levels: readonly Level[], output: Float32Array, labels?: Int32Array): void {
    const count = levels.length;
    const expected = `a Float32Array of [${[count, ...this.shape].join(', ')}], as there are ${count} levels`;
    if (x.length !== count * this.#elements) throw new OptionError('x', x, expected);
    if (output.length !== x.length) throw new OptionError('output', output, expected);
    const { classes } = this;
    if (classes === undefined) return;
    if (labels?.length !== count) {
      const expected = `a class from 0 to ${classes - 1} for every sample: the model is class-conditional`;
      throw new OptionError('classLabel', labels, expected);
    }
    labels.forEach((label, i) => checkClassLabel(`classLabel[${i}]`, label, this));
  }
}

/**
 * Loads a score network from an ONNX file, or from the bytes of one.
 *
 * What the network is comes from its metadata (`fastsde.*`) and from the options, which override it. A first
 * evaluation on noised synthetic data checks that the output is what they say; doubts are in `warnings`.
 *
 * @throws ModelError for a file that cannot be read, that does not say what it is, or whose output is clearly something
 *   else; OptionError for an option that cannot be used; LoadError where ONNX Runtime or the provider cannot start.
 */
export async function loadModel(
  source: string | Uint8Array,
  options: LoadOptions = {},
): Promise<OnnxScoreModel> {
  if (typeof source !== 'string' && !((source as unknown) instanceof Uint8Array)) {
    throw new OptionError('model', source, 'the path of an ONNX file, or its bytes as a Uint8Array');
  }
  checkLoadOptions(options);
  const name = typeof source === 'string' ? source : 'the model';
  try {
    const file = await readModel(source);
    const { metadata, network, description } = await openNetwork(name, source, file, options);
    try {
      const report = options.probe === false ? undefined : await probe(network, description);
      refuse(report);
      return new OnnxScoreModel(file, network, metadata, description, report, () =>
        openDerivative(network, file, description, options),
      );
    } catch (cause) {
      await network.release();
      throw cause;
    }
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

/** The parts of a score model, before the probe. */
export interface OpenNetwork {
  readonly metadata: ModelMetadata;
  readonly network: Network;
  readonly description: ModelDescription;
}

/** @internal Starts a session for a file, once it is clear what the network is. */
export async function openNetwork(
  name: string,
  source: string | Uint8Array,
  file: Model,
  options: LoadOptions,
): Promise<OpenNetwork> {
  const metadata = readMetadata(file.metadata);
  if (metadata.kind === 'classifier') {
    throw new ModelError(
      'It is a classifier of noisy data, not a score network (fastsde.kind in its metadata).',
      {
        option: 'model',
      },
    );
  }
  const roles = inferRoles(file.inputs, file.outputs, { ...metadata.names, ...options.names });
  const description = describeModel(options, metadata, roles);
  if (options.batch !== undefined) checkInteger('batch', options.batch, 1);
  const batch = batchOf(roles.state, options.batch);
  const session = await createSession(source, sessionOptions(options));
  return { metadata, description, network: new Network(name, session, roles, description, batch) };
}

/** Starts a session for the network with its transposed Jacobian product. */
async function openDerivative(
  { source, roles }: Network,
  file: Model,
  description: ModelDescription,
  options: LoadOptions,
): Promise<Network> {
  try {
    const derived = await vjp(file, { of: roles.output.name, wrt: roles.state.name, cotangent: COTANGENT });
    const session = await createSession(modelBytes(derived), {
      ...sessionOptions(options),
      ...(derived.folder !== undefined && { folder: derived.folder }),
    });
    return new Network(source, session, roles, description, batchOf(roles.state, options.batch));
  } catch (cause) {
    throw nameSource(source, cause);
  }
}

function sessionOptions({ provider = 'cpu', threads }: LoadOptions): SessionOptions {
  return { provider, ...(threads !== undefined && { threads }) };
}

function refuse(report: ProbeReport | undefined): void {
  const failures = report?.findings.filter(({ severity }) => severity === 'error') ?? [];
  if (failures.length === 0) return;
  const messages = failures.map(({ message }) => message).join(' ');
  throw new ModelError(`${messages} (probe: false, or --no-probe, loads it all the same.)`);
}
