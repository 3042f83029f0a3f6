// Langevin dynamics at one noise level leaves every point at the mode that it first comes to, so that the weights of the modes are lost;
// annealed Langevin dynamics finds them while there is so much noise that the modes are one.
//
//   npx tsc -p tsconfig.json && node .test-build/examples/figures/two-modes.js docs/images/two-modes.svg
import { writeFileSync } from 'node:fs';
import {
  annealedLangevin,
  fillUniform,
  GaussianMixture,
  geometricSigmas,
  langevinDynamics,
  mixtureModel,
  sample,
  Stream,
  ve,
} from 'fastsde';
import { colours, dots, picture, type Panel } from './svg.js';

const count = 600;
const law = new GaussianMixture({ weights: [0.8, 0.2], means: [[4, 4], [-4, -4]], covariances: [1, 1] }); // prettier-ignore
const model = mixtureModel(law, ve({ sigmaMax: 10 }));
const initial = new Float32Array(2 * count);
fillUniform(initial, count, { seed: 3n, samples: 0, step: 0, stream: Stream.forward });
const run = { count, initial: initial.map((u) => 16 * u - 8) };

const plain = langevinDynamics({ stepSize: 0.05, steps: 2000 });
const annealed = annealedLangevin({
  sigmas: Array.from(geometricSigmas(40, 0.1, 10)).reverse(),
  stepSize: 2e-3,
  stepsPerLevel: 50,
});

function panel(title: string, points: ArrayLike<number>): Panel {
  const places = Array.from({ length: count }, (_, i): [number, number] => [
    points[2 * i]!,
    points[2 * i + 1]!,
  ]);
  const [most, fewer] = [places.filter(([x, y]) => x + y > 0), places.filter(([x, y]) => x + y <= 0)];
  return {
    title,
    note: `${((100 * fewer.length) / count).toFixed(0)} % at the lower left`,
    x: [-8, 8],
    y: [-8, 8],
    content: (at) =>
      [most, fewer].map((side, i) => dots(side.map(([x, y]) => at(x, y)), colours[i]!, 1.3, 0.7)), // prettier-ignore
  };
}

writeFileSync(
  process.argv[2] ?? 'two-modes.svg',
  picture([
    panel('drawn from the law', law.sample(count, { seed: 1n })),
    panel('Langevin dynamics, 2000 steps', (await sample(model, { ...run, solver: plain })).samples),
    panel('annealed, 40 levels of 50 steps', (await sample(model, { ...run, solver: annealed })).samples),
  ]),
);
