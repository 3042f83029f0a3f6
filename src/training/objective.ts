import type { TrainingGraph } from '../onnx/autodiff/training.js';
import type { Tensor } from '../onnx/runtime.js';
import type { TimesOptions } from './times.js';
import type { WeightingOptions } from './weighting.js';

/**
 * What training minimises, as plain data.
 *
 * - `denoising`: denoising score matching, in the network's own parameterization (Vincent 2011; Song et al. 2021,
 *   equation 7);
 * - `implicit`: Hyvärinen's objective with the exact trace, for a few dimensions (Hyvärinen 2005);
 * - `sliced`: the same with random projections instead of the trace (Song et al. 2019);
 * - `classifier`: cross-entropy of a classifier of noisy data (Song et al. 2021, section 5).
 */
export interface ObjectiveOptions extends WeightingOptions, TimesOptions {
  /** Default `denoising`. */
  readonly kind?: 'denoising' | 'implicit' | 'sliced' | 'classifier';
  /** How x_t is drawn: from its Gaussian law (`kernel`, the default), or by simulating the SDE. */
  readonly diffusion?: 'kernel' | 'simulation';
  /** Euler-Maruyama steps of a simulation; default 100. */
  readonly simulationSteps?: number;
  /** Random projections of each row of `sliced`; default 1. */
  readonly probes?: number;
  /** Law of these projections; default `rademacher`. */
  readonly probe?: 'rademacher' | 'normal';
  /** Probability with which a label becomes the model's null class (Ho and Salimans 2022); default 0. */
  readonly dropLabels?: number;
}

/** Rows of a batch of training data. */
export interface Rows {
  /** [n, ...shape]: floats in the model's space, or bytes, of which 0 and 255 are the ends of its data range. */
  readonly x0: Float32Array | Uint8Array;
  /** One per row: not 0 where the image is to be mirrored left to right. Default: none is. */
  readonly flips?: Uint8Array;
  /** Class of each row, where the network takes one. */
  readonly labels?: Int32Array;
  /** Index of the first row within the whole batch. */
  readonly first: number;
  /** Number of the training step, part of the noise address. */
  readonly step: number;
  /** Unsigned 64-bit seed. */
  readonly seed: bigint;
}

/** The data inputs of a training graph, and the time of each row. */
export interface Feeds {
  readonly tensors: Record<string, Tensor>;
  readonly times: Float64Array;
}

/** An objective for one model. */
export interface Objective {
  /**
   * The network with its loss and gradients: outputs `loss` (the mean over rows of `losses`), `losses` [N] (weighted), and
   * `grad.<p>` for each parameter p.
   */
  trainingGraph(): Promise<TrainingGraph>;
  /**
   * All data inputs of that graph for these rows. Times, noise, projections and dropout are pure functions of
   * (seed, step, row of the batch), so that every split of a batch sees the same.
   */
  feeds(rows: Rows): Feeds;
}
