import { embeddedFile } from '../../embedded-file.js';
import { checkChoice } from '../../options.js';

const names = ['vp', 've', 'conditional', 'cifar10'] as const;

/**
 * Path of a score network that comes with the package, each self-describing. Of MNIST digits, [1, 28, 28]: `vp` (eps, data in
 * [-1, 1]), `ve` (score, data in [0, 1]), or `conditional`, which is `vp` with a digit for a class and 10 for none. Of the colour
 * photographs of CIFAR-10, [3, 32, 32]: `cifar10` (VP, eps, data in [-1, 1], 10 classes and 10 for none), from `@fastsde/models`.
 *
 * @throws LoadError for `cifar10` where that package is not installed.
 */
export function embeddedModel(name: string = 'vp'): string {
  const known = checkChoice('name', name, names);
  return known === 'cifar10' ? embeddedFile('cifar10', 'conditional') : embeddedFile('mnist', known);
}
