// Wall time, processor time and delay of the event loop of runs of the library, each in a process of its own, beside an idle loop:
//
//   BEFORE=/path/to/another/checkout npm run bench -- queue
//
// With BEFORE, a checkout with its dist/, both take turns. The delay is what timers of 1 ms are late by beyond that.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { printTable } from './measure.js';

const root = path.join(import.meta.dirname, '..', '..');

/** Programs that define `run`, an asynchronous function, from the library. */
const workloads: Readonly<Record<string, string>> = {
  'idle loop': 'const run = () => new Promise((resolve) => setTimeout(resolve, 1000));',
  'mnist-vp, 16': network('sample(model, { count: 16, batch: 16, steps: 40 })'),
  'mnist-vp, 64': network('sample(model, { count: 64, batch: 64, steps: 15 })'),
  'likelihood, 16': network(
    'likelihood(model, new Uint8Array(16 * 784).fill(7), { batch: 16, rtol: 1e-2, atol: 1e-2 })',
  ),
  'mixture of 2-D, 64': mixture('{ count: 64, batch: 64, steps: 2000 }'),
  'mixture of 2-D, 64, rk45': mixture("{ count: 64, batch: 64, solver: 'rk45' }"),
  'function of 2-D, 64': `
    const model = functionModel({ shape: [2], sde: vp(), evaluate: (x, levels, output) => output.set(x.map((v) => -v)) });
    const run = () => sample(model, { count: 64, batch: 64, steps: 2000 });`,
};

function network(call: string): string {
  return `const model = await loadModel(embeddedModel(), { probe: false, threads: 1 }); const run = () => ${call};`;
}

function mixture(options: string): string {
  return `
    const means = [[-0.5, 0.2], [0.4, -0.3], [0.1, 0.5], [0, -0.6]];
    const parts = { weights: [0.1, 0.2, 0.3, 0.4], means, covariances: [0.05, 0.02, 0.01, 0.03] };
    const model = mixtureModel(new GaussianMixture(parts), vp());
    const run = () => sample(model, ${options});`;
}

interface Figures {
  readonly wall: number;
  readonly cpu: number;
  readonly p99: number;
  readonly most: number;
}

/** What the second of two runs takes, in milliseconds. */
function measure(folder: string, workload: string): Figures {
  const names =
    'embeddedModel, functionModel, GaussianMixture, likelihood, loadModel, mixtureModel, sample, vp';
  const source = `
    import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
    import { ${names} } from ${JSON.stringify(pathToFileURL(path.join(folder, 'dist', 'index.js')).href)};
    ${workload}
    await run();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const [start, cpu] = [performance.now(), process.cpuUsage()];
    await run();
    const wall = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    delay.disable();
    console.log(JSON.stringify({ wall, cpu: (user + system) / 1e3, p99: delay.percentile(99) / 1e6 - 1, most: delay.max / 1e6 - 1 }));
    process.exit(0);`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', source], { encoding: 'utf8' }),
  ) as Figures;
}

export function run(): void {
  const before = process.env['BEFORE'];
  const rows: string[][] = [];
  for (const [name, workload] of Object.entries(workloads)) {
    const builds =
      before === undefined
        ? [['now', root]]
        : [
            ['before', before],
            ['now', root],
          ];
    const found = builds.map(([build, folder]) => ({
      build: build!,
      folder: folder!,
      figures: [] as Figures[],
    }));
    for (let turn = 0; turn < 5; turn++)
      for (const { folder, figures } of found) figures.push(measure(folder, workload));
    for (const { build, figures } of found) {
      const best = (key: keyof Figures) => Math.min(...figures.map((each) => each[key])).toFixed(1);
      rows.push([name, build, best('wall'), best('cpu'), best('p99'), best('most')]);
    }
  }
  printTable(['run (least of 5)', 'build', 'wall ms', 'cpu ms', 'delay p99 ms', 'most ms'], rows);
}
