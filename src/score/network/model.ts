import { OptionError } from '../../errors.js';
import type { Elements } from '../../device/device.js';
import type { Model } from '../../onnx/file/model.js';
import { checkIndex, type Level } from '../../sde/level.js';
import type { Ladder, Sde } from '../../sde/sde.js';
import { elementCount } from '../../shape.js';
import { checkClassLabel } from '../class-label.js';
import { setCommands, setVjpCommands } from '../commands.js';
import type { Parameterization, ScoreCoefficients, ScoreModel, Vjp } from '../model.js';
import { inputScale, scoreCoefficients } from '../parameterization.js';
import type { ModelDescription } from './description.js';
import type { ModelMetadata } from './metadata.js';
import type { Network } from './network.js';
import type { ProbeReport } from './probe.js';
import type { Roles } from './roles.js';

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
  /**
   * Runs the network on x ([batch, ...shape]) and writes its raw output.
   * @throws ModelError after close(), and where ONNX Runtime fails; OptionError for arrays that do not fit.
   */
  readonly evaluate: ScoreModel['evaluate'];
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
    this.evaluate = async (x, levels, output, labels, signal) => {
      this.#check(x, levels, output, labels);
      await network.run({ x, ...this.#fed(levels), classes: labels, signal }, output);
    };
    if (network.binds) {
      setCommands(this.evaluate, (device, x, output) => {
        const enqueue = network.bind(device, { x, output, isScaled: this.#isScaled });
        return (levels, labels) => {
          this.#check(x, levels, output, labels);
          enqueue({ ...this.#fed(levels), classes: labels });
        };
      });
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
    const network = await (this.#derivative ??= this.#openDerivative());
    const vjp: Vjp = async (x, v, levels, output, product, labels, signal) => {
      this.#check(x, levels, output, labels);
      const { time, scale } = this.#fed(levels);
      await network.run({ x, scale, time, classes: labels, cotangent: v, signal }, output, product);
      // x enters the network multiplied with the scale.
      if (scale) for (let i = 0; i < x.length; i++) product[i]! *= scale[Math.floor(i / this.#elements)]!;
    };
    if (network.binds) {
      setVjpCommands(vjp, (device, x, v, output, product) => {
        const arrays = { x, cotangent: v, output, product, isScaled: this.#isScaled };
        const enqueue = network.bind(device, arrays);
        return (levels, labels) => {
          this.#check(x, levels, output, labels);
          const { time, scale } = this.#fed(levels);
          enqueue({ time, scale, classes: labels });
          if (scale) device.scale(product, scale);
        };
      });
    }
    return vjp;
  }

  /** Releases the sessions; evaluating the model afterwards is an error. */
  async close(): Promise<void> {
    await this.#network.release();
    const derivative = await this.#derivative?.catch(() => undefined);
    await derivative?.release();
  }

  get #isScaled(): boolean {
    return this.parameterization === 'edm';
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

  #check(x: Elements, levels: readonly Level[], output: Elements, labels?: Int32Array): void {
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
