import { fileURLToPath } from 'node:url';
import { existsSync } from 'node:fs';
import { OptionError } from '../errors.js';

/**
 * Path of the MNIST score network that comes with the package: `vp` (eps, data in [-1, 1]) or `ve` (score, data in
 * [0, 1]), each [1, 28, 28] and self-describing.
 */
export function embeddedModel(sde: string = 'vp'): string {
  if (sde !== 'vp' && sde !== 've')
    throw new OptionError('sde', sde, 'vp or ve where no model file is given');
  // dist/score or .test-build/src/score, one and two levels below the package.
  const candidates = ['../../models/', '../../../models/'].map((folder) =>
    fileURLToPath(new URL(`${folder}mnist-${sde}.onnx`, import.meta.url)),
  );
  return candidates.find((path) => existsSync(path)) ?? candidates[0]!;
}
