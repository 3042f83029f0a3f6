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
//   --only TEXT        the cells alone whose names hold it, such as 'vp probability-flow'
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
    only: { type: 'string', default: '' },
  },
});
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.js');
const steps = Number(flags.steps);
const snrs = flags.snr.split(',');

/** Frechet distances of the paper's Table 1, by SDE, predictor and budget. */
const paper = {
  've ancestral': { P1000: '4.98', P2000: '4.88', PC1000: '3.62' },
  've reverse-diffusion': { P1000: '4.79', P2000: '4.74', PC1000: '3.60' },
  've probability-flow': { P1000: '15.41', P2000: '10.54', PC1000: '3.51' },
  've langevin': { C2000: '20.43' },
  'vp ancestral': { P1000: '3.24', P2000: '3.24', PC1000: '3.21' },
  'vp reverse-diffusion': { P1000: '3.21', P2000: '3.19', PC1000: '3.18' },
  'vp probability-flow': { P1000: '3.59', P2000: '3.23', PC1000: '3.06' },
  'vp langevin': { C2000: '19.06' },
};

/** Solvers below the table, at evaluations of 5 to 50. */
const fast = {
  solvers: ['dpmpp-2m-sde', 'unipc', 'ddim', 'dpmpp-2m', 'edm-heun'],
  evaluations: [5, 10, 20, 50],
};

/** The runs of the table: the SDE, the row, the options of `fastsde sample`, and the paper's figure. */
function cells() {
  // The photographs come with a VP model alone.
  const sdes = flags.model === 'digits' ? ['vp', 've'] : ['vp'];
  const cell = (sde, sampler, budget, ...options) => ({
    sde,
    row: `${sampler} ${budget}`,
    options,
    published: paper[`${sde} ${sampler}`]?.[budget.split(' ')[0]],
  });
  const all = sdes.flatMap((sde) => [
    ...['ancestral', 'reverse-diffusion', 'probability-flow'].flatMap((predictor) => [
      ...[1, 2].map((times) =>
        cell(
          sde,
          predictor,
          `P${1000 * times}`,
          '--predictor',
          predictor,
          '--corrector',
          'none',
          '--steps',
          times * steps,
        ),
      ),
      ...snrs.map((snr) =>
        cell(
          sde,
          predictor,
          `PC1000 snr ${snr}`,
          '--predictor',
          predictor,
          ...langevin(snr),
          '--steps',
          steps,
        ),
      ),
    ]),
    ...snrs.map((snr) =>
      cell(
        sde,
        'langevin',
        `C2000 snr ${snr}`,
        '--predictor',
        'none',
        ...langevin(snr),
        '--steps',
        2 * steps,
      ),
    ),
    ...fast.solvers.flatMap((solver) =>
      fast.evaluations.map((n) => cell(sde, solver, `${n}`, '--solver', solver, '--evaluations', n)),
    ),
  ]);
  return all.filter((each) => `${each.sde} ${each.row}`.includes(flags.only));
}

/** The paper's networks know no classes: the label 10 of the photographs' stands for none. */
const classes = flags.model === 'cifar10' ? ['--class', 10] : [];

const langevin = (snr) => ['--corrector', 'langevin', '--snr', snr];

/** Runs the command line and returns what it prints with --json. */
async function fastsde(...args) {
  const child = spawn(process.execPath, [cli, ...args.map(String), '--json', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) process.exit(code ?? 1);
  return JSON.parse(output);
}

const folderOf = ({ sde, row }) => join(flags.output, `${sde} ${row}`.replaceAll(' ', '-'), '/');

async function draw() {
  await mkdir(flags.output, { recursive: true });
  for (const cell of cells()) {
    const model = flags.model === 'digits' ? ['--sde', cell.sde] : [flags.model, ...classes];
    const run = ['--count', flags.count, '--batch', flags.batch, '--threads', 1, '--output', folderOf(cell)];
    const { seconds } = await fastsde('sample', ...model, ...cell.options, ...run);
    console.error(`${cell.sde} ${cell.row}: ${seconds.toFixed(0)} s`);
  }
}

/** Whether all samples of a cell are drawn: its shards are there. */
async function isDrawn(cell) {
  const files = await readdir(folderOf(cell)).catch(() => []);
  return files.filter((name) => name.endsWith('.npy')).length === Math.ceil(flags.count / flags.batch);
}

/** The share of samples that the judge is sure of, in percent; PYTHON names an interpreter that has torch. */
async function judged({ sde, ...cell }) {
  const samples = join(flags.output, 'judged.npy');
  await fastsde('merge', folderOf({ sde, ...cell }), '--output', samples);
  const script = join(import.meta.dirname, '..', 'models', 'classifier.py');
  const range = sde === 've' ? ['--range', '0', '1'] : [];
  const args = [script, 'judge', '--weights', flags.judge, '--samples', samples, ...range];
  const child = spawn(process.env.PYTHON ?? 'python3', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  if (code !== 0) process.exit(code ?? 1);
  return 100 * JSON.parse(output)['confidence > 0.9'];
}

/** The figures of a cell, as columns. */
async function measured(cell) {
  const features = flags.features === undefined ? [] : ['--features', flags.features];
  const cache = ['--cache', join(flags.output, 'features')];
  const against = ['--samples', folderOf(cell), '--data', flags.data, ...features, ...cache];
  const { frechet, kernel } = await fastsde('evaluate', ...against, '--metrics', 'frechet,kernel');
  const figure = ({ value, standardError }) => `${value.toFixed(2)} ± ${standardError.toFixed(2)}`;
  const share = flags.judge === undefined ? [] : [(await judged(cell)).toFixed(1)];
  return [figure(frechet), figure(kernel), ...share, cell.published ?? ''];
}

async function show() {
  const all = cells();
  const sdes = [...new Set(all.map(({ sde }) => sde))];
  const columns = ['Frechet', 'kernel', ...(flags.judge === undefined ? [] : ['judge, %']), 'paper'];
  const line = (texts) => console.log(`| ${texts.join(' | ')} |`);
  line(['samples of', ...sdes.flatMap((sde) => columns.map((column) => `${sde}: ${column}`))]);
  line(['---', ...sdes.flatMap(() => columns.map(() => '---'))]);
  for (const row of new Set(all.map(({ row }) => row))) {
    const figures = [];
    for (const sde of sdes) {
      const cell = all.find((each) => each.sde === sde && each.row === row);
      figures.push(...((await isDrawn(cell)) ? await measured(cell) : columns.map(() => '')));
    }
    if (figures.some(Boolean)) line([row, ...figures]);
  }
}

const [verb] = positionals;
if (verb === 'draw') await draw();
else if (verb === 'show') await show();
else throw new Error('draw or show?');
