import { ModelError, OptionError } from '../errors.js';
import { fromBytes } from '../device/bytes.js';
import type { ImageBatch } from '../io/image.js';
import { readWholeModel } from '../onnx/file/model.js';
import { isWithin, shownSizes } from '../onnx/file/sizes.js';
import { createSession } from '../onnx/run/runtime.js';
import { checkInteger, checkKnown, checkNumber, checkSignal, defined, isList } from '../options.js';
import { nameSource } from '../score/network/network.js';
import { elementCount, isImageShape } from '../shape.js';
import { isFolder } from '../io/atomic.js';
import { readAutoencoder } from '../score/network/pipeline-folder.js';
import { modelSource, type ModelFile } from '../io/path.js';
import { closable, type Closable } from '../closing.js';
import { ArrayNetwork, type ArrayRows } from './array-network.js';

/** How a decoder or an encoder is loaded. */
export interface AutoencoderOptions {
  /**
   * By what an encoded picture is multiplied to become a latent: latent = (encoded - shift) * scale. This is `scaling_factor` of diffusers,
   * 0.18215 for Stable Diffusion 1 and 2, 0.13025 for XL, 1.5305 for 3. Default: the folder's, or the file's `fastsde.latent_scale`; one has to say it.
   */
  readonly latentScale?: number | undefined;
  /** `shift_factor` of diffusers, 0.0609 for Stable Diffusion 3. Default: the folder's, or the file's `fastsde.latent_shift`, else 0. */
  readonly latentShift?: number | undefined;
  /** Pictures that go through the network at once. Default: as many as make 2^20 values, at least one. */
  readonly batch?: number | undefined;
  /** Threads of the network. Default: ONNX Runtime's, one per core. */
  readonly threads?: number | undefined;
  /** Default `cpu`. */
  readonly provider?: 'cpu' | 'cuda' | undefined;
}

/** How an encoder is read and run. */
export interface EncoderOptions extends AutoencoderOptions {
  /**
   * Channels of a latent. Where the network's output has twice as many, they are means and log-variances, and the mean is taken. Default: half
   * of those of an output named `latent_parameters`, and all of those of another.
   */
  readonly channels?: number | undefined;
}

/** [channels, height, width] of a picture. */
type PictureShape = readonly [1 | 3, number, number];

