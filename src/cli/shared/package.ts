import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageOf, type Package } from '../../package-root.js';

/** This package. */
export const fastsde: Package = packageOf('fastsde', import.meta.dirname);

/** A package that this one depends on, or undefined where it is not installed. */
export function dependency(name: string): Package | undefined {
  try {
    return packageOf(name, dirname(fileURLToPath(import.meta.resolve(name))));
  } catch {
    return undefined;
  }
}
