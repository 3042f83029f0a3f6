import { OptionError } from '../errors.js';
import { checkChoice, checkKnown, isList } from '../options.js';
import { checkComparable, type Features, type PassOptions } from './features.js';
import { frechetDistance, type Estimate, type FrechetDistance } from './frechet.js';
import { inceptionScore } from './inception-score.js';
import { kernelDistance, type KernelDistance } from './kernel.js';
import { manifoldMetrics, type Manifold } from './manifold.js';
import { memorisation, nearestNeighbours, type Memorisation, type Neighbours } from './nearest.js';
import { slicedWasserstein } from './sliced-wasserstein.js';

/** What {@link evaluate} can compute; `manifold` is precision, recall, density and coverage. */
export type MetricName =
  'frechet' | 'kernel' | 'manifold' | 'inception-score' | 'sliced-wasserstein' | 'memorisation';

export const metricNames: readonly MetricName[] = [
  'frechet',
  'kernel',
  'manifold',
  'inception-score',
  'sliced-wasserstein',
  'memorisation',
];

/** What is computed of samples, by which features. */
export interface EvaluateOptions extends PassOptions {
  /** Default: all but what lacks its data. */
  readonly metrics?: readonly MetricName[] | undefined;
  /** Logits of the generated samples, for the inception score. */
  readonly logits?: Features | undefined;
  /** Features of data of the same law as the reference that no model saw, for the memorisation of the reference. */
  readonly heldOut?: Features | undefined;
  /** Samples of each set at most for metrics of neighbours and of projections. Default 10000. */
  readonly subset?: number | undefined;
  /** Neighbours of precision and recall, by default 3. */
  readonly precisionNeighbours?: number | undefined;
  /** Neighbours of density and coverage, by default 5. */
  readonly densityNeighbours?: number | undefined;
  /** Of random directions. Default 0. */
  readonly seed?: bigint | number | undefined;
}

const optionNames = Object.keys({
  ...{ metrics: 1, logits: 1, heldOut: 1, subset: 1, precisionNeighbours: 1, densityNeighbours: 1 },
  ...{ seed: 1, signal: 1, onProgress: 1 },
} satisfies Record<keyof EvaluateOptions, 1>);

/** What was asked for. */
export interface Evaluation extends Partial<Omit<Manifold, 'samples'>> {
  /** Samples in each set. */
  readonly samples: { readonly generated: number; readonly reference: number };
  /** Numbers of a sample that were compared. */
  readonly features: number;
  /** FID with features of the Inception network; 0 at best. */
  readonly frechet?: FrechetDistance;
  /** KID with features of the Inception network; unbiased, 0 for equal laws. */
  readonly kernel?: KernelDistance;
  /** From 1 to the number of classes; absent without logits. */
  readonly inceptionScore?: Estimate;
  /** Mean squared distance of one-dimensional projections. */
  readonly slicedWasserstein?: Estimate;
  /** Absent without held-out data. */
  readonly memorisation?: Memorisation;
  /** The nearest reference sample to each generated one, where memorisation was asked for. */
  readonly neighbours?: Neighbours;
  /** Doubts about the figures, in plain words. */
  readonly warnings: readonly string[];
}

/**
 * Compares generated samples with a reference by their features.
 *
 * @throws DataError where the sets do not have the same features; OptionError for a metric without its data.
 */
export async function evaluate(
  generated: Features,
  reference: Features,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkKnown(options, optionNames);
  const { logits, heldOut, signal } = options;
  const missing = new Set<MetricName>();
  if (logits === undefined) missing.add('inception-score');
  if (heldOut === undefined) missing.add('memorisation');
  const metrics = options.metrics ?? metricNames.filter((name) => !missing.has(name));
  if (!isList(metrics)) throw new OptionError('metrics', metrics, `a list of ${metricNames.join(', ')}`);
  for (const name of metrics) checkMetric(name, missing);
  checkComparable(generated, reference, 1);
  if (heldOut) checkComparable(heldOut, reference, 1);

  let done = 0;
  const pass = (): PassOptions => {
    const before = done++;
    return {
      signal,
      onProgress: (fraction) => options.onProgress?.((before + fraction) / metrics.length),
    };
  };
  const has = (name: MetricName): boolean => metrics.includes(name);
  const { subset, precisionNeighbours, densityNeighbours, seed } = options;
  const frechet = has('frechet') ? await frechetDistance(generated, reference, pass()) : undefined;
  const kernel = has('kernel') ? await kernelDistance(generated, reference, pass()) : undefined;
  const manifold = has('manifold')
    ? await manifoldMetrics(generated, reference, {
        subset,
        precisionNeighbours,
        densityNeighbours,
        ...pass(),
      })
    : undefined;
  const score = has('inception-score') ? await inceptionScore(logits!, pass()) : undefined;
  const sliced = has('sliced-wasserstein')
    ? await slicedWasserstein(generated, reference, { subset, seed, ...pass() })
    : undefined;
  const neighbours = has('memorisation')
    ? await nearestNeighbours(generated, reference, { subset, ...pass() })
    : undefined;
  const { samples: compared, ...shares } = manifold ?? {};
  const [n, m] = [generated.count, reference.count];
  return {
    samples: { generated: n, reference: m },
    features: generated.width,
    ...(frechet && { frechet }),
    ...(kernel && { kernel }),
    ...shares,
    ...(score && { inceptionScore: score }),
    ...(sliced && { slicedWasserstein: sliced }),
    ...(neighbours && {
      memorisation: memorisation(
        neighbours,
        await nearestNeighbours(heldOut!, reference, { subset, signal }),
      ),
      neighbours,
    }),
    warnings: [
      ...(frechet?.warnings ?? []),
      ...(compared && (compared.generated < n || compared.reference < m)
        ? [
            `Precision, recall, density and coverage are those of ${compared.generated} generated and ${compared.reference} ` +
              'reference samples, evenly spread over each set.',
          ]
        : []),
    ],
  };
}

function checkMetric(name: MetricName, missing: ReadonlySet<MetricName>): void {
  checkChoice('metrics', name, metricNames);
  if (!missing.has(name)) return;
  throw new OptionError(
    'metrics',
    name,
    name === 'memorisation'
      ? 'one for which there are held-out data (heldOut) of the law of the reference'
      : 'one for which there are logits (logits), of a feature network that has such an output',
  );
}
