import { Option, type Command } from 'commander';
import { OptionError } from '../../errors.js';
import { isImageShape } from '../../shape.js';
import { restorationCommand, type RestorationKind } from '../restoration/command.js';
import type { RestorationFlags } from '../restoration/flags.js';
import { endsIn, readMatrix } from '../restoration/matrix.js';

interface InpaintFlags extends RestorationFlags {
  readonly mask: string;
}

/** Pictures with a hole, filled in. */
export const inpaint: RestorationKind = {
  name: 'inpaint',
  summary: 'fill holes in pictures',
  description:
    'Draws what a hole in pictures may have held, given the pixels around it (Song et al. 2021, appendix I.2), by a score model of ' +
    'such pictures.',
  options: () => [
    new Option(
      '--mask <name|file>',
      'what is unknown: center:16 (a square of pixels), half:right (left, top, bottom), random:0.9 (a share of pixels), or a picture ' +
        'of the size of the model that is black or transparent there',
    ).makeOptionMandatory(),
  ],
  recipes: [
    ['fastsde inpaint --data mnist --mask half:bottom', 'lower halves of digits'],
    ['fastsde inpaint m.onnx --data photos/ --mask mask.png', 'a hole of any form'],
    ['fastsde inpaint --data mnist --mask center:14 --method smc', 'particles'],
  ],
  async measured(opened, flags: InpaintFlags, signal) {
    const { inpainting } = await import('../../control/operators.js');
    const { measureOriginals } = await import('../restoration/measured.js');
    const { shape } = opened.model;
    const operator = inpainting(await maskOf(flags, shape), shape);
    return measureOriginals(operator, opened, flags, signal);
  },
};

/** `fastsde inpaint`. */
export function inpaintCommand(): Command {
  return restorationCommand(inpaint);
}

async function maskOf({ mask, seed }: InpaintFlags, shape: readonly number[]): Promise<Float32Array> {
  const { maskFromName } = await import('../../control/from-name.js');
  if (!/\.\w+$/.test(mask) || /^(center|half|random):/.test(mask)) return maskFromName(mask, shape, seed);
  if (!isImageShape(shape))
    throw new OptionError('mask', mask, 'left out: the samples of this model are no pictures');
  const [, height, width] = shape;
  const known = await maskIn(mask, [width, height]);
  if (known.some((value) => value !== 0)) return known;
  const what = endsIn(mask, '.npy') ? 'not 0' : 'light';
  throw new OptionError(
    'mask',
    mask,
    `a picture that is ${what} where something is known; nothing is, in this one`,
  );
}

/** The mask in a file, of pictures of this width and height. */
async function maskIn(path: string, size: readonly [number, number]): Promise<Float32Array> {
  if (endsIn(path, '.npy')) {
    const rows = await readMatrix(path, 'a mask has shape [height, width], the same for all channels');
    checkSize(path, rows[0]!.length, rows.length, size);
    return Float32Array.from(rows.flatMap((row) => Array.from(row)));
  }
  const { readImage } = await import('../../io/image.js');
  const picture = await readImage(path, { channels: 1 });
  checkSize(path, picture.width, picture.height, size);
  return Float32Array.from(picture.data, (value) => Number(value >= 128));
}

function checkSize(path: string, width: number, height: number, expected: readonly [number, number]): void {
  if (width === expected[0] && height === expected[1]) return;
  const sizes = `${expected.join(' x ')} pixels, the size of the model's pictures (this one has ${width} x ${height})`;
  throw new OptionError('mask', path, `a picture of ${sizes}`);
}
