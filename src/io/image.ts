import { toBytes } from '../device/bytes.js';
import { DataError, OptionError } from '../errors.js';
import { checkInteger, checkKnown, isList, isRecord } from '../options.js';
import { elementCount, isImageShape } from '../shape.js';
import { pathOf, type FilePath } from './path.js';
import { writeAtomically, writeFolder } from './atomic.js';
import { readBytes } from './read.js';
import { loadSharp } from './sharp.js';

/** Samples as pictures: [count, channels, height, width] with one channel (grey) or three (RGB). */
export interface ImageBatch {
  /** Values, row-major. */
  readonly samples: Float32Array;
  /** [count, channels, height, width]. */
  readonly shape: readonly number[];
  /** The values that become black and white; what lies outside is clipped. */
  readonly range: readonly [number, number];
}

/** An 8-bit picture, row by row, the channels of a pixel side by side. */
export interface Picture {
  /** [height, width, channels]. */
  readonly data: Uint8Array;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1 grey, 3 red, green and blue. */
  readonly channels: 1 | 3;
}

/** Values to 8 bits: `range` to 0..255, rounded to nearest and clipped. */
export function encodePixels(values: Float32Array, [low, high]: readonly [number, number]): Uint8Array {
  const bytes = new Uint8Array(values.length);
  toBytes(values, low, high, bytes);
  return bytes;
}

/** 8 bits to values: 0..255 to `range`; the inverse of {@link encodePixels} on its result. */
export function decodePixels(bytes: Uint8Array, [low, high]: readonly [number, number]): Float32Array {
  // Each of the 256 values correctly rounded, so that 255 is the upper end exactly.
  const table = Float32Array.from({ length: 256 }, (_, byte) => low + ((high - low) * byte) / 255);
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = table[bytes[i]!]!;
  return values;
}

/** How {@link imageGrid} lays images out. */
export interface GridLayout {
  /** Images side by side. Default: as many as make the grid nearly square. */
  readonly columns?: number;
  /** Small images are magnified by a whole factor, the largest with which the grid is no wider. Default 512 pixels. */
  readonly width?: number;
}

/** A grid of images in reading order. */
export function imageGrid(batch: ImageBatch, layout: GridLayout = {}): Picture {
  const { count, channels, height, width } = dimensions(batch);
  checkKnown(layout, ['columns', 'width'], 'layout');
  const { columns = Math.ceil(Math.sqrt(count)), width: limit = 512 } = layout;
  checkInteger('layout.columns', columns, 1);
  checkInteger('layout.width', limit, 1);
  const rows = Math.ceil(count / columns);
  const gap = 2;
  const factor = Math.max(1, Math.floor((limit - gap * (columns + 1)) / (columns * width)));
  const cellWidth = factor * width + gap;
  const cellHeight = factor * height + gap;
  const gridWidth = columns * cellWidth + gap;
  const gridHeight = rows * cellHeight + gap;
  const bytes = encodePixels(batch.samples, batch.range);
  const data = new Uint8Array(gridWidth * gridHeight * channels).fill(gapGrey);
  for (let n = 0; n < count; n++) {
    const left = gap + (n % columns) * cellWidth;
    const top = gap + Math.floor(n / columns) * cellHeight;
    for (let y = 0; y < factor * height; y++) {
      for (let x = 0; x < factor * width; x++) {
        const pixel = ((top + y) * gridWidth + left + x) * channels;
        const source = Math.floor(y / factor) * width + Math.floor(x / factor);
        for (let c = 0; c < channels; c++) {
          data[pixel + c] = bytes[(n * channels + c) * height * width + source]!;
        }
      }
    }
  }
  return { data, width: gridWidth, height: gridHeight, channels };
}

const gapGrey = 128;

/** The images of a batch, one picture each, at their own size. */
export function pictures(batch: ImageBatch): Picture[] {
  const { count, channels, height, width } = dimensions(batch);
  const bytes = encodePixels(batch.samples, batch.range);
  const pixels = height * width;
  return Array.from({ length: count }, (_, n) => {
    const data = new Uint8Array(pixels * channels);
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) data[i * channels + c] = bytes[(n * channels + c) * pixels + i]!;
    }
    return { data, width, height, channels };
  });
}

/** Writes a grid of images as a PNG file, atomically. */
export async function writeImageGrid(file: FilePath, batch: ImageBatch, layout?: GridLayout): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, await encodePng(imageGrid(batch, layout)));
}

/**
 * Writes a folder with one PNG file per image, named by the global index of the sample (`000000.png`).
 *
 * @param first Global index of the first sample; default 0.
 */
export async function writeImageFolder(file: FilePath, batch: ImageBatch, first = 0): Promise<void> {
  const path = pathOf('path', file);
  const files = new Map<string, Uint8Array>();
  for (const [n, picture] of pictures(batch).entries()) {
    files.set(`${String(first + n).padStart(6, '0')}.png`, await encodePng(picture));
  }
  await writeFolder(path, files);
}

