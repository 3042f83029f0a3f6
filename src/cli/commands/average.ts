import { join } from 'node:path';
import { Command, Option } from 'commander';
import { DataError, OptionError } from '../../errors.js';
import type { Model } from '../../onnx/file/model.js';
import { defined } from '../../options.js';
import { addOptions, integer, numbers, toPath } from '../shared/arguments.js';
import { addRecipes } from '../shared/help.js';
import { reportOptions, type ReportFlags } from '../shared/report.js';
import { run } from '../shared/run.js';
import { print, tell, warn } from '../shared/terminal.js';

interface AverageFlags extends ReportFlags {
  readonly sigmaRel?: readonly number[];
  readonly step?: number;
  readonly output?: string;
}

/** `fastsde average`: networks with other averages of the weights of a training run. */
export function averageCommand(): Command {
  const command = new Command('average')
    .summary('make averages of any width of the weights of a training run')
    .description(
      'Adds up the snapshots that "fastsde train --snapshot-every" kept to power-function averages of other widths (Karras et al. ' +
        '2024, section 3). Of one width it writes the network; of several it measures the loss on the data that the run held out, ' +
        'and draws it over the width, in averages.csv and averages.png of the folder. What "fastsde evaluate" says of samples need not ' +
        'be least at the same width.',
    )
    .argument('<run>', 'the folder of a run of "fastsde train"', toPath);
  addOptions(command, 'Average:', [
    numbers(
      '--sigma-rel <list>',
      `standard deviations of the averages over the length of the run (default: ${widths.join(',')})`,
    ),
    integer('--step <n>', 'the step after which the averages end (default: the last)'),
  ]);
  addOptions(command, 'Output:', [
    new Option(
      '--output <file>',
      'an ONNX file for the network; of several widths, for that of the least loss',
    ),
    ...reportOptions(),
  ]);
  return addRecipes(command, [
    ['fastsde average trained/', 'averages of many widths, and their losses'],
    ['fastsde average trained/ --sigma-rel 0.03 --output narrow.onnx', 'one of them'],
    ['fastsde average trained/ --step 4000 --output early.onnx', 'ending earlier'],
  ]).action((folder: string, flags: AverageFlags) =>
    run((signal) => average(folder, flags, signal), { deviation: '--sigma-rel' }),
  );
}

const widths = [0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.175, 0.2, 0.25];

/** From this relative error of a profile on, a word of doubt. */
const DOUBTFUL = 0.05;

interface Row {
  readonly sigmaRel: number;
  /** Relative error of the profile. */
  readonly error: number;
  readonly loss?: number;
}

async function average(folder: string, flags: AverageFlags, signal: AbortSignal): Promise<void> {
  const { sigmaRel = widths, step, output, json, quiet } = flags;
  if (flags.sigmaRel?.length === 1 && output === undefined)
    throw new OptionError('output', undefined, 'given for one width; several are measured');
  const { assertWritable } = await import('../../io/atomic.js');
  const { readModel, writeModel } = await import('../../onnx/file/model.js');
  const { postHocAverage } = await import('../../training/snapshots.js');
  const { SNAPSHOTS } = await import('../train/data.js');
  if (output !== undefined) await assertWritable(output);
  const network = await readModel(join(folder, 'model.onnx'));
  const measure = sigmaRel.length > 1 ? await measureOf(folder, signal, quiet ?? false) : undefined;

  const warnings: string[] = [];
  const rows: Row[] = [];
  let best: { readonly model: Model; readonly row: Row } | undefined;
  for (const deviation of sigmaRel) {
    signal.throwIfAborted();
    const made = await postHocAverage(network, join(folder, SNAPSHOTS), { deviation, ...defined({ step }) });
    const { model, error } = made;
    const row: Row = { sigmaRel: deviation, error, ...(measure && { loss: await measure(model) }) };
    rows.push(row);
    if (best === undefined || row.loss! < best.row.loss!) best = { model, row };
    if (!json && measure) print(lineOf(row, rows.length === 1));
    if (error > DOUBTFUL)
      warnings.push(
        `The ${made.snapshots} snapshots up to step ${made.step} describe sigma_rel ${deviation} to ${percent(error)} alone: keep more ` +
          'of them (--snapshot-every of "fastsde train").',
      );
  }
  if (!quiet) warn(warnings);
  const files = [];
  if (measure) files.push(...(await draw(folder, rows, await measure(network))));
  if (output !== undefined) {
    await writeModel(best!.model, output);
    files.push(output);
  }
  if (json) print(`${JSON.stringify({ averages: rows, best: best!.row.sigmaRel, files, warnings })}\n`);
  if (!quiet) for (const file of files) tell(file);
}

/** Measures the loss of networks on the data that the run held out. */
async function measureOf(folder: string, signal: AbortSignal, quiet: boolean) {
  const { readConfig } = await import('../train/config.js');
  const { openSets } = await import('../train/data.js');
  const { heldOutLoss } = await import('../../training/held-out.js');
  const config = await readConfig(join(folder, 'train.json'));
  const { heldOut } = await openSets(config, signal, { quiet });
  if (heldOut === undefined)
    throw new DataError(
      'The run held out no data on which a loss could be measured. Give one width (--sigma-rel), and judge its samples.',
      { option: 'sigmaRel' },
    );
  const { objective = {}, seed = 0, batch = 64, provider, tf32 } = config;
  const options = { objective, seed: BigInt(seed), batch, provider, tf32, signal };
  return (network: Model) => heldOutLoss(network, heldOut, options);
}

/** Writes the losses as a table and a chart; `trained` is that of the run's own average. */
async function draw(folder: string, rows: readonly Row[], trained: number): Promise<string[]> {
  const { writeAtomically } = await import('../../io/atomic.js');
  const { writeChart } = await import('../../io/chart.js');
  const { encodeCsv } = await import('../../io/csv.js');
  const files = [join(folder, 'averages.csv'), join(folder, 'averages.png')] as const;
  const x = rows.map(({ sigmaRel }) => sigmaRel);
  const y = rows.map(({ loss }) => loss!);
  const table = { sigma_rel: x, held_out_loss: y, profile_error: rows.map(({ error }) => error) };
  await writeAtomically(files[0], encodeCsv(table));
  await writeChart(files[1], {
    title: 'Held-out loss of averages',
    label: 'sigma_rel',
    logarithmic: true,
    curves: [{ label: 'averages', x, y }],
    marks: [{ label: 'model.onnx', y: trained }],
  });
  return [...files];
}

function lineOf({ sigmaRel, loss, error }: Row, isFirst: boolean): string {
  const head = isFirst ? 'sigma_rel   held-out loss   error of its profile\n' : '';
  return `${head}${String(sigmaRel).padEnd(12)}${loss!.toPrecision(5).padEnd(16)}${percent(error)}\n`;
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
