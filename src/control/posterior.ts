import type { Device, Elements } from '../device/device.js';
import { Room } from '../device/room.js';
import { deviceOf, setCommands, type BindEvaluation } from '../score/commands.js';
import type { ScoreModel } from '../score/model.js';
import { withEvaluate } from '../score/wrapped.js';
import type { Level } from '../sde/level.js';
import { elementCount } from '../shape.js';
import { costAt } from '../solvers/counts.js';
import { boundSpectrum, Residuals, type BoundOperator } from './bound-operator.js';
import { table, type Denoised, type Denoiser } from './denoiser.js';
import type { Known } from './measurement.js';
import { awaited, enqueued, type Steps } from './steps.js';

/** What has to be added to the posterior mean of x_0 given states, so that it is that given their measurements too; double. */
type Shift = (here: Denoised, residuals: Elements, levels: readonly Level[]) => Steps<Elements>;

/** A way to find it. */
interface Method {
  /** Products with the Jacobian in an evaluation. */
  readonly products: number;
  /** Whether none of its steps has to be awaited. */
  readonly isByCommands: boolean;
  /** On arrays of a device, by the operator there. */
  readonly on: (device: Device, operator: BoundOperator, room: Room) => Shift;
}

/** A model of the samples of one batch given their measurements: the score of the shifted posterior mean. */
function shifted(
  model: ScoreModel,
  denoiser: Denoiser,
  known: Known,
  { products, isByCommands, on }: Method,
): ScoreModel {
  /** output <- F of the score (alpha E[x_0 | x, y] - x) / sigma^2, on a device. */
  const make = (device: Device) => {
    const room = new Room(device);
    const residuals = new Residuals(known, device);
    const shift = on(device, residuals.operator, room);
    const steps = function* (here: Denoised, levels: readonly Level[], output: Elements): Steps<void> {
      const change = yield* shift(here, yield* residuals.of(here.estimate, levels.length), levels);
      const guided = room.place('guided', output.length, 'double');
      const rows = table(levels, (level) => {
        const { alpha, sigma } = level;
        const { state, output } = model.coefficients(level);
        const mean = alpha / (sigma ** 2 * output);
        return [mean, mean, -(1 / sigma ** 2 + state) / output];
      });
      device.affine(guided, [here.estimate, change, here.x], rows);
      device.copy(output, guided);
    };
    return { room, steps };
  };
  const made = new Map<Device, ReturnType<typeof make>>();
  const madeOn = (device: Device) => {
    let known = made.get(device);
    if (!known) made.set(device, (known = make(device)));
    return known;
  };
  const evaluate: ScoreModel['evaluate'] = async (x, levels, output, labels, signal) => {
    const { device } = denoiser;
    const here = await denoiser.at(x, { levels, labels, signal });
    const { room, steps } = madeOn(device);
    const rounded = room.place('F', x.length, 'single');
    await awaited(steps(here, levels, rounded));
    output.set(await device.read(rounded));
  };
  const { enqueue } = denoiser;
  if (enqueue && isByCommands) {
    const bind: BindEvaluation = (device, x, output) => (levels, labels) => {
      enqueued(madeOn(device).steps(enqueue(device, x, { levels, labels }), levels, output));
    };
    setCommands(evaluate, bind, deviceOf(model));
  }
  return withEvaluate(model, evaluate, (level) => ({ ...costAt(model, level), derivative: products }));
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
  const blocks = iterations + 1;
  const [d, m] = [elementCount(known.operator.shape), elementCount(known.operator.measuredShape)];
  const on: Method['on'] = (device, operator, room) =>
    function* (here, residual, levels) {
      const rows = levels.length;
      const basis = room.place('basis', blocks * rows * m, 'double');
      const images = room.place('images', iterations * rows * d, 'double');
      const columns = room.place('columns', blocks * rows * blocks, 'double');
      const direction = room.place('direction', rows * d, 'double');
      const change = room.place('change', rows * d, 'double');
      const vector = (j: number) => device.rows(basis, rows * m, j, 1);
      // Arnoldi: each vector is the matrix applied to the last one, made orthonormal to all before it.
      device.copy(vector(0), residual);
      device.orthonormalize(basis, columns, rows, 0);
      for (let j = 0; j < iterations; j++) {
        const image = device.rows(images, rows * d, j, 1);
        yield operator.products(direction, here.estimate, vector(j));
        yield here.product(image, direction, variance);
        yield operator.images(vector(j + 1), image);
        device.affine(vector(j + 1), [vector(j + 1), vector(j)], Float64Array.of(1, known.noise ** 2, 0));
        device.orthonormalize(basis, columns, rows, j + 1);
      }
      // Of u in their span the one that leaves the least of the residual, and C A^T u.
      device.leastResiduals(change, images, columns, rows);
      return change;
    };
  const isByCommands = known.operator.bind !== undefined;
  return shifted(model, denoiser, known, { products: iterations, isByCommands, on });
}

/**
 * Pseudoinverse guidance (PiGDM, Song et al. 2023): as {@link momentMatching}, with the covariance r^2 I, r^2 = sigma^2 / (sigma^2 +
 * alpha^2), that x_0 given x has for uncorrelated data of variance 1, and the Jacobian in the last product alone.
 */
export function pseudoinverseGuidance(model: ScoreModel, denoiser: Denoiser, known: Known): ScoreModel {
  const solver = solverOf(known);
  const on: Method['on'] = (device, operator, room) => {
    const solve = solver.on(device, operator, room);
    return function* (here, residual, levels) {
      const direction = room.place('direction', here.x.length, 'double');
      const change = room.place('change', here.x.length, 'double');
      yield* solve(direction, here.estimate, residual, levels);
      yield here.product(change, direction, variance);
      return change;
    };
  };
  return shifted(model, denoiser, known, { products: 1, isByCommands: solver.isByCommands, on });
}

/** out <- A^T (r^2 A A^T + noise^2 I)^-1 v, of which x is what A is the derivative at. */
type Solve = (out: Elements, x: Elements, v: Elements, levels: readonly Level[]) => Steps<void>;

interface Solver {
  readonly isByCommands: boolean;
  readonly on: (device: Device, operator: BoundOperator, room: Room) => Solve;
}

function solverOf({ operator, noise }: Known): Solver {
  const isBound = operator.bind !== undefined;
  const total = ({ alpha, sigma }: Level, s: number) =>
    (s ** 2 * sigma ** 2) / (sigma ** 2 + alpha ** 2) + noise ** 2;
  if (operator.rows)
    return {
      isByCommands: isBound,
      on: (device, bound) =>
        function* (out, x, v, levels) {
          yield bound.products(out, x, v);
          device.affine(
            out,
            [out],
            table(levels, (level) => [1 / total(level, 1)]),
          );
        },
    };
  const spectrum = operator.spectrum();
  const { values } = spectrum;
  const factorsAt = (level: Level) => Array.from(values, (s) => s / total(level, s));
  return {
    isByCommands: isBound && spectrum.bind !== undefined,
    on(device, _, room) {
      const { measured, sample } = boundSpectrum(spectrum, device);
      return function* (out, _, v, levels) {
        const u = room.place('coordinates', levels.length * values.length, 'double');
        yield measured(u, v);
        // One row for all, where they are at one level.
        const different = levels.every((level) => level === levels[0]) ? levels.slice(0, 1) : levels;
        const factors = room.place('factors', different.length * values.length, 'double');
        device.write(factors, Float64Array.from(different.flatMap(factorsAt)));
        device.weigh(u, factors);
        yield sample(out, u);
      };
    },
  };
}
