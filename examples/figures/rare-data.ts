// Scores are wrong where data are rare. The best that denoising score matching can do with 300 draws is the score of a Gaussian about
// each of them. Beside the true score, at a little noise and at much.
//
//   npx tsc -p tsconfig.json && node .test-build/examples/figures/rare-data.js docs/images/rare-data.svg
import { writeFileSync } from 'node:fs';
import { GaussianMixture } from 'fastsde';
import { dots, picture, strokes, type Panel } from './svg.js';

const law = new GaussianMixture({ weights: [0.8, 0.2], means: [[2, 2], [-2, -2]], covariances: [0.4, 0.4] }); // prettier-ignore
const draws = law.sample(300, { seed: 1n });
const means = Array.from({ length: 300 }, (_, i) => [draws[2 * i]!, draws[2 * i + 1]!]);
const learned = new GaussianMixture({ weights: means.map(() => 1 / 300), means, covariances: means.map(() => 1e-6) }); // prettier-ignore

const side = Array.from({ length: 17 }, (_, i) => -4 + i / 2);
const nodes = side.flatMap((x) => side.map((y): [number, number] => [x, y]));

function panel(title: string, shown: GaussianMixture, sigma: number): Panel {
  const x = Float64Array.from(nodes.flat());
  const [score, truth] = [shown, law].map((mixture) => mixture.diffused(1, sigma).score(x)) as [Float64Array, Float64Array]; // prettier-ignore
  // Half the angle between the arrows and a half of the difference of their lengths, from 0 to 1.
  const wrong = nodes.map((_, i) => {
    const [a, b] = [score, truth].map((s) => [s[2 * i]!, s[2 * i + 1]!]) as [number[], number[]];
    return Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!) / (Math.hypot(...a) + Math.hypot(...b));
  });
  const share = wrong.filter((error) => error > 0.3).length / nodes.length;
  return {
    title,
    x: [-4.3, 4.3],
    y: [-4.3, 4.3],
    ...(shown === learned && { note: `wrong at ${Math.round(100 * share)} % of the points` }),
    content: (at) => {
      const arrow = ([a, b]: [number, number], i: number): [string, string] => {
        const [u, v] = [score[2 * i]!, score[2 * i + 1]!];
        const length = 0.38 / Math.hypot(u, v);
        return [at(a, b), at(a + u * length, b + v * length)];
      };
      const arrows = nodes.map(arrow);
      return [
        dots(means.map(([a, b]) => at(a!, b!)), '#868e96', 1.2, 0.5), // prettier-ignore
        strokes(arrows.filter((_, i) => wrong[i]! <= 0.3), '#4c6ef5'), // prettier-ignore
        strokes(arrows.filter((_, i) => wrong[i]! > 0.3), '#e03131'), // prettier-ignore
        dots(arrows.map(([from]) => from), '#868e96', 0.9), // prettier-ignore
      ];
    },
  };
}

writeFileSync(
  process.argv[2] ?? 'rare-data.svg',
  picture([
    panel('true score, sigma 0.3', law, 0.3),
    panel('learned from 300 draws, sigma 0.3', learned, 0.3),
    panel('learned from 300 draws, sigma 2', learned, 2),
  ]),
);
