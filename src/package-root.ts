import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LoadError } from './errors.js';

/** An npm package where it is installed. */
export interface Package {
  readonly name: string;
  readonly version: string;
  /** The folder of its package.json. */
  readonly root: string;
}

/**
 * The package of this name that a folder belongs to: the nearest package.json in or above it that has the name.
 *
 * @throws LoadError where there is none.
 */
export function packageOf(name: string, folder: string): Package {
  for (let root = folder; ; root = dirname(root)) {
    try {
      const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Package;
      if (manifest.name === name) return { name, version: manifest.version, root };
    } catch {
      // No package.json here: look further up.
    }
    if (root === dirname(root)) throw new LoadError(`No package.json of ${name} in or above ${folder}.`);
  }
}

/** The folder of this package, which holds the addon and the embedded models. */
export function packageRoot(): string {
  return packageOf('fastsde', import.meta.dirname).root;
}
