import { Option, type Command } from 'commander';
import type { Operator } from '../../control/operator.js';
import { OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { elementCount } from '../../shape.js';
import { restorationCommand, type RestorationKind } from '../restoration/command.js';
import type { RestorationFlags } from '../restoration/flags.js';
import { endsIn, readMatrix } from '../restoration/matrix.js';

interface RestoreFlags extends RestorationFlags {
  readonly operator: string;
  readonly measured?: true;
}

/** Samples given a linear or other measurement of each. */
export const restoration: RestorationKind = {
  name: 'restore',
  summary: 'draw samples given blurred, small or otherwise measured ones',
  description:
    'Draws samples given y = A(x) + noise: pictures that were blurred or made smaller, or what a matrix or a network measures. The ' +
    'data are originals, of which y is made; with --measured, and with a matrix, they are y itself: y.npy then has a row for each ' +
    'measurement, A.npy one for each measured number.',
  options: () => [
    new Option(
      '--operator <name|file>',
      'A: blur:3 (means of 3 x 3 pixels), gaussian-blur:1.5 (deviation in pixels), downsample:4 (means of blocks), colorization, a ' +
        '.npy file with a row for every measured number, or an .onnx file of a network of samples, which need not be linear',
    ).makeOptionMandatory(),
    new Option('--measured', 'the data are measurements, and not originals'),
  ],
  recipes: [
    ['fastsde restore --data mnist --operator blur:3', 'blurs digits, and undoes it'],
    ['fastsde restore m.onnx --data big/ --operator downsample:4', 'superresolution'],
    ['fastsde restore --mixture m.json --data y.npy --operator A.npy', 'y = A x'],
  ],
  flagNames: {
    rows: '--operator',
    'measurement.noise': '--noise',
    'measurement.operator': '--operator',
  },
  async measured(opened, flags: RestoreFlags, signal) {
    const { measureOriginals, readMeasurements } = await import('../restoration/measured.js');
    const operator = await operatorOf(flags, opened.model.shape);
    return flags.measured || endsIn(flags.operator, '.npy')
      ? readMeasurements(operator, flags.operator, opened, flags, signal)
      : measureOriginals(operator, opened, flags, signal);
  },
};

/** `fastsde restore`. */
export function restoreCommand(): Command {
  return restorationCommand(restoration);
}

async function operatorOf(
  { operator: name, threads }: RestoreFlags,
  shape: readonly number[],
): Promise<Operator> {
  if (endsIn(name, '.npy')) {
    const { matrixOperator } = await import('../../control/operators.js');
    const rows = await readMatrix(name);
    const d = elementCount(shape);
    if (rows[0]!.length !== d)
      throw new OptionError('operator', name, `a matrix of ${d} columns, one for each element of a sample`);
    return matrixOperator(rows, shape);
  }
  if (endsIn(name, '.onnx')) {
    const { loadOperator } = await import('../../control/network-operator.js');
    return loadOperator(name, { ...defined({ threads }), shape });
  }
  const { operatorFromName } = await import('../../control/from-name.js');
  return operatorFromName(name, shape);
}
