import { checkInteger, checkSignal } from '../options.js';
import { checkConditions } from '../score/class-label.js';
import type { ScoreModel } from '../score/model.js';
import { checkStop } from '../sde/constants.js';
import { isImageShape } from '../shape.js';
import { checkFlowTolerances, type FlowTolerances, type Variable } from '../solvers/ode/flow-integration.js';

/** Options of whatever carries samples along the probability-flow ODE, between the data and the prior. */
export interface IntegrationOptions extends FlowTolerances {
  /**
   * What the ODE is integrated in. Default, by measurement: `lambda` for pictures, where under VP it takes a third fewer
   * evaluations at one error, and `t` for points, where it takes up to half as many.
   */
  readonly variable?: Variable;
  /** Time at which the data are. Default 1e-5 for VP, sub-VP and VE; otherwise the SDE's. */
  readonly epsilon?: number | undefined;
  /** Samples that go through the network at once. Default: all, at most 64. */
  readonly batch?: number | undefined;
  /** Class of every sample, or one class per sample, for a model with a class input. */
  readonly classLabel?: number | Int32Array | undefined;
  /** Stops the integration with an AbortError. */
  readonly signal?: AbortSignal | undefined;
  /** Is told after every step how far the batch is. */
  readonly onProgress?: ((progress: IntegrationProgress) => void) | undefined;
}

export const integrationOptions: readonly string[] = Object.keys({
  ...{ rtol: 1, atol: 1, coupling: 1, variable: 1, epsilon: 1, batch: 1, classLabel: 1 },
  ...{ signal: 1, onProgress: 1 },
} satisfies Record<keyof IntegrationOptions, 1>);

/** How far an integration has come. */
export interface IntegrationProgress {
  /** Samples that are finished, of `count`. */
  readonly done: number;
  /** Samples of the whole run. */
  readonly count: number;
  /** Time that the current batch has reached. */
  readonly time: number;
  /** Share of the whole run that is done, from 0 to 1. */
  readonly fraction: number;
}

/** An integration of so many samples, with every option resolved. */
export interface Integration {
  readonly tolerances: Required<FlowTolerances>;
  readonly epsilon: number;
  readonly batch: number;
  readonly labels: Int32Array | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws OptionError for an option that cannot be used. */
export function planIntegration(model: ScoreModel, options: IntegrationOptions, count: number): Integration {
  const { sde, shape } = model;
  return {
    tolerances: checkFlowTolerances(options, isImageShape(shape) ? 'lambda' : 't'),
    epsilon: checkStop(options.epsilon ?? sde.likelihoodEpsilon ?? sde.epsilon, sde),
    batch: Math.min(count, checkInteger('batch', options.batch ?? 64, 1)),
    labels: checkConditions(model, options.classLabel, count),
    signal: checkSignal(options.signal),
  };
}
