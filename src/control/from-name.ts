import { Stream } from '../device/binding.js';
import { fillUniform } from '../device/kernels.js';
import { OptionError } from '../errors.js';
import { checkInteger, checkSeed, nearest } from '../options.js';
import { isImageShape } from '../shape.js';
import type { LinearOperator } from './operator.js';
import { blur, colorization, downsample, gaussianBlur } from './operators.js';

const operators: Readonly<Record<string, (number: number, shape: readonly number[]) => LinearOperator>> = {
  blur,
  'gaussian-blur': gaussianBlur,
  downsample,
};

/**
 * The operator of a name, on pictures: `blur:3` (means of 3 x 3 pixels), `gaussian-blur:1.5` (standard deviation in pixels),
 * `downsample:4` (means of blocks), `colorization`.
 *
 * @param shape of a sample.
 */
export function operatorFromName(name: string, shape: readonly number[]): LinearOperator {
  if (name === 'colorization') return made(name, shape, () => colorization(shape));
  const [kind, number] = partsOf(name);
  if (Object.hasOwn(operators, kind) && number.trim() !== '' && Number.isFinite(Number(number)))
    return made(name, shape, () => operators[kind]!(Number(number), shape));
  const near = nearest(kind, Object.keys(operators));
  const hint = near === undefined || near === kind ? '' : ` (did you mean ${near}?)`;
  throw new OptionError(
    'operator',
    name,
    `blur:3, gaussian-blur:1.5, downsample:4 or colorization, say${hint}`,
  );
}

/** What is wrong with the number or the shape is told with the name. */
function made(name: string, shape: readonly number[], make: () => LinearOperator): LinearOperator {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    if (error.option === 'shape')
      throw new OptionError(
        'operator',
        name,
        `one of samples [${shape.join(', ')}]: it takes ${error.expected}`,
      );
    throw new OptionError('operator', name, `one whose ${error.option} is ${error.expected}`);
  }
}

const sides = ['left', 'right', 'top', 'bottom'] as const;

/**
 * The mask of a name, 1 where a pixel is known; the name says what is not: `center:16` a square of 16 x 16 pixels, `half:right` (or
 * left, top, bottom), `random:0.9` nine of ten pixels.
 *
 * @param shape of a sample: [channels, height, width].
 * @param seed of `random`. Default 0.
 * @returns [height * width].
 */
export function maskFromName(
  name: string,
  shape: readonly number[],
  seed: bigint | number = 0,
): Float32Array {
  if (!isImageShape(shape))
    throw new OptionError(
      'mask',
      name,
      `left out: a mask is one of pictures, and samples are [${String(shape)}]`,
    );
  const [, height, width] = shape;
  const [kind, value] = partsOf(name);
  const each = (isKnown: (row: number, column: number) => boolean) =>
    Float32Array.from({ length: height * width }, (_, i) =>
      Number(isKnown(Math.floor(i / width), i % width)),
    );
  const number = value.trim() === '' ? NaN : Number(value);
  if (kind === 'center' && Number.isInteger(number)) {
    const size = checkInteger('mask', number, 1, Math.min(height, width));
    const [top, left] = [Math.floor((height - size) / 2), Math.floor((width - size) / 2)];
    return each((row, column) => row < top || row >= top + size || column < left || column >= left + size);
  }
  if (kind === 'half' && (sides as readonly string[]).includes(value)) {
    const [middle, centre] = [Math.floor(height / 2), Math.floor(width / 2)];
    const known = {
      left: (_: number, column: number) => column >= centre,
      right: (_: number, column: number) => column < centre,
      top: (row: number) => row >= middle,
      bottom: (row: number) => row < middle,
    };
    return each(known[value as (typeof sides)[number]]);
  }
  if (kind === 'random' && number >= 0 && number < 1) {
    const uniforms = new Float32Array(height * width);
    fillUniform(uniforms, 1, { seed: checkSeed(seed), samples: 0, step: 1, stream: Stream.data });
    return uniforms.map((u) => Number(u >= number));
  }
  const expected = `center:16, half:${sides.join(', half:')}, or random:0.9, the share that is unknown`;
  throw new OptionError('mask', name, expected);
}

/** What stands before and after the first colon. */
function partsOf(name: unknown): readonly [string, string] {
  const [kind = '', value = ''] = typeof name === 'string' ? name.split(/:(.*)/s) : [];
  return [kind, value];
}
