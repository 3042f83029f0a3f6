// The comparison of samplers of Song et al. 2021 (Table 1 and 5) on the embedded digits, beside the paper's figures on CIFAR-10.
//
//   export FASTSDE_DATA=DATA
//   node scripts/paper/table.mjs draw --output table/         # may be stopped, started again, and started several times at once
//   node scripts/paper/table.mjs show --output table/ [--judge classifier.pt]      # what is complete, as a table
//
//   --count 640        samples of each cell
//   --snr 0.16         of the correctors; more with commas between them: the table then shows the best of them beside the first
//   --model cifar10    the photographs of @fastsde/models, with --data the test pictures and --features those of Inception (as
//                      scripts/evaluation/inception.py exports them): the size of the paper is --count 50000
//   --steps 1000       of "P1000" and the rest, for a dry run
//
// "P" steps of a predictor alone, "C" of the corrector alone, "PC" a step of each: P1000 and C2000 with PC1000 have as many evaluations
// as the paper gives them.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: 'string', default: 'table/' },
    count: { type: 'string', default: '640' },
    snr: { type: 'string', default: '0.16' },
    model: { type: 'string', default: 'digits' },
    data: { type: 'string', default: 'mnist' },
    features: { type: 'string' },
    steps: { type: 'string', default: '1000' },
    batch: { type: 'string', default: '64' },
    judge: { type: 'string' },
  },
});
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const steps = Number(flags.steps);
const snrs = flags.snr.split(',');

/** Frechet distances of the paper's Table 1, by SDE, predictor and budget. */
const paper = {
  've ancestral': { P1000: '4.98', P2000: '4.88', PC1000: '3.62' },
  've reverse-diffusion': { P1000: '4.79', P2000: '4.74', PC1000: '3.60' },
  've probability-flow': { P1000: '15.41', P2000: '10.54', C2000: '20.43', PC1000: '3.51' },
  'vp ancestral': { P1000: '3.24', P2000: '3.24', PC1000: '3.21' },
  'vp reverse-diffusion': { P1000: '3.21', P2000: '3.19', PC1000: '3.18' },
  'vp probability-flow': { P1000: '3.59', P2000: '3.23', C2000: '19.06', PC1000: '3.06' },
};

/** Solvers below the table, at evaluations of 5 to 50. */
const fast = {
  solvers: ['dpmpp-2m-sde', 'unipc', 'ddim', 'dpmpp-2m', 'edm-heun'],
  evaluations: [5, 10, 20, 50],
};

/** The runs of the table: a name, and the options of `fastsde sample`. */
function cells() {
  // The photographs come with a VP model alone.
  const sdes = flags.model === 'digits' ? ['vp', 've'] : ['vp'];
  return sdes.flatMap((sde) => [
    ...['ancestral', 'reverse-diffusion', 'probability-flow'].flatMap((predictor) => [
      ...[1, 2].map((times) => ({
        name: `${sde} ${predictor} P${1000 * times}`,
        options: ['--predictor', predictor, '--corrector', 'none', '--steps', times * steps],
      })),
      ...snrs.map((snr) => ({
        name: `${sde} ${predictor} PC1000 snr=${snr}`,
        options: ['--predictor', predictor, '--corrector', 'langevin', '--snr', snr, '--steps', steps],
      })),
    ]),
    // The corrector alone: one row for all predictors.
    ...snrs.map((snr) => ({
      name: `${sde} probability-flow C2000 snr=${snr}`,
      options: ['--predictor', 'none', '--corrector', 'langevin', '--snr', snr, '--steps', 2 * steps],
    })),
    ...fast.solvers.flatMap((solver) =>
      fast.evaluations.map((n) => ({
        name: `${sde} ${solver} ${n}`,
        options: ['--solver', solver, '--evaluations', n],
      })),
    ),
  ]);
}

/** Runs the command line and returns what it prints with --json. */
async function fastsde(...args) {
  const child = spawn(process.execPath, [cli, ...args.map(String), '--json', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) process.exit(code ?? 1);
  return JSON.parse(output);
}

const folderOf = ({ name }) => join(flags.output, name.replaceAll(/[ =]/g, '-'), '/');

async function draw() {
  await mkdir(flags.output, { recursive: true });
  for (const cell of cells()) {
    const [sde] = cell.name.split(' ');
    const model = flags.model === 'digits' ? ['--sde', sde] : [flags.model];
    const run = ['--count', flags.count, '--batch', flags.batch, '--threads', 1, '--output', folderOf(cell)];
    const { seconds } = await fastsde('sample', ...model, ...cell.options, ...run);
    console.error(`${cell.name}: ${seconds.toFixed(0)} s`);
  }
}

/** What the judge says of samples; PYTHON names an interpreter that has torch. */
async function judged(folder, sde) {
  if (flags.judge === undefined) return undefined;
  const samples = join(flags.output, 'judged.npy');
  await fastsde('merge', folder, '--output', samples);
  const script = join(import.meta.dirname, '..', 'models', 'classifier.py');
  const range = sde === 've' ? ['--range', '0', '1'] : [];
  const args = [script, 'judge', '--weights', flags.judge, '--samples', samples, ...range];
  const child = spawn(process.env.PYTHON ?? 'python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) process.exit(code ?? 1);
  return JSON.parse(output);
}

async function show() {
  const features = flags.features === undefined ? [] : ['--features', flags.features];
  console.log('| cell | Frechet | kernel | judge | paper |\n| --- | --- | --- | --- | --- |');
  for (const cell of cells()) {
    const folder = folderOf(cell);
    if (!(await readdir(folder).catch(() => [])).includes('manifest.json')) continue;
    const [sde, solver, budget] = cell.name.split(' ');
    const metrics = ['--metrics', 'frechet,kernel'];
    const { frechet, kernel } = await fastsde(
      'evaluate',
      '--samples',
      folder,
      '--data',
      flags.data,
      ...features,
      ...metrics,
    );
    const verdict = await judged(folder, sde);
    const figure = ({ value, standardError }) => `${value.toFixed(2)} ± ${standardError.toFixed(2)}`;
    const share = verdict ? `${(100 * verdict['confidence > 0.9']).toFixed(1)} %` : '';
    const published = paper[`${sde} ${solver}`]?.[budget] ?? '';
    console.log(`| ${cell.name} | ${figure(frechet)} | ${figure(kernel)} | ${share} | ${published} |`);
  }
}

const [verb] = positionals;
if (verb === 'draw') await draw();
else if (verb === 'show') await show();
else throw new Error('draw or show?');
