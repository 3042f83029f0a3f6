import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
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

/**
 * The folder of this package, which holds the addon and the embedded models. Code that a bundler took into a file of its own finds it where
 * it is installed.
 *
 * @throws LoadError where it is not.
 */
export function packageRoot(): string {
  // Some bundlers leave it out.
  const here = import.meta.dirname as string | undefined;
  try {
    if (here !== undefined) return packageOf('fastsde', here).root;
  } catch (cause) {
    if (!(cause instanceof LoadError)) throw cause;
  }
  try {
    return dirname(createRequire(import.meta.url).resolve('fastsde/package.json'));
  } catch (cause) {
    throw new LoadError(
      'The package fastsde, with its addon and its models, is not where its code is. Keep it out of the bundle (esbuild: ' +
        "--external:fastsde; Next.js: serverExternalPackages: ['fastsde']), and install it beside that.",
      { cause },
    );
  }
}
