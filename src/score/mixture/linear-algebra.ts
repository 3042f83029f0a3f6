import { createRequire } from 'node:module';
import type * as MlMatrix from 'ml-matrix';

let loaded: typeof MlMatrix | undefined;

/** ml-matrix, loaded at first use and as its one CommonJS file: its fifty modules are a third of the time of an import. */
export function linearAlgebra(): typeof MlMatrix {
  loaded ??= createRequire(import.meta.url)('ml-matrix') as typeof MlMatrix;
  return loaded;
}
