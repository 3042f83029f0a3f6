import { dequantized } from '../data/dequantization.js';
import { OptionError } from '../errors.js';
import { limits } from '../device/addon.js';
import { Stream } from '../device/binding.js';
import { diffuse } from '../device/diffuse.js';
import { affine } from '../device/kernels.js';
import type { Tensor } from '../onnx/run/runtime.js';
import { checkChoice, checkInteger } from '../options.js';
import { inputScale } from '../score/parameterization.js';
import type { Level } from '../sde/level.js';
import type { TrainedNetwork, TrainingPoint, TrainingRows } from './criterion.js';
import { diffusions } from './names.js';
import { simulatedNoise } from './simulation.js';
import type { Target } from './target.js';

/** How x_t is drawn. */
export interface NoisingOptions {
  /** From its Gaussian law (`kernel`, the default), or by simulating the SDE. */
  readonly diffusion?: (typeof diffusions)[number];
  /** Euler-Maruyama steps of a simulation; default 100. */
  readonly simulationSteps?: number;
  /**
   * Whether bytes are dequantised with new uniform noise each time they are seen, as a likelihood of bytes assumes; otherwise 0
   * and 255 are the ends of the data range. Default false.
   */
  readonly dequantize?: boolean;
}

/**
 * The inputs of a training graph that depend on the data: the noised state, scaled as the network takes it, and the target.
 * @param target the input "target", left out where absent
 */
export function noising(
  { description, roles, elements }: TrainedNetwork,
  { diffusion = 'kernel', simulationSteps = 100, dequantize = false }: NoisingOptions,
  target: ((level: Level) => Target) | undefined,
): (rows: TrainingRows, points: readonly TrainingPoint[]) => Record<string, Tensor> {
  checkChoice('diffusion', diffusion, diffusions);
  checkInteger('simulationSteps', simulationSteps, 1, limits().substep + 1);
  const { sde, ladder, shape, parameterization, sigmaData } = description;
  const simulates = diffusion === 'simulation';
  if (simulates && ladder !== undefined) {
    throw new OptionError('diffusion', diffusion, "'kernel' for a network with trained levels");
  }
  let state = new Float32Array(0);
  let wanted = target && state;
  return ({ x0: given, flips, seed, step, first }, points) => {
    const uniform = { seed, samples: first, step, stream: Stream.dequantization };
    const x0 =
      dequantize && given instanceof Uint8Array
        ? Float32Array.from(dequantized(given, points.length, sde.dataRange, uniform))
        : given;
    if (state.length !== x0.length) {
      state = new Float32Array(x0.length);
      wanted = target && new Float32Array(x0.length);
    }
    const coefficients = new Float64Array(4 * points.length);
    for (const [i, point] of points.entries()) {
      const scale = inputScale(parameterization, point, sigmaData);
      const { clean, noise } = target?.(point) ?? { clean: 0, noise: 0 };
      coefficients[4 * i] = scale * point.alpha;
      coefficients[4 * i + 1] = scale * point.sigma;
      coefficients[4 * i + 2] = clean;
      coefficients[4 * i + 3] = noise;
    }
    const address = { seed, samples: first, step, stream: Stream.trainingNoise };
    const reading = { range: sde.dataRange, flips, width: shape.at(-1)! };
    if (simulates) {
      const clean = new Float32Array(x0.length);
      diffuse(clean, undefined, x0, identityCoefficients(points.length), address, reading);
      const times = Float64Array.from(points, ({ t }) => t);
      const z = simulatedNoise(sde, clean, times, simulationSteps, { seed, step, first });
      affine(state, [clean, z], columns(coefficients, 0));
      if (wanted) affine(wanted, [clean, z], columns(coefficients, 2));
    } else {
      diffuse(state, wanted, x0, coefficients, address, reading);
    }
    const dims = [x0.length / elements, ...shape];
    return {
      [roles.state.name]: { data: state, dims },
      ...(wanted && { target: { data: wanted, dims } }),
    };
  };
}

/** Coefficients that leave x_0 as it is. */
function identityCoefficients(rows: number): Float64Array {
  return Float64Array.from({ length: 4 * rows }, (_, i) => (i % 4 === 0 ? 1 : 0));
}

/** Two of four columns, and none for noise. */
function columns(coefficients: Float64Array, first: number): Float64Array {
  return Float64Array.from({ length: (coefficients.length / 4) * 3 }, (_, i) =>
    i % 3 === 2 ? 0 : coefficients[4 * Math.floor(i / 3) + first + (i % 3)]!,
  );
}
