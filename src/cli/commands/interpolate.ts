import { Command, InvalidArgumentError, Option } from 'commander';
import { OptionError } from '../../errors.js';
import type { Data } from '../../likelihood/data-space.js';
import { defined } from '../../options.js';
import { addOptions, integer } from '../shared/arguments.js';
import { addDataOptions, classesOf, openData, type DataFlags } from '../shared/data.js';
import { addGuidanceOptions } from '../shared/guidance.js';
import { addRecipes, addSection, addUsual } from '../shared/help.js';
import { addModelOptions, type ModelFlags } from '../shared/model.js';
import { addOdeOptions, odeOptions, type OdeFlags } from '../shared/ode.js';
import {
  counted,
  evaluationRange,
  modelArgument,
  reportOptions,
  showingTimes,
  withModel,
  type ReportFlags,
} from '../shared/report.js';
import { run } from '../shared/run.js';

type Pair = readonly [number, number];

interface InterpolateFlags extends ModelFlags, DataFlags, OdeFlags, ReportFlags {
  readonly pairs?: readonly Pair[];
  readonly points?: number;
  readonly output?: string;
}

/** `fastsde interpolate`: paths between data through the latent space. */
export function interpolateCommand(): Command {
  const command = new Command('interpolate')
    .summary('paths between data through the latent space')
    .description(
      'Encodes pairs of data, joins their latent codes by great circles, and decodes points on these paths. In the ' +
        'picture every row is one path.',
    )
    .addArgument(modelArgument());
  addDataOptions(command, { range: false });
  addOptions(command, 'Paths:', [
    new Option(
      '--pairs <list>',
      'ends of the paths as indices in the data (default: 0:1,2:3, at most four)',
    ).argParser(pairsOf),
    integer('--points <n>', 'points on every path, its two ends included (default: 8)'),
  ]);
  addOdeOptions(command);
  addGuidanceOptions(command);
  addModelOptions(command, { mixture: true });
  addOptions(command, 'Output:', [
    new Option('--output <path>', 'where the paths go, see below (default: path.png)'),
    ...reportOptions(),
  ]);
  addUsual(command, ['--data', '--pairs', '--points', '--resize', '--output', '--json', '--quiet']);
  addSection(command, 'Output, by the ending of --output:', [
    ['path.png', 'a row of images for every path; a scatter picture of points of the plane'],
    ['path.npy', "float32 [paths, points, ...shape], in the model's own space"],
    ['path.npz', 'the same as "samples"'],
    ['path.webp', 'an animation that goes along all paths at once'],
    ['path/', 'a folder with one PNG per image, path by path'],
  ]);
  return addRecipes(command, [
    ['fastsde interpolate --data mnist', 'paths between digits: path.png'],
    ['fastsde interpolate --data mnist --output path.webp', 'as moving pictures'],
    ['fastsde interpolate model.onnx --data photos/ --resize', 'of your own'],
  ]).action((model: string | undefined, flags: InterpolateFlags) =>
    run((signal) => interpolateTo(model, flags, signal)),
  );
}

function pairsOf(text: string): Pair[] {
  return text.split(',').map((pair) => {
    const ends = /^\s*(\d+):(\d+)\s*$/.exec(pair);
    if (!ends)
      throw new InvalidArgumentError(
        'Expected two indices with a colon, and commas between pairs: 0:1,7:12.',
      );
    return [Number(ends[1]), Number(ends[2])];
  });
}

async function interpolateTo(
  path: string | undefined,
  flags: InterpolateFlags,
  signal: AbortSignal,
): Promise<void> {
  const { interpolate } = await import('../../likelihood/latent.js');
  const { pick } = await import('../../data/dataset.js');
  const { checkCapacity, resolveOutput, writePaths } = await import('../shared/outputs.js');
  await withModel(path, flags, async (opened) => {
    const { model, follow } = opened;
    const output = await resolveOutput(flags.output, { shape: model.shape, stem: 'path' });
    const set = await openData(flags, opened, signal);
    const pairs = pairsWithin(set.shape[0]!, flags.pairs);
    checkCapacity(output, model.shape, pairs.length * (flags.points ?? 8));
    const [from, to] = [0, 1].map((end) => pick(set, pairs.map((pair) => pair[end]!)).data) as [Data, Data]; // prettier-ignore
    const { values, shape, evaluations, seconds, options } = await follow('Interpolating', 'path', (show) =>
      interpolate(model, from, to, {
        ...odeOptions(flags),
        ...defined({ points: flags.points }),
        ...classesOf({}, flags, model),
        signal,
        ...showingTimes((fraction, _, time) => {
          show(fraction, pairs.length, time);
        }),
      }),
    );
    await writePaths(output, { samples: Float32Array.from(values), shape }, model.sde);
    return {
      record: { pairs, shape, evaluations: Array.from(evaluations), output: output.path, seconds },
      options: { ...options, output: output.path },
      summary:
        `${counted(pairs.length, 'path')} of ${counted(shape[1]!, 'point')}, ${evaluationRange(evaluations)} score ` +
        `evaluations to decode each, ${seconds.toFixed(1)} s: ${output.path}`,
    };
  });
}

/** The pairs that are asked for, or else the first samples two by two, at most four pairs. */
function pairsWithin(total: number, pairs: readonly Pair[] | undefined): readonly Pair[] {
  if (pairs) {
    const outside = pairs.flat().find((index) => index >= total);
    if (outside === undefined) return pairs;
    throw new OptionError('pairs', outside, `indices from 0 to ${total - 1}, as the data have it`);
  }
  if (total < 2) throw new OptionError('data', total, 'two samples or more, the ends of a path');
  return Array.from({ length: Math.min(4, Math.floor(total / 2)) }, (_, i) => [2 * i, 2 * i + 1]);
}
