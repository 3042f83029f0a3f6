import { dequantized } from '../data/dequantization.js';
import { OptionError } from '../errors.js';
import { limits } from '../device/addon.js';
import { Stream } from '../device/binding.js';
import { diffuse } from '../device/diffuse.js';
import { affine } from '../device/kernels.js';
import type { Queue } from '../device/queue.js';
import type { Tensor } from '../onnx/run/runtime.js';
import { checkChoice, checkInteger } from '../options.js';
import { inputScale } from '../score/parameterization.js';
import type { TrainedNetwork, TrainingPoint, TrainingRows } from './criterion.js';
import { diffusions } from './names.js';
import { NoisedArrays } from './noised-arrays.js';
import { simulatedNoise } from './simulation.js';

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
 * @param hasTarget whether there is the input "target"
 * @param queue whose commands this is, in arrays of its own; here and now by default
 */
export function noising(
  { description, roles, elements }: TrainedNetwork,
  { diffusion = 'kernel', simulationSteps = 100, dequantize = false }: NoisingOptions,
  hasTarget: boolean,
  queue?: Queue,
): (rows: TrainingRows, points: readonly TrainingPoint[]) => Record<string, Tensor> {
  checkChoice('diffusion', diffusion, diffusions);
  checkInteger('simulationSteps', simulationSteps, 1, limits().substep + 1);
  const { sde, ladder, shape, parameterization, sigmaData } = description;
  const simulates = diffusion === 'simulation';
  if (simulates && ladder !== undefined) {
    throw new OptionError('diffusion', diffusion, "'kernel' for a network with trained levels");
  }
  const places = new Map<number, NoisedArrays>();
  return ({ x0: given, flips: mirrored, seed, step, first }, points) => {
    const uniform = { seed, samples: first, step, stream: Stream.dequantization };
    const read =
      dequantize && given instanceof Uint8Array
        ? Float32Array.from(dequantized(given, points.length, sde.dataRange, uniform))
        : given;
    const place = places.get(read.length) ?? new NoisedArrays(read.length, hasTarget, queue);
    places.set(read.length, place);
    const { state, target: wanted } = place;
    const x0 = place.take('x0', read);
    const flips = mirrored && place.take('flips', mirrored);
    const coefficients = new Float64Array(4 * points.length);
    for (let i = 0; i < points.length; i++) {
      const point = points[i]!;
      const scale = inputScale(parameterization, point, sigmaData);
      coefficients[4 * i] = scale * point.alpha;
      coefficients[4 * i + 1] = scale * point.sigma;
      coefficients[4 * i + 2] = point.target?.clean ?? 0;
      coefficients[4 * i + 3] = point.target?.noise ?? 0;
    }
    const address = { seed, samples: first, step, stream: Stream.trainingNoise };
    const reading = { range: sde.dataRange, flips, width: shape.at(-1)! };
    const number = queue?.number;
    if (simulates) {
      const { clean, ...path } = place.simulation;
      diffuse(clean, undefined, x0, identityCoefficients(points.length), address, reading, number);
      const times = Float64Array.from(points, ({ t }) => t);
      const z = simulatedNoise(sde, clean, times, simulationSteps, { seed, step, first }, path, number);
      affine(state, [clean, z], columns(coefficients, 0), undefined, undefined, number);
      if (wanted) affine(wanted, [clean, z], columns(coefficients, 2), undefined, undefined, number);
    } else {
      diffuse(state, wanted, x0, coefficients, address, reading, number);
    }
    const dims = [read.length / elements, ...shape];
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
