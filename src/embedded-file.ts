import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LoadError } from './errors.js';
import { checkChoice } from './options.js';
import { packageRoot } from './package-root.js';

const sets = ['mnist', 'cifar10'] as const;

/** Data of which there are networks: those of digits come with this package, those of photographs with `@fastsde/models`. */
export type EmbeddedData = (typeof sets)[number];

/**
 * Path of a network of these data, such as `mnist-vp.onnx`.
 * @throws LoadError where it is in a package that is not installed.
 */
export function embeddedFile(data: EmbeddedData, network: string): string {
  const root = packageRoot();
  const folder = checkChoice('data', data, sets) === 'mnist' ? join(root, 'models') : modelsPackage(root);
  return join(folder, `${data}-${network}.onnx`);
}

/**
 * The folder of `@fastsde/models` as the package in `root` finds it: its place in the repository, or where it is installed.
 * @throws LoadError where it is not.
 */
export function modelsPackage(root: string): string {
  const inRepository = join(root, 'packages', 'models');
  if (existsSync(inRepository)) return inRepository;
  try {
    return dirname(createRequire(join(root, 'package.json')).resolve('@fastsde/models/package.json'));
  } catch (cause) {
    throw new LoadError(
      'The networks of CIFAR-10 are in a package of their own, which is not installed beside fastsde: npm install @fastsde/models',
      { cause },
    );
  }
}
