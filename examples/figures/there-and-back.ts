// A law of one dimension carried to noise by the SDE, and back by the reverse-time SDE and by the probability flow, from the same ends.
//
//   npx tsc -p tsconfig.json && node .test-build/examples/figures/there-and-back.js docs/images/there-and-back.svg
import { writeFileSync } from 'node:fs';
import { eulerTransitions, GaussianMixture, mixtureModel, sample, simulate, vp } from 'fastsde';
import { area, colours, line, picture, type At, type Panel } from './svg.js';

const paths = 8;
const steps = 150;
const sde = vp();
const law = new GaussianMixture({ weights: [0.4, 0.6], means: [[-1], [1]], covariances: [0.02, 0.02] });

const forward: { t: number; x: number[] }[] = [];
const state = Float64Array.from(law.sample(paths, { seed: 4n }));
forward.push({ t: 0, x: [...state] });
simulate(state, paths, eulerTransitions(sde, steps), { seed: 5n }, (k, x) => {
  forward.push({ t: (k + 1) / steps, x: [...x] });
});

const initial = Float32Array.from(state);
const back = async (solver: 'euler-maruyama' | 'heun') => {
  const { samples, trajectory } = await sample(mixtureModel(law, sde), {
    count: paths,
    initial,
    solver,
    steps,
    trajectory: 1,
  });
  const frames = trajectory!.frames.map((frame, i) => ({ t: trajectory!.times[i]!, x: [...frame] }));
  return [...frames, { t: 0, x: [...samples] }];
};

/** The density at five times, to the right of each. */
function densities(at: At): string[] {
  const x = Float64Array.from({ length: 121 }, (_, i) => (i - 60) / 20);
  return [0, 0.25, 0.5, 0.75, 1].map((t) => {
    const density = law.at(sde, Math.max(t, 1e-3)).logDensity(x).map(Math.exp);
    const height = 0.17 / Math.max(...density);
    const side = Array.from(x, (value, i) => at(t + height * density[i]!, value));
    return area([at(t, -3), ...side, at(t, 3)], '#868e96', 0.3);
  });
}

const panel = (title: string, frames: readonly { t: number; x: number[] }[], reversed: boolean): Panel => ({
  title,
  x: reversed ? [1.2, -0.02] : [-0.02, 1.2],
  y: [-3, 3],
  note: reversed ? 't from 1 to 0' : 't from 0 to 1',
  content: (at) => [
    ...densities(at),
    ...Array.from(
      { length: paths },
      (_, i) =>
      line(frames.map(({ t, x }) => at(t, x[i]!)), colours[i % colours.length]!, 0.8), // prettier-ignore
    ),
  ],
});

writeFileSync(
  process.argv[2] ?? 'there-and-back.svg',
  picture([
    panel('data to noise', forward, false),
    panel('back by the SDE', await back('euler-maruyama'), true),
    panel('back by the probability flow', await back('heun'), true),
  ]),
);
