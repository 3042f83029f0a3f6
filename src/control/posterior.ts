import { Room } from '../device/room.js';
import type { Device, Elements } from '../device/device.js';
import type { ScoreModel } from '../score/model.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import { costAt } from '../solvers/counts.js';
import { boundSpectrum, Residuals, type BoundOperator } from './bound-operator.js';
import { table, type Denoised, type Denoiser } from './denoiser.js';
import type { Known } from './measurement.js';

/** What has to be added to the posterior mean of x_0 given a state, so that it is that given the measurement too; double. */
type Shift = (here: Denoised, residuals: Elements, levels: readonly Level[], room: Room) => Promise<Elements>;

/** A model of the samples of one batch given their measurements: the score of the shifted posterior mean. */
function shifted(
  model: ScoreModel,
  denoiser: Denoiser,
  residuals: Residuals,
  products: number,
  shift: Shift,
): ScoreModel {
  const { device } = denoiser;
  const room = new Room(device);
  return withEvaluate(
    model,
    async (x, levels, output, labels, signal) => {
      const here = await denoiser.at(x, { levels, labels, signal });
      const change = await shift(here, await residuals.of(here.estimate, levels.length), levels, room);
      const [guided, rounded] = [
        room.place('guided', x.length, 'double'),
        room.place('F', x.length, 'single'),
      ];
      // F of the score (alpha E[x_0 | x, y] - x) / sigma^2.
      const rows = table(levels, (level) => {
        const { alpha, sigma } = level;
        const { state, output } = model.coefficients(level);
        const mean = alpha / (sigma ** 2 * output);
        return [mean, mean, -(1 / sigma ** 2 + state) / output];
      });
      device.affine(guided, [here.estimate, change, here.x], rows);
      device.copy(rounded, guided);
      output.set(await device.read(rounded));
    },
    (level) => ({ ...costAt(model, level), derivative: products }),
  );
}

/** J^T v times this is the covariance of x_0 given x times v. */
function variance({ alpha, sigma }: Level): number {
  return sigma ** 2 / alpha;
}

/**
 * Moment matching posterior sampling (MMPS, Rozet et al. 2024): x_0 given x is taken for normal with its true covariance
 * C = sigma^2 / alpha J, so that its mean given y too is x_0 + C A^T u with (noise^2 I + A C A^T) u = y - A x_0. Exact for normal data.
 *
 * @param iterations of GMRES (Saad and Schultz 1986), each of one product with the Jacobian, in a space of each row's own; as many as there are
 *   measured numbers solve it.
 */
export function momentMatching(
  model: ScoreModel,
  denoiser: Denoiser,
  known: Known,
  iterations: number,
): ScoreModel {
  const { device } = denoiser;
  const residuals = new Residuals(known, device);
  const { operator } = residuals;
  const blocks = iterations + 1;
  const [d, m] = [elementCount(known.operator.shape), elementCount(known.operator.measuredShape)];
  return shifted(model, denoiser, residuals, iterations, async (here, residual, levels, room) => {
    const rows = levels.length;
    const basis = room.place('basis', blocks * rows * m, 'double');
    const images = room.place('images', iterations * rows * d, 'double');
    const columns = room.place('columns', blocks * rows * blocks, 'double');
    const direction = room.place('direction', rows * d, 'double');
    const change = room.place('change', rows * d, 'double');
    const vector = (j: number) => device.rows(basis, rows * m, j, 1);
    device.copy(vector(0), residual);
    device.orthonormalize(basis, columns, rows, 0);
    for (let j = 0; j < iterations; j++) {
      const image = device.rows(images, rows * d, j, 1);
      await operator.products(direction, here.estimate, vector(j));
      await here.product(image, direction, variance);
      await operator.images(vector(j + 1), image);
      device.affine(vector(j + 1), [vector(j + 1), vector(j)], Float64Array.of(1, known.noise ** 2, 0));
      device.orthonormalize(basis, columns, rows, j + 1);
    }
    device.leastResiduals(change, images, columns, rows);
    return change;
  });
}

/**
 * Pseudoinverse guidance (PiGDM, Song et al. 2023): as {@link momentMatching}, with the covariance r^2 I, r^2 = sigma^2 / (sigma^2 +
 * alpha^2), that x_0 given x has for uncorrelated data of variance 1, and the Jacobian in the last product alone.
 */
export function pseudoinverseGuidance(model: ScoreModel, denoiser: Denoiser, known: Known): ScoreModel {
  const { device } = denoiser;
  const residuals = new Residuals(known, device);
  const solve = solver(known, device, residuals.operator);
  return shifted(model, denoiser, residuals, 1, async (here, residual, levels, room) => {
    const direction = room.place('direction', here.x.length, 'double');
    const change = room.place('change', here.x.length, 'double');
    await solve(direction, here.estimate, residual, levels, room);
    await here.product(change, direction, variance);
    return change;
  });
}

/** out <- A^T (r^2 A A^T + noise^2 I)^-1 v, of which x is what A is the derivative at. */
type Solve = (out: Elements, x: Elements, v: Elements, levels: readonly Level[], room: Room) => Promise<void>;

function solver({ operator, noise }: Known, device: Device, bound: BoundOperator): Solve {
  const total = ({ alpha, sigma }: Level, s: number) =>
    (s ** 2 * sigma ** 2) / (sigma ** 2 + alpha ** 2) + noise ** 2;
  if (operator.rows)
    return async (out, x, v, levels) => {
      await bound.products(out, x, v);
      device.affine(
        out,
        [out],
        table(levels, (level) => [1 / total(level, 1)]),
      );
    };
  const spectrum = operator.spectrum();
  const { values } = spectrum;
  const { measured, sample } = boundSpectrum(spectrum, device);
  return async (out, _, v, levels, room) => {
    const u = room.place('coordinates', levels.length * values.length, 'double');
    await measured(u, v);
    const factors = room.place('factors', u.length, 'double');
    const row = (level: Level) => Array.from(values, (s) => s / total(level, s));
    device.write(factors, Float64Array.from(levels.flatMap(row)));
    device.weigh(u, factors);
    await sample(out, u);
  };
}