/** Makes pictures of latents. */
export interface Decoder extends Closable {
  /** The path of the file, or "the decoder" where it came from bytes. */
  readonly source: string;
  /** A latent is what a picture was encoded to, less `latentShift`, times this. */
  readonly latentScale: number;
  /** See `latentScale`. */
  readonly latentShift: number;
  /**
   * The shape of the picture of one latent of this shape, [1 or 3, height, width]. Where the file leaves its sizes open, a small latent is
   * decoded to find out.
   * @throws OptionError (`decoder`) for one of other channels or another size, and for what makes no pictures.
   */
  pictureShape(latent: readonly number[]): Promise<PictureShape>;
  /**
   * The pictures of latents, a few at a time, in [-1, 1] as far as the network keeps to it.
   *
   * @param shape Of the latents, [count, channels, height, width], as `sample` gives it.
   * @throws OptionError as `pictureShape`; ModelError where the network fails, or makes values that are not finite.
   */
  decode(
    latents: Float32Array,
    shape: readonly number[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<ImageBatch>;
}

/** Makes latents of pictures. */
export interface Encoder extends Closable {
  /** The path of the file, or "the encoder" where it came from bytes. */
  readonly source: string;
  /** A latent is what a picture was encoded to, less `latentShift`, times this. */
  readonly latentScale: number;
  /** See `latentScale`. */
  readonly latentShift: number;
  /**
   * The shape of the pictures that give latents of this shape. Where the file leaves its sizes open, a small picture is encoded to find out.
   * @throws OptionError (`encoder`) for latents that it does not give.
   */
  pictureShape(latent: readonly number[]): Promise<PictureShape>;
  /**
   * The latents of pictures, a few at a time; of a distribution, its mean.
   *
   * @param pictures Bytes from 0 to 255, or floats in [-1, 1].
   * @param shape [count, channels, height, width].
   * @throws OptionError for pictures that the network does not take; ModelError where it fails.
   */
  encode(
    pictures: Uint8Array | Float32Array,
    shape: readonly number[],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<{ samples: Float32Array; shape: readonly number[] }>;
}

/** Values of a picture in the space of the networks. */
const range = [-1, 1] as const;

/** Values that go through a network at once: one picture of 512 x 512 pixels. */
const VALUES = 2 ** 20;

/** Height and width of the latent by which open sizes are found out. */
const SMALL = 8;

/** Height and width of the picture by which open sizes are found out. */
const SMALL_PICTURE = 64;

const optionNames = Object.keys({
  ...{ latentScale: 1, latentShift: 1, batch: 1, threads: 1, provider: 1 },
} satisfies Record<keyof AutoencoderOptions, 1>);

/**
 * Loads the decoder of a latent model from an ONNX file, the bytes of one, or the folder that holds it as `vae_decoder/`: one input of latents [N, channels, height, width], one output of
 * pictures in [-1, 1]. It is run on latent / scale + shift.
 *
 * @throws ModelError for a file that cannot be read, or where neither it nor the options say the scale; OptionError for an option that cannot be
 *   used; LoadError where ONNX Runtime or the provider cannot start.
 */
export async function loadDecoder(given: ModelFile, options: AutoencoderOptions = {}): Promise<Decoder> {
  const source = modelSource('decoder', given);
  checkKnown(options, optionNames);
  const { network, scale, shift, batch } = await open('decoder', source, options);
  const shapes = new Map<string, Promise<PictureShape>>();
  const pictureShape = (latent: readonly number[]): Promise<PictureShape> => {
    const key = latent.join();
    const known = shapes.get(key) ?? shapeOfPicture(network, latent);
    shapes.set(key, known);
    return known;
  };
  return {
    source: network.source,
    ...{ latentScale: scale, latentShift: shift, pictureShape },
    async decode(latents, shape, { signal } = {}) {
      checkRows('latents', latents, shape);
      checkFits('decoder', network, shape.slice(1), 'latents');
      const encoded = latents.map((value) => value / scale + shift);
      const picture = await pictureShape(shape.slice(1));
      const most = batch ?? Math.max(1, Math.floor(VALUES / elementCount(picture)));
      const { values: samples, shape: made } = await network.run(
        { values: encoded, shape },
        most,
        checkSignal(signal),
      );
      return { samples, shape: made, range };
    },
    ...closable(() => network.release()),
  };
}

/** The shape of the picture of a latent: that of the file, or in proportion to what it makes of a small latent. */
async function shapeOfPicture(network: ArrayNetwork, latent: readonly number[]): Promise<PictureShape> {
  checkFits('decoder', network, latent, 'latents');
  const [channels, height, width] = latent as [number, number, number];
  const sizes = network.output.shape?.slice(1);
  let picture = sizes as readonly number[];
  if (!sizes?.every((size) => typeof size === 'number')) {
    const [h, w] = [2, 3].map((axis) => network.input.shape?.[axis]);
    const small = [
      1,
      channels,
      typeof h === 'number' ? h : Math.min(SMALL, height),
      typeof w === 'number' ? w : Math.min(SMALL, width),
    ];
    const { shape } = await network.run({ values: new Float32Array(elementCount(small)), shape: small }, 1);
    picture = [shape[1]!, (shape[2]! / small[2]!) * height, (shape[3]! / small[3]!) * width];
  }
  if (isImageShape(picture)) return picture;
  const made = `[${picture.join(', ')}] of a latent [${latent.join(', ')}]`;
  throw new OptionError(
    'decoder',
    network.source,
    `one that makes pictures [1 or 3, height, width]: it makes ${made}`,
  );
}

/**
 * Loads the encoder of a latent model from an ONNX file, the bytes of one, or the folder that holds it as `vae_encoder/`: one input of pictures in [-1, 1], one output of what becomes latents by
 * (encoded - shift) * scale.
 *
 * @throws as loadDecoder.
 */
export async function loadEncoder(given: ModelFile, options: EncoderOptions = {}): Promise<Encoder> {
  const source = modelSource('encoder', given);
  checkKnown(options, [...optionNames, 'channels']);
  const { channels } = options;
  if (channels !== undefined) checkInteger('channels', channels, 1);
  const { network, scale, shift, batch } = await open('encoder', source, options);
  return {
    source: network.source,
    ...{ latentScale: scale, latentShift: shift },
    pictureShape: (latent) => shapeOfSource(network, latent, channels),
    async encode(pictures, shape, { signal } = {}) {
      checkRows('pictures', pictures, shape);
      checkFits('encoder', network, shape.slice(1), 'pictures');
      const most = batch ?? Math.max(1, Math.floor(VALUES / elementCount(shape.slice(1))));
      const values = pictures instanceof Uint8Array ? new Float32Array(pictures.length) : pictures;
      if (pictures instanceof Uint8Array) fromBytes(pictures, ...range, values);
      const made = await network.run({ values, shape }, most, checkSignal(signal));
      return latentsOf(network, made, channels, (encoded) => (encoded - shift) * scale);
    },
    ...closable(() => network.release()),
  };
}

/** The shape of the pictures of which the network makes such latents, in proportion to what it makes of a small picture. */
async function shapeOfSource(
  network: ArrayNetwork,
  latent: readonly number[],
  channels: number | undefined,
): Promise<PictureShape> {
  const sizes = [1, 2, 3].map((axis) => network.input.shape?.[axis]);
  const small = [
    1,
    ...sizes.map((size, i) => (typeof size === 'number' ? size : i === 0 ? 3 : SMALL_PICTURE)),
  ];
  const made = await network.run({ values: new Float32Array(elementCount(small)), shape: small }, 1);
  const { shape } = latentsOf(network, made, channels, (encoded) => encoded);
  const picture = [small[1]!, ...[1, 2].map((axis) => (small[axis + 1]! / shape[axis + 1]!) * latent[axis]!)];
  const isFixed = sizes.slice(1).some((size, i) => typeof size === 'number' && size !== picture[i + 1]);
  if (shape[1] === latent[0] && isImageShape(picture) && !isFixed) return picture;
  const given = `[${shape.slice(1).join(', ')}] of a picture [${small.slice(1).join(', ')}]`;
  throw new OptionError(
    'encoder',
    network.source,
    `one of latents [${latent.join(', ')}]: it makes ${given}`,
  );
}

/** The latents in what an encoder made: all of its channels, or the first half of them. */
function latentsOf(
  { source, output }: ArrayNetwork,
  { values, shape }: ArrayRows,
  given: number | undefined,
  scaled: (encoded: number) => number,
): { samples: Float32Array; shape: readonly number[] } {
  const [count, width, ...sizes] = shape as [number, number, ...number[]];
  const channels = given ?? (output.name === 'latent_parameters' ? width / 2 : width);
  if (channels !== width && 2 * channels !== width) {
    const expected = `one of latents of ${channels} channels, or of ${2 * channels} with their variances: it makes ${width}`;
    throw new OptionError('encoder', source, expected);
  }
  const elements = channels * elementCount(sizes);
  const samples = new Float32Array(count * elements);
  const stride = values.length / count;
  for (let row = 0; row < count; row++)
    for (let i = 0; i < elements; i++) samples[row * elements + i] = scaled(values[row * stride + i]!);
  return { samples, shape: [count, channels, ...sizes] };
}

interface Opened {
  readonly network: ArrayNetwork;
  readonly scale: number;
  readonly shift: number;
  readonly batch: number | undefined;
}

async function open(
  kind: 'decoder' | 'encoder',
  source: string | Uint8Array,
  { latentScale, latentShift, batch, threads, provider }: AutoencoderOptions,
): Promise<Opened> {
  if (typeof source !== 'string' && !((source as unknown) instanceof Uint8Array))
    throw new OptionError(kind, source, 'the path of an ONNX file or a folder, or its bytes as a Uint8Array');
  if (batch !== undefined) checkInteger('batch', batch, 1);
  const name = typeof source === 'string' ? source : `the ${kind}`;
  try {
    const found =
      typeof source === 'string' && (await isFolder(source)) && (await readAutoencoder(source, kind));
    const file = found ? found.path : source;
    const { metadata } = await readWholeModel(file);
    const entry = (key: string): number | undefined => {
      const text = metadata.get(`fastsde.${key}`);
      return text === undefined ? undefined : Number(text);
    };
    const ownScale = latentScale ?? (found ? found.latentScale : entry('latent_scale'));
    if (ownScale === undefined) {
      throw new ModelError(
        'It does not say by what latents are scaled (fastsde.latent_scale in its metadata). Give latentScale (--latent-scale): 0.18215 for ' +
          'Stable Diffusion 1 and 2, 0.13025 for XL, 1 for none.',
        { option: 'latentScale' },
      );
    }
    const ownShift = latentShift ?? (found ? found.latentShift : entry('latent_shift')) ?? 0;
    if (!Number.isFinite(ownShift)) throw new OptionError('latentShift', ownShift, 'a finite number');
    checkNumber('latentScale', ownScale, 0);
    const session = await createSession(file, defined({ threads, provider }));
    try {
      const network = new ArrayNetwork(typeof file === 'string' ? file : name, session, 'latent_parameters');
      return { network, scale: ownScale, shift: ownShift, batch };
    } catch (cause) {
      await session.release();
      throw cause;
    }
  } catch (cause) {
    throw nameSource(name, cause);
  }
}

/** @throws OptionError naming the network that does not take rows of this shape. */
function checkFits(
  option: 'decoder' | 'encoder',
  { source, input }: ArrayNetwork,
  shape: readonly number[],
  what: 'latents' | 'pictures',
): void {
  const wanted = input.shape?.slice(1);
  const isImage = shape.length === 3 && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (isImage && (!wanted || isWithin(shape, wanted))) return;
  const takes = shownSizes(input.shape ?? []);
  throw new OptionError(
    option,
    source,
    `one for ${what} of shape [${shape.join(', ')}]: its input "${input.name}" takes ${takes}`,
  );
}

function checkRows(option: string, values: Float32Array | Uint8Array, shape: readonly number[]): void {
  if (!isList(shape) || shape.length !== 4 || !shape.every((size) => Number.isSafeInteger(size) && size > 0))
    throw new OptionError('shape', shape, '[count, channels, height, width]');
  const isArray =
    (values as unknown) instanceof Float32Array || (option === 'pictures' && values instanceof Uint8Array);
  if (!isArray || values.length !== elementCount(shape)) {
    const kinds = option === 'pictures' ? 'a Float32Array or Uint8Array' : 'a Float32Array';
    throw new OptionError(
      option,
      values,
      `${kinds} of [${shape.join(', ')}], ${elementCount(shape)} elements`,
    );
  }
}
