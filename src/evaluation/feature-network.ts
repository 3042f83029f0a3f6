import { createHash } from 'node:crypto';
import { embeddedFile, type EmbeddedData } from '../embedded-file.js';
import { DataError, FastsdeError, ModelError, OptionError } from '../errors.js';
import { modelBytes, readWholeModel, type Model, type TensorInfo } from '../onnx/file/model.js';
import { createSession, type Session } from '../onnx/run/runtime.js';
import { checkChoice, defined } from '../options.js';
import { elementCount, isImageShape } from '../shape.js';
import { modelSource, type ModelFile } from '../io/path.js';
import { resizePictures, resizeRuleNames, type ResizeRule } from './resize.js';

/**
 * A network that makes features of pictures. Its ONNX file says in metadata how it takes them: `fastsde.kind` = `features`,
 * `fastsde.features.range` (what the bytes 0 and 255 become, such as `-1,1`), `fastsde.features.layout` (`nchw`, the default, or
 * `nhwc`), `fastsde.features.resize` (`tf1`, `clean` or `pytorch`), and the names of its outputs,
 * `fastsde.output.features` and, where it has logits for the inception score, `fastsde.output.logits`.
 */
export interface FeatureNetwork {
  /** [1 or 3, height, width] of the pictures that it takes; others are scaled. */
  readonly shape: readonly [1 | 3, number, number];
  /** How pictures of other sizes are scaled. */
  readonly resize: ResizeRule;
  /** Numbers of a picture's features. */
  readonly width: number;
  /** Logits of a picture; absent where the network has none. */
  readonly classes?: number;
  /** SHA-256 of the network, in hexadecimal: features of one network alone can be compared. */
  readonly hash: string;
  /**
   * Features [count, width] and logits [count, classes] of pictures [count, ...shape], bytes of grey or RGB.
   *
   * @throws DataError for samples that are not pictures, or RGB for a network of grey ones.
   */
  run(
    pictures: Uint8Array,
    shape: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ features: Float32Array; logits?: Float32Array }>;
  /** Frees the network. */
  release(): Promise<void>;
  /** As `release()`, at the end of the block of an `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** How a feature network is read and run. */
export interface FeatureNetworkOptions {
  /** Threads of the network. Default: one per core. */
  readonly threads?: number | undefined;
  /** Where the network runs. Default `cpu`; `cuda` is an error (LoadError) where it cannot start. */
  readonly provider?: 'cpu' | 'cuda' | undefined;
}

/** Pictures that go through the network at a time, where the file does not fix it; the last run is padded, so that all are alike. */
const rowsOfRun = 64;

/**
 * Path of a feature network that comes with the package, 64 features of pictures like these; of `cifar10` it is in
 * `@fastsde/models`.
 * @throws LoadError where that package is not installed.
 */
export function embeddedFeatures(data: EmbeddedData = 'mnist'): string {
  return embeddedFile(data, 'features');
}

/**
 * Opens a feature network.
 *
 * @throws ModelError for a file that cannot be read, or does not say how it takes pictures; LoadError where the provider cannot start.
 */
export async function loadFeatureNetwork(
  given: ModelFile,
  { threads, provider }: FeatureNetworkOptions = {},
): Promise<FeatureNetwork> {
  const source = modelSource('features', given);
  const name = typeof source === 'string' ? source : 'the feature network';
  const model = await readWholeModel(source);
  const description = describe(model, name);
  const session = await createSession(source, defined({ threads, provider }));
  try {
    return await open(
      session,
      description,
      name,
      createHash('sha256').update(modelBytes(model)).digest('hex'),
    );
  } catch (cause) {
    await session.release();
    throw cause;
  }
}

interface Description {
  readonly input: string;
  readonly rows: number;
  readonly shape: readonly [1 | 3, number, number];
  readonly layout: 'nchw' | 'nhwc';
  readonly resize: ResizeRule;
  readonly range: readonly [number, number];
  readonly outputs: { readonly features: string; readonly logits?: string };
}

function describe({ metadata, inputs, outputs }: Model, name: string): Description {
  const entry = (key: string): string | undefined => metadata.get(`fastsde.${key}`)?.trim();
  const refuse = (what: string): never => {
    throw new ModelError(`${name} is no feature network: ${what}`, { value: name });
  };
  if (entry('kind') !== 'features')
    refuse('its metadata have no fastsde.kind = features. docs/evaluation.md says what they must hold.');
  const known = <T>(key: string, parse: (text: string) => T): T => {
    try {
      return parse(entry(key) ?? '');
    } catch (cause) {
      if (!(cause instanceof FastsdeError)) throw cause;
      return refuse(`its metadata entry fastsde.${key} cannot be used: ${cause.message}`);
    }
  };
  const layout = entry('features.layout') === undefined ? 'nchw' : known('features.layout', layoutOf);
  const [input, ...others] = inputs;
  if (input === undefined || others.length > 0)
    return refuse(
      `it has the inputs ${inputs.map((info) => info.name).join(', ')}; one of pictures expected.`,
    );
  const [rows, ...sizes] = input.shape ?? [];
  const shape = layout === 'nchw' ? sizes : [sizes[2], sizes[0], sizes[1]];
  if (input.type !== 'float32' || !shape.every((size) => typeof size === 'number') || !isImageShape(shape))
    return refuse(
      `its input ${input.name} is ${input.type} [${(input.shape ?? []).join(', ')}]; float32 pictures of a fixed size expected.`,
    );
  const output = (role: string): string | undefined => {
    const wanted = entry(`output.${role}`);
    if (wanted === undefined || outputs.some((info: TensorInfo) => info.name === wanted)) return wanted;
    return refuse(`it has no output ${wanted}, which its metadata name.`);
  };
  const features = output('features') ?? (outputs.length === 1 ? outputs[0]!.name : undefined);
  const logits = output('logits');
  return {
    input: input.name,
    rows: typeof rows === 'number' ? rows : rowsOfRun,
    shape,
    layout,
    resize: known('features.resize', (text) => checkChoice('resize', text, resizeRuleNames)),
    range: known('features.range', rangeOf),
    outputs: {
      features:
        features ?? refuse('its metadata do not say by fastsde.output.features which output holds them.'),
      ...(logits !== undefined && { logits }),
    },
  };
}

function layoutOf(text: string): 'nchw' | 'nhwc' {
  return checkChoice('layout', text, ['nchw', 'nhwc']);
}

function rangeOf(text: string): readonly [number, number] {
  const [low, high, ...rest] = text.split(',').map(Number);
  if (Number.isFinite(low) && Number.isFinite(high) && low! < high! && rest.length === 0)
    return [low!, high!];
  throw new OptionError('range', text, 'two numbers low,high');
}

async function open(
  session: Session,
  { input, rows, shape, layout, resize, range, outputs }: Description,
  name: string,
  hash: string,
): Promise<FeatureNetwork> {
  const elements = elementCount(shape);
  const [channels, height, width] = shape;
  const names = Object.values(outputs);
  /** Of `count` pictures of this size, whose values are 0..255 channel by channel. */
  const runOnce = async (
    values: Float32Array,
    count: number,
    signal?: AbortSignal,
  ): Promise<Float32Array[]> => {
    const data = new Float32Array(rows * elements);
    const [low, high] = range;
    const pixels = height * width;
    for (let n = 0; n < count; n++)
      for (let c = 0; c < channels; c++)
        for (let i = 0; i < pixels; i++) {
          const to = layout === 'nchw' ? (n * channels + c) * pixels + i : (n * pixels + i) * channels + c;
          data[to] = low + ((high - low) * values[(n * channels + c) * pixels + i]!) / 255;
        }
    const dims = layout === 'nchw' ? [rows, ...shape] : [rows, height, width, channels];
    const results = await session.run({ [input]: { data, dims } }, names, { signal });
    return names.map((output) => {
      const result = results[output]!.data;
      if (!(result instanceof Float32Array) || result.length % rows !== 0)
        throw new ModelError(`${name} gives no float32 row of ${output} for every picture.`, { value: name });
      return result.subarray(0, (result.length / rows) * count);
    });
  };
  const [one, logits] = await runOnce(new Float32Array(elements), 1);
  return {
    shape,
    resize,
    width: one!.length,
    ...(logits && { classes: logits.length }),
    hash,
    async run(pictures, given, signal) {
      const [count, ...sample] = given;
      checkPictures(sample, channels);
      const size = elementCount(sample);
      const all = names.map(() => [] as Float32Array[]);
      for (let first = 0; first < count!; first += rows) {
        const some = Math.min(rows, count! - first);
        const planes = pictures.subarray(first * size, (first + some) * size);
        const values = resizePictures(planes, [sample[1]!, sample[2]!], [height, width], resize);
        const results = await runOnce(
          sample[0] === channels ? values : tripled(values, height * width),
          some,
          signal,
        );
        for (const [k, result] of results.entries()) all[k]!.push(result);
      }
      const [features, scores] = all.map(joined);
      return { features: features!, ...(scores && { logits: scores }) };
    },
    release: () => session.release(),
    [Symbol.asyncDispose]: () => session.release(),
  };
}

function checkPictures(sample: readonly number[], channels: 1 | 3): void {
  if (!isImageShape(sample))
    throw new DataError(
      `Samples of shape [${sample.join(', ')}] are not pictures, which the feature network takes.`,
    );
  if (sample[0] > channels)
    throw new DataError('The pictures are RGB, and the feature network takes grey ones.');
}

/** Grey planes as those of red, green and blue. */
function tripled(planes: Float32Array, pixels: number): Float32Array {
  const out = new Float32Array(3 * planes.length);
  for (let start = 0; start < planes.length; start += pixels)
    for (let c = 0; c < 3; c++) out.set(planes.subarray(start, start + pixels), 3 * start + c * pixels);
  return out;
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
