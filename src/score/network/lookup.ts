import { ModelError } from '../../errors.js';
import type { Model } from '../../onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../onnx/file/proto.js';
import { tensorNumbers } from '../../onnx/file/tensor.js';
import { intAttribute, operatorOf, sortNodes } from '../../onnx/graph/graph.js';
import { levelAt } from '../../sde/level.js';
import type { ModelDescription } from './description.js';
import type { Roles } from './roles.js';

/** A table that an input of a network chooses a row of, and the inputs for which there is one. */
interface Lookup {
  readonly table: string;
  readonly rows: number;
  readonly least: number;
  readonly most: number;
}

/** A row as a function of the input: factor input + shift. */
interface Affine {
  readonly factor: number;
  readonly shift: number;
}

const PASSING: ReadonlySet<string> = new Set([
  ...['Identity', 'Cast', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Expand', 'Round', 'Floor', 'Ceil'],
]);

/** The tables of constants in which a network looks an input up, as far as its rows are seen to be an affine map of the input. */
function lookups({ proto: { graph } }: Model, input: string): Lookup[] {
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name ?? '', tensor]));
  const rows = new Map<string, Affine>([[input, { factor: 1, shift: 0 }]]);
  const found: Lookup[] = [];
  for (const node of sortNodes(graph)) {
    const [first = '', second = ''] = node.input;
    const value = node.attribute.find(({ name }) => name === 'value')?.t;
    if (operatorOf(node) === 'Constant' && value) constants.set(node.output[0]!, value);
    const lookup = lookupOf(node, constants.get(first), rows.get(second));
    if (lookup) found.push(lookup);
    const row = mapped(operatorOf(node), rows, constants, first, second);
    if (row) rows.set(node.output[0]!, row);
  }
  return found;
}

function lookupOf(
  node: NodeProto,
  table: TensorProto | undefined,
  row: Affine | undefined,
): Lookup | undefined {
  const isLookup = ['Gather', 'GatherElements'].includes(operatorOf(node));
  if (!isLookup || !table || !row || row.factor <= 0) return undefined;
  const count = table.dims.at(intAttribute(node, 'axis', 0));
  if (count === undefined) return undefined;
  const inputOf = (place: number) => (place - row.shift) / row.factor;
  return { table: table.name ?? '', rows: count, least: inputOf(0), most: inputOf(count - 1) };
}

function mapped(
  operator: string,
  rows: ReadonlyMap<string, Affine>,
  constants: ReadonlyMap<string, TensorProto>,
  first: string,
  second: string,
): Affine | undefined {
  const row = rows.get(first) ?? rows.get(second);
  if (!row) return undefined;
  if (PASSING.has(operator)) return rows.get(first);
  const tensor = constants.get(rows.has(first) ? second : first);
  const [number, ...others] = tensor ? tensorNumbers(tensor) : [];
  if (number === undefined || others.length > 0) return undefined;
  if (operator === 'Add') return { ...row, shift: row.shift + number };
  if (operator === 'Mul') return { factor: row.factor * number, shift: row.shift * number };
  if (!rows.has(first)) return undefined;
  if (operator === 'Sub') return { ...row, shift: row.shift - number };
  if (operator === 'Div') return { factor: row.factor / number, shift: row.shift / number };
  return undefined;
}

/**
 * Throws where a network would be fed times or classes for which a table of its has no row. What is before the first one is refused too:
 * ONNX counts negative places from the end of the table, where another level is.
 */
export function requireRows(file: Model, roles: Roles, description: ModelDescription): void {
  const { sde, ladder, labels, levels, classes } = description;
  const [start, end] = ladder
    ? [levelAt(description, sde.T / ladder.levels, 0), levelAt(description, sde.T, ladder.levels - 1)]
    : [levelAt(description, sde.epsilon), levelAt(description, sde.T)];
  const fed = [start, end].map((level) => labels.label(level, levels)).sort((a, b) => a - b);
  for (const lookup of lookups(file, roles.time.name)) {
    const { table, rows, least, most } = lookup;
    const slack = (most - least) / Math.max(rows - 1, 1);
    if (fed[0]! > least - slack && fed[1]! < most + slack) continue;
    const advice =
      labels.discrete && levels > rows
        ? `Give trainedLevels (--trained-levels ${rows}), or a ladder of ${rows} levels.`
        : labels.discrete
          ? `It counts levels from ${least}: export it so that it counts them from 0.`
          : 'Check the labels (--labels).';
    throw new ModelError(
      `It looks its time "${roles.time.name}" up in ${named(table)} of ${rows} rows, for labels from ${least} to ${most}; ` +
        `read with labels ${labels.name} it would be fed ${round(fed[0]!)} to ${round(fed[1]!)}. ${advice}`,
      { option: labels.discrete ? 'trainedLevels' : 'labels' },
    );
  }
  if (!roles.class || classes === undefined) return;
  for (const { table, rows, least, most } of lookups(file, roles.class.name)) {
    if (classes - 1 <= most && least <= 0) continue;
    throw new ModelError(
      `It looks its class "${roles.class.name}" up in ${named(table)} of ${rows} rows, for classes from ${least} to ${most}, and ` +
        `${classes} classes were declared: give classes (--classes ${most + 1}).`,
      { option: 'classes' },
    );
  }
}

const named = (table: string): string => (table === '' ? 'a table' : `the table "${table}"`);
const round = (label: number): number => Number(label.toPrecision(4));