/**
 * Writes an animated WebP file, one grid of images per frame, that repeats for ever and rests on its last frame.
 *
 * @param frameTime Milliseconds that a frame is shown; default 60.
 */
export async function writeAnimation(
  file: FilePath,
  frames: readonly ImageBatch[],
  frameTime = 60,
  layout?: GridLayout,
): Promise<void> {
  const path = pathOf('path', file);
  if (!isList(frames) || frames.length === 0)
    throw new OptionError('frames', frames, 'a list of at least one batch of images');
  const grids = frames.map((frame) => imageGrid(frame, layout));
  const { width, height, channels } = grids[0]!;
  const sharp = await loadSharp();
  const raw = { width, height: height * grids.length, channels, pageHeight: height };
  const delay = grids.map((_, n) => (n === grids.length - 1 ? 2000 : frameTime));
  const image = sharp(Buffer.concat(grids.map(({ data }) => data)), { raw, limitInputPixels: false });
  await writeAtomically(path, await image.webp({ delay, loop: 0, quality: 90 }).toBuffer());
}

/** A picture as the bytes of a PNG file. */
export async function encodePng({ data, width, height, channels }: Picture): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const image = sharp(data, { raw: { width, height, channels } });
  return (channels === 1 ? image.toColourspace('b-w') : image).png({ compressionLevel: 9 }).toBuffer();
}

/** How {@link readImage} makes a picture fit. */
export interface FitOptions {
  /** Height and width in pixels; by default the picture's own. */
  readonly size?: readonly [number, number];
  /** 1 for grey, 3 for RGB; by default grey where the file is grey, else RGB. */
  readonly channels?: 1 | 3;
}

/**
 * Reads a picture (PNG, JPEG, WebP, TIFF, AVIF, GIF, SVG). Where a size is asked for, the picture is scaled to cover it
 * (Lanczos, kept in proportion) and what juts out is cropped evenly at both sides. Transparency is laid on black.
 *
 * @throws DataError where the file is missing or is not a picture.
 */
export async function readImage(file: FilePath, fit: FitOptions = {}): Promise<Picture> {
  const path = pathOf('path', file);
  return decodeImage(await readBytes(path), fit, path);
}

/**
 * A picture from the bytes of its file, as {@link readImage} reads it.
 *
 * @param name How errors call it.
 */
export async function decodeImage(
  file: Uint8Array,
  { size, channels }: FitOptions,
  name: string,
): Promise<Picture> {
  const sharp = await loadSharp();
  try {
    let image = sharp(file).autoOrient();
    const isGrey = async (): Promise<boolean> => ['b-w', 'grey16'].includes((await image.metadata()).space);
    const grey = channels === undefined ? await isGrey() : channels === 1;
    if (size) image = image.resize({ height: size[0], width: size[1], fit: 'cover', position: 'centre' });
    image = image.flatten({ background: '#000' }).toColourspace(grey ? 'b-w' : 'srgb');
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: grey ? 1 : 3 };
  } catch (cause) {
    throw new DataError(`Cannot read ${name} as a picture: ${(cause as Error).message}.`, {
      value: name,
      cause,
    });
  }
}

/** The values of a picture in the order of a sample, [channels, height, width], 0..255 mapped to `range`. */
export function pictureValues(picture: Picture, range: readonly [number, number]): Float32Array {
  return decodePixels(planes(picture), range);
}

/** The bytes of a picture, channel by channel. */
export function planes({ data, width, height, channels }: Picture): Uint8Array {
  const pixels = width * height;
  const result = new Uint8Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < pixels; i++) result[c * pixels + i] = data[i * channels + c]!;
  }
  return result;
}

interface Dimensions {
  readonly count: number;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
}

/** @throws DataError or OptionError for a batch that is none of pictures. */
function dimensions(batch: ImageBatch): Dimensions {
  if (!isRecord(batch)) throw new OptionError('batch', batch, '{ samples, shape, range }');
  const { samples, shape, range } = batch;
  if (!isList(shape)) throw new OptionError('shape', shape, '[count, channels, height, width]');
  const [count = 0, ...image] = shape;
  if (!isImageShape(image)) {
    throw new DataError(
      `Samples of shape [${image.join(', ')}] are not pictures: expected [1 or 3, height, width].`,
    );
  }
  const elements = checkInteger('shape[0]', count, 1) * elementCount(image);
  if (!((samples as unknown) instanceof Float32Array) || samples.length !== elements)
    throw new OptionError(
      'samples',
      samples,
      `a Float32Array of [${shape.join(', ')}], ${elements} elements`,
    );
  const [low, high] = isList(range) ? range : [];
  if (!(Number.isFinite(low) && Number.isFinite(high) && low! < high!))
    throw new OptionError('range', range, 'two numbers [low, high], what becomes black and white');
  const [channels, height, width] = image;
  return { count, channels, height, width };
}
