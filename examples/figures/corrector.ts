// Paths of a predictor with few steps, alone and with a corrector, from the same noise. A corrector brings the state to the law of its
// level, so that the predictor's next step begins where the score is known.
//
//   npx tsc -p tsconfig.json && node .test-build/examples/figures/corrector.js docs/images/corrector.svg
import { writeFileSync } from 'node:fs';
import { ald, GaussianMixture, mixtureModel, sample, ve } from 'fastsde';
import { colours, dots, line, picture, type Panel } from './svg.js';

const means = [0, 1, 2].map((i) => [
  1.2 * Math.sin((2 * Math.PI * i) / 3),
  1.2 * Math.cos((2 * Math.PI * i) / 3),
]);
const law = new GaussianMixture({ weights: [1 / 3, 1 / 3, 1 / 3], means, covariances: [0.02, 0.02, 0.02] });
const model = mixtureModel(law, ve({ sigmaMin: 0.02, sigmaMax: 6 }));
const run = { count: 500, predictor: 'reverse-diffusion', steps: 15, trajectory: 1, seed: 2 } as const;

const { samples: alone, trajectory: first } = await sample(model, { ...run, corrector: 'none' });
const corrected = await sample(model, { ...run, corrector: ald({ snr: 0.2, steps: 4 }) });

/** The mean of log p_0 at points. */
const density = (points: ArrayLike<number>) =>
  law.logDensity(Float64Array.from(points)).reduce((sum, value) => sum + value, 0) / (points.length / 2);

const panel = (title: string, points: ArrayLike<number>, frames: readonly ArrayLike<number>[]): Panel => ({
  title,
  note: `mean of log p: ${density(points).toFixed(2)}`,
  x: [-2.4, 2.4],
  y: [-2.4, 2.4],
  content: (at) => [
    dots(Array.from({ length: run.count }, (_, i) => at(points[2 * i]!, points[2 * i + 1]!)), '#868e96', 1.2, 0.6), // prettier-ignore
    ...(frames.length === 0 ? [] : [0, 1, 2]).flatMap((i) => {
      const path = [...frames.slice(-11), points].map((frame) => at(frame[2 * i]!, frame[2 * i + 1]!));
      return [line(path, colours[i]!, 1, 0.8), dots(path, colours[i]!, 1.4)];
    }),
  ],
});

writeFileSync(
  process.argv[2] ?? 'corrector.svg',
  picture([
    panel('drawn from the law', law.sample(run.count, { seed: 1n }), []),
    panel('predictor, 15 steps', alone, first!.frames),
    panel('with 4 corrections a step', corrected.samples, corrected.trajectory!.frames),
  ]),
);
