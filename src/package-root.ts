import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LoadError } from './errors.js';

/** The folder of this package, which holds the addon and the embedded models: the nearest above with fastsde's package.json. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string };
      if (manifest.name === 'fastsde') return folder;
    } catch {
      // No package.json here: look further up.
    }
    if (folder === dirname(folder))
      throw new LoadError(`No package.json of fastsde above ${import.meta.dirname}.`);
  }
}
