// npm run bench [-- name ...]: all benchmarks, or those named. Each prints ratios measured in one run.
const benchmarks: Record<string, () => Promise<{ run: () => Promise<void> | void }>> = {
  kernels: () => import('./kernels.js'),
  'kernels-before': () => import('./kernels-before.js'),
  sampling: () => import('./sampling.js'),
  autodiff: () => import('./autodiff.js'),
  training: () => import('./training.js'),
  startup: () => import('./startup.js'),
  guidance: () => import('./guidance.js'),
  restoration: () => import('./restoration.js'),
  outside: () => import('./outside.js'),
  likelihood: () => import('./likelihood.js'),
  variable: () => import('./variable.js'),
  engines: () => import('./engines.js'),
  toys: () => import('./toys.js'),
  networks: () => import('./networks.js'),
  sessions: () => import('./sessions.js'),
  queue: () => import('./queue.js'),
  gpu: () => import('./gpu.js'),
  rows: () => import('./rows.js'),
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(benchmarks);
for (const name of names) {
  const load = benchmarks[name];
  if (load === undefined) {
    console.error(`No benchmark named "${name}"; there are: ${Object.keys(benchmarks).join(', ')}.`);
    process.exit(1);
  }
  await (await load()).run();
}
