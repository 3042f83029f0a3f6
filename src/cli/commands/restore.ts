import { Command, Option } from 'commander';
import { DataError, OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { elementCount } from '../../shape.js';
import { addRecipes } from '../shared/help.js';
import type { Opened } from '../shared/report.js';
import type { Measured } from '../shared/measured.js';
import {
  addRestorationOptions,
  endsIn,
  limited,
  measureData,
  measurementFlags,
  readMatrix,
  restoreTo,
  type RestorationFlags,
} from '../shared/restoration.js';
import { run } from '../shared/run.js';

interface RestoreFlags extends RestorationFlags {
  readonly operator: string;
  readonly measured?: true;
}

/** `fastsde restore`: samples given a linear measurement of each. */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .summary('draw samples given blurred, small or otherwise measured ones')
    .description(
      'Draws samples given y = A(x) + noise: pictures that were blurred or made smaller, or what a matrix or a network measures. The ' +
        'data are originals, of which y is made; with --measured, and with a matrix, they are y itself: y.npy then has a row for each ' +
        'measurement, A.npy one for each measured number.',
    );
  addRestorationOptions(command, [
    new Option(
      '--operator <name|file>',
      'A: blur:3 (means of 3 x 3 pixels), gaussian-blur:1.5 (deviation in pixels), downsample:4 (means of blocks), colorization, a ' +
        '.npy file with a row for every measured number, or an .onnx file of a network of samples, which need not be linear',
    ).makeOptionMandatory(),
    new Option('--measured', 'the data are measurements, and not originals'),
  ]);
  return addRecipes(command, [
    ['fastsde restore --data mnist --operator blur:3', 'blurs digits, and undoes it'],
    ['fastsde restore m.onnx --data big/ --operator downsample:4', 'superresolution'],
    ['fastsde restore --mixture m.json --data y.npy --operator A.npy', 'y = A x'],
  ]).action((model: string | undefined, flags: RestoreFlags) =>
    run(
      (signal) => restoreTo(model, flags, signal, (opened) => measured(flags, opened, signal)),
      measurementFlags,
    ),
  );
}

async function measured(flags: RestoreFlags, opened: Opened, signal: AbortSignal): Promise<Measured> {
  const { shape } = opened.model;
  if (endsIn(flags.operator, '.npy')) {
    const { matrixOperator } = await import('../../control/operators.js');
    const rows = await readMatrix(flags.operator);
    const d = elementCount(shape);
    if (rows[0]!.length !== d)
      throw new OptionError(
        'operator',
        flags.operator,
        `a matrix of ${d} columns, one for each element of a sample`,
      );
    return measurements(matrixOperator(rows, shape), flags, opened, signal);
  }
  if (endsIn(flags.operator, '.onnx')) {
    const { loadOperator } = await import('../../control/network-operator.js');
    const operator = await loadOperator(flags.operator, { ...defined({ threads: flags.threads }), shape });
    return (flags.measured ? measurements : measureData)(operator, flags, opened, signal);
  }
  const { operatorFromName } = await import('../../control/from-name.js');
  const operator = operatorFromName(flags.operator, shape);
  return (flags.measured ? measurements : measureData)(operator, flags, opened, signal);
}

/** Data that are measurements themselves. */
async function measurements(
  operator: Measured['operator'],
  flags: RestoreFlags,
  { model, doubt }: Opened,
  signal: AbortSignal,
): Promise<Measured> {
  const { loadData } = await import('../../data/load.js');
  const { modelValues } = await import('../../data/dataset.js');
  if (flags.resize) throw new OptionError('resize', true, 'left out where the data are measurements');
  const { split, skipCorrupted } = flags;
  const [channels] = operator.measuredShape;
  const set = await loadData(flags.data, {
    ...(operator.measuredShape.length === 3 && { channels: channels === 1 ? 1 : 3 }),
    ...(split && { split }),
    ...(skipCorrupted && { onCorrupted: () => undefined }),
    signal,
  });
  doubt(set.warnings ?? []);
  const part = await limited(set, flags);
  const sample = part.shape.slice(1);
  if (sample.join() !== operator.measuredShape.join()) {
    const sizes = `[${sample.join(', ')}], and a measurement by ${flags.operator} has [${operator.measuredShape.join(', ')}]`;
    throw new DataError(`${flags.data}: The data have shape ${sizes}.`, { option: 'data' });
  }
  if (operator.name === 'matrix' && part.data instanceof Uint8Array)
    throw new DataError(`${flags.data}: what a matrix measures is floats, not bytes.`, { option: 'data' });
  const values = modelValues(part, { shape: operator.measuredShape, sde: model.sde });
  return { operator, values, labels: part.labels };
}
