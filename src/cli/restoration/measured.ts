import type { Operator } from '../../control/operator.js';
import type { Dataset } from '../../data/dataset.js';
import { DataError, OptionError } from '../../errors.js';
import { defined } from '../../options.js';
import { openData } from '../shared/data.js';
import type { Opened } from '../shared/report.js';
import type { RestorationFlags } from './flags.js';

/** What is known of each of the data, and their originals where these are given. */
export interface Measured {
  readonly operator: Operator;
  /** [pictures, ...measuredShape]. */
  readonly values: Float32Array;
  /** [pictures, ...shape]. */
  readonly originals?: Float32Array | undefined;
  readonly labels?: Int32Array | undefined;
}

/** Who says what is known of the data that the flags choose. */
export interface Measuring {
  measured(opened: Opened, flags: RestorationFlags, signal: AbortSignal): Promise<Measured>;
}

/** Data that are originals: what would be measured of them. */
export async function measureOriginals(
  operator: Operator,
  opened: Opened,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<Measured> {
  const { modelValues } = await import('../../data/dataset.js');
  const { measure } = await import('../../control/measurement.js');
  const { noise, seed, first } = flags;
  const set = await limited(await openData(flags, opened, signal), flags);
  const originals = modelValues(set, opened.model);
  return {
    operator,
    values: await measure(operator, originals, defined({ noise, seed, first })),
    originals,
    labels: set.labels,
  };
}

/** Data that are measurements themselves; `name` is what the flags call the operator. */
export async function readMeasurements(
  operator: Operator,
  name: string,
  { model, doubt }: Opened,
  flags: RestorationFlags,
  signal: AbortSignal,
): Promise<Measured> {
  const { loadData } = await import('../../data/load.js');
  const { modelValues } = await import('../../data/dataset.js');
  if (flags.resize) throw new OptionError('resize', true, 'left out where the data are measurements');
  const { split, dataLabels, skipCorrupted } = flags;
  const { measuredShape } = operator;
  const set = await loadData(flags.data, {
    ...(measuredShape.length === 3 && { channels: measuredShape[0] === 1 ? 1 : 3 }),
    ...defined({ split, labels: dataLabels }),
    ...(skipCorrupted && { onCorrupted: () => undefined }),
    signal,
  });
  doubt(set.warnings ?? []);
  const part = await limited(set, flags);
  const sample = part.shape.slice(1);
  if (sample.join() !== measuredShape.join()) {
    const sizes = `[${sample.join(', ')}], and a measurement by ${name} has [${measuredShape.join(', ')}]`;
    throw new DataError(`${flags.data}: The data have shape ${sizes}.`, { option: 'data' });
  }
  if (operator.name === 'matrix' && part.data instanceof Uint8Array)
    throw new DataError(`${flags.data}: what a matrix measures is floats, not bytes.`, { option: 'data' });
  const values = modelValues(part, { shape: measuredShape, sde: model.sde });
  return { operator, values, labels: part.labels };
}

/** The part of a set that the flags ask for. */
async function limited(
  set: Dataset,
  { limit, first = 0 }: Pick<RestorationFlags, 'limit' | 'first'>,
): Promise<Dataset> {
  const { slice } = await import('../../data/dataset.js');
  const total = set.shape[0]!;
  if (first < 0 || first >= total)
    throw new OptionError('first', first, `from 0 to ${total - 1}, as the data have it`);
  if (limit !== undefined && (limit < 1 || limit > total - first))
    throw new OptionError('limit', limit, `from 1 to ${total - first}, what the data hold from --first on`);
  return slice(set, first, limit ?? Math.min(8, total - first));
}
