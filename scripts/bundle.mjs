// Writes dist/: the library, the command line and the scripts of its threads, one file each. Node finds and reads one file
// three to four times as fast as some two hundred modules.

import { rm } from 'node:fs/promises';
import { build } from 'esbuild';

await rm('dist', { recursive: true, force: true });
await build({
  // Threads are found beside the module that starts them, so everything lies in one folder.
  entryPoints: {
    index: 'src/index.ts',
    cli: 'src/cli/main.ts',
    thread: 'src/engine/thread.ts',
    worker: 'src/training/worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  legalComments: 'none',
});
