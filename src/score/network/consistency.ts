import { Stream } from '../../device/binding.js';
import { fillNormal } from '../../device/kernels.js';
import type { Level } from '../../sde/level.js';
import { elementCount } from '../../shape.js';
import { levelNearNoise, type Trial } from './denoising-trial.js';
import type { Reading } from './findings.js';

/** Noise sigma / alpha, in units of half the data range, between which estimates are compared. */
const NOISES = [8, 4, 2, 1, 0.5, 0.25, 0.125];

/** Elements over which they are, at least. */
const ELEMENTS = 512;

/** Levels whose noise differs by less are one. */
const APART = 0.97;

/**
 * How far estimates of x_0 at neighbouring levels contradict each other, from 0 to about 1, whatever the data are; NaN where nothing is to be seen.
 *
 * On the way from noise to data, with y = x / alpha and rho = sigma / alpha, the posterior mean is a martingale: D(y, rho) = E[D(y', rho') | y]. It
 * changes with the place, D(y', rho) - D(y, rho), and with the level, D(y', rho') - D(y', rho), and on average one takes back the other, if the
 * network's levels have the noise that the reading says. What is left of the two, squared, in units of their squares, is the contradiction. y' is
 * drawn as if x_0 were D(y, rho), which is exact on average where the data are Gaussian, in pairs with opposite noise. Networks of photographs
 * have 0.1 rightly read, of digits 0.25, laws of a few sharp patterns 0.4, since D is curved there.
 */
export async function contradiction(trial: Trial, reading: Reading): Promise<number> {
  const { description } = trial;
  const [low, high] = description.sde.dataRange;
  const elements = elementCount(description.shape);
  const count = Math.ceil(ELEMENTS / elements);
  const samples = Array.from({ length: count }, (_, row) => row);
  const levels = distinct(NOISES.map((noise) => levelNearNoise(description, (noise * (high - low)) / 2)));
  const noise = new Float32Array(count * elements);
  const draw = (step: number) => {
    fillNormal(noise, count, { seed: 0n, samples: 0, step, stream: Stream.probeNormal });
    return noise;
  };
  let y = Float64Array.from(draw(1), (z) => (low + high) / 2 + noiseOf(levels[0]!) * z);
  let [sum, seen] = [0, 0];
  for (const [k, from] of levels.slice(0, -1).entries()) {
    const to = levels[k + 1]!;
    const share = (noiseOf(to) / noiseOf(from)) ** 2;
    const own = samples.map(() => from);
    const estimate = await trial.estimates(reading, y, own, samples);
    const z = draw(k + 2);
    const step = (sign: number) =>
      y.map(
        (value, i) =>
          estimate[i]! + share * (value - estimate[i]!) + sign * noiseOf(to) * Math.sqrt(1 - share) * z[i]!,
      );
    const places = [step(1), step(-1)];
    const four = await trial.estimates(
      reading,
      joined([...places, ...places]),
      [...own, ...own, ...samples.map(() => to), ...samples.map(() => to)],
      [...samples, ...samples, ...samples, ...samples],
    );
    let [left, size] = [0, 0];
    for (let i = 0; i < y.length; i++) {
      const mean = (first: number) => (four[first * y.length + i]! + four[(first + 1) * y.length + i]!) / 2;
      const byPlace = mean(0) - estimate[i]!;
      const byLevel = mean(2) - mean(0);
      left += (byPlace + byLevel) ** 2;
      size += byPlace ** 2 + byLevel ** 2;
    }
    if (size > 0) {
      sum += left / size;
      seen++;
    }
    y = places[0]!;
  }
  return sum / seen;
}

const noiseOf = ({ alpha, sigma }: Level): number => sigma / alpha;

/** Those of them that are there, from the most noise to the least. */
function distinct(levels: readonly Level[]): Level[] {
  const found: Level[] = [];
  for (const level of levels) {
    const last = found.at(-1);
    if (level.alpha > 0 && (!last || noiseOf(level) < APART * noiseOf(last))) found.push(level);
  }
  return found;
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
