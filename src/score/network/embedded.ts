import { join } from 'node:path';
import { OptionError } from '../../errors.js';
import { packageRoot } from '../../package-root.js';

/**
 * Path of the MNIST score network that comes with the package: `vp` (eps, data in [-1, 1]) or `ve` (score, data in
 * [0, 1]), each [1, 28, 28] and self-describing.
 */
export function embeddedModel(sde: string = 'vp'): string {
  if (sde !== 'vp' && sde !== 've')
    throw new OptionError('sde', sde, 'vp or ve where no model file is given');
  return join(packageRoot(), 'models', `mnist-${sde}.onnx`);
}
