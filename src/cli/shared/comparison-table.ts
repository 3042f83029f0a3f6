import type { Comparison, ComparisonRow } from '../../evaluation/compare.js';
import { withError } from './figures.js';

/** The rows of a comparison as a table, what the samplers can reach below a line. */
export function comparisonTable({ rows, references, count, distances }: Comparison): string {
  const line = (row: ComparisonRow): string[] => [
    row.name,
    row.evaluations === undefined ? '' : String(Number(row.evaluations.toFixed(1))),
    row.kind === 'sampler' ? stepsOf(row) : '',
    row.seconds === undefined ? '' : String(Number(row.seconds.toPrecision(3))),
    ...distances.map((name) => {
      const distance = row.distances[name];
      return distance === undefined ? '-' : withError(distance, 3);
    }),
  ];
  const head = ['sampler', 'evaluations', 'steps', 'seconds', ...distances];
  const [samplers, others] = [rows.map(line), references.map(line)];
  const widths = head.map((name, column) =>
    [...samplers, ...others].reduce((most, cells) => Math.max(most, cells[column]!.length), name.length),
  );
  // Names and distances begin in one place, counts end in one.
  const show = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => (c >= 1 && c <= 3 ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(show(widths.map((width) => 'x'.repeat(width))).length);
  const lines = [
    `${count} samples of each sampler; distances ± their standard errors`,
    show(head),
    ...samplers.map(show),
    ...(others.length > 0 ? [rule, ...others.map(show)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Solvers without a grid have levels, or steps of their own. */
function stepsOf({ options }: ComparisonRow): string {
  const { steps, levels } = options;
  return typeof steps === 'number' ? String(steps) : typeof levels === 'number' ? String(levels) : '';
}
