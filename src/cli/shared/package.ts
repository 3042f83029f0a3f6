import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** An installed npm package, as its package.json describes it. */
export interface Package {
  readonly name: string;
  readonly version: string;
}

/** This package. */
export const fastsde: Package = packageOf('fastsde', import.meta.url);

/** A package that this one depends on, or undefined where it is not installed. */
export function dependency(name: string): Package | undefined {
  try {
    return packageOf(name, import.meta.resolve(name));
  } catch {
    return undefined;
  }
}

/** The package of this name that a file belongs to: the nearest package.json above the file that has the name. */
function packageOf(name: string, file: string): Package {
  for (let folder = dirname(fileURLToPath(file)); ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package;
      if (manifest.name === name) return manifest;
    } catch {
      // No package.json here.
    }
    if (folder === dirname(folder)) throw new Error(`The package.json of ${name} is missing above ${file}.`);
  }
}
