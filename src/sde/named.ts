import { OptionError } from '../errors.js';
import { checkChoice } from '../options.js';
import { edm } from './edm.js';
import { flow } from './flow.js';
import { sdeNames, type SdeName } from './names.js';
import type { Sde } from './sde.js';
import { subvp } from './subvp.js';
import { ve } from './ve.js';
import { vp } from './vp.js';

type Constructor = (options: Record<string, number> | { dataRange: readonly [number, number] }) => Sde;

/** How the SDEs are made of their options. */
export const sdes: Readonly<Record<SdeName, Constructor>> = { vp, subvp, ve, edm, flow };

/**
 * The SDE of this name, with the given constants in place of its defaults: the inverse of (`sde.name`, `sde.constants`),
 * for model metadata, manifests and the command line.
 */
export function sdeFromName(
  name: string,
  constants: Readonly<Record<string, number>> = {},
  dataRange?: readonly [number, number],
): Sde {
  const construct = sdes[checkChoice('sde', name, sdeNames)];
  const known = Object.keys(construct({}).constants);
  for (const [constant, value] of Object.entries(constants)) {
    if (!known.includes(constant)) {
      throw new OptionError(
        `sde.${constant}`,
        value,
        `absent: the constants of ${name} are ${known.join(', ')}`,
      );
    }
    if (typeof value !== 'number') throw new OptionError(`sde.${constant}`, value, 'a number');
  }
  try {
    return construct(dataRange ? { ...constants, dataRange } : constants);
  } catch (cause) {
    if (!(cause instanceof OptionError) || !known.includes(cause.option)) throw cause;
    throw new OptionError(`sde.${cause.option}`, cause.value, cause.expected);
  }
}
