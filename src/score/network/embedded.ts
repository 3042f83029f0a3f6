import { join } from 'node:path';
import { OptionError } from '../../errors.js';
import { packageRoot } from '../../package-root.js';

/**
 * Path of a score network of MNIST digits that comes with the package, each [1, 28, 28] and self-describing: `vp` (eps, data in
 * [-1, 1]), `ve` (score, data in [0, 1]), or `conditional`, which is `vp` with a digit for a class and 10 for none.
 */
export function embeddedModel(name: string = 'vp'): string {
  if (name !== 'vp' && name !== 've' && name !== 'conditional')
    throw new OptionError('sde', name, 'vp or ve where no model file is given');
  return join(packageRoot(), 'models', `mnist-${name}.onnx`);
}
