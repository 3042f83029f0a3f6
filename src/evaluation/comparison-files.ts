import { writeAtomically } from '../io/atomic.js';
import { writeCharts, type Chart, type Charts } from '../io/chart.js';
import { encodeCsv } from '../io/csv.js';
import { pathOf, type FilePath } from '../io/path.js';
import type { Comparison, ComparisonRow } from './compare.js';
import type { DistanceName } from './distances.js';

const titles: Readonly<Record<DistanceName, string>> = {
  'ode-rms': 'ode-rms: to the fine ODE solution, sample by sample',
  'ode-wasserstein': "ode-wasserstein: to the law of the model's ODE",
  'law-wasserstein': 'law-wasserstein: to the exact law',
  'law-frechet': 'law-frechet: to the exact law',
  frechet: 'frechet: to the data',
  kernel: 'kernel: to the data',
};

/** Writes the charts of a comparison as a PNG file: each distance over evaluations and over seconds. */
export async function writeComparison(path: FilePath, comparison: Comparison): Promise<void> {
  await writeCharts(path, comparisonCharts(comparison));
}

/** Each distance over evaluations and over seconds, with what the references reach as dashed lines. */
export function comparisonCharts({ rows, references, count, distances }: Comparison): Charts {
  const charts = distances.flatMap((distance): Chart[] => {
    const shown = rows.filter((row) => distance in row.distances);
    const marks = references.flatMap(({ name, distances: { [distance]: mark } }) =>
      mark === undefined ? [] : [{ label: name, y: mark.value }],
    );
    const over = (label: string, x: (row: ComparisonRow) => number): Chart => ({
      title: titles[distance],
      label,
      logarithmic: true,
      marks,
      // Those without this distance too, so that the legend has them in their order.
      curves: [...new Set(rows.map(({ name }) => name))].map((name) => {
        const points = shown.filter((row) => row.name === name);
        return {
          label: name,
          x: points.map(x),
          y: points.map((row) => row.distances[distance]!.value),
          errors: points.map((row) => row.distances[distance]!.standardError ?? 0),
        };
      }),
    });
    return [
      over('evaluations of a sample', ({ evaluations }) => evaluations!),
      over(`seconds for ${count} samples`, ({ seconds }) => seconds!),
    ];
  });
  return { charts };
}

/** Writes the rows of a comparison, those of references last, as a CSV file. */
export async function writeComparisonCsv(file: FilePath, comparison: Comparison): Promise<void> {
  const path = pathOf('path', file);
  await writeAtomically(path, encodeCsv(comparisonColumns(comparison)));
}

function comparisonColumns({ rows, references, distances }: Comparison) {
  const all = [...rows, ...references];
  const column = (value: (row: ComparisonRow) => unknown): (number | string | undefined)[] =>
    all.map((row) => {
      const found = value(row);
      return typeof found === 'number' || typeof found === 'string' ? found : found?.toString();
    });
  return {
    sampler: column(({ name }) => name),
    kind: column(({ kind }) => kind),
    budget: column(({ budget }) => budget),
    evaluations: column(({ evaluations }) => evaluations),
    steps: column(({ options }) => options['steps']),
    grid: column(({ options }) => options['grid']),
    order: column(({ options }) => options['order']),
    seconds: column(({ seconds }) => seconds),
    deterministic: column(({ deterministic }) => deterministic),
    ...Object.fromEntries(
      distances.flatMap((name) => [
        [name, column((row) => row.distances[name]?.value)],
        [`${name}-error`, column((row) => row.distances[name]?.standardError)],
      ]),
    ),
  };
}
