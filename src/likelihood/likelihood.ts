import { OptionError } from '../errors.js';
import { scoreDerivative, type ScoreDerivative } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import { largestMagnitude, type Data } from './data-space.js';
import { planLikelihood, type LikelihoodJob, type LikelihoodOptions } from './job.js';
import { joinPasses, runPasses, type Passes } from './passes.js';
import { summarise, type LikelihoodResult } from './summary.js';

/**
 * Log-density of data under the probability-flow ODE of a score model, by the instantaneous change of variables
 * (Song et al. 2021, section 4.3 and appendix D.2).
 *
 * The error of the integral has a norm of its own, in nats per dimension, so that it is held to the tolerances like
 * the state; what the linear drift contributes is exact.
 *
 * @param data [count, ...shape]: bytes are dequantised, floats are taken as they are, in the model's own space.
 * @throws OptionError, NonFiniteScoreError, and IntegrationError where the tolerances cannot be reached.
 */
export async function likelihood(
  model: ScoreModel,
  data: Data,
  options: LikelihoodOptions = {},
): Promise<LikelihoodResult> {
  const began = performance.now();
  const { job, derivative } = await prepareLikelihood(model, data, options);
  const { count, batch } = job;
  const parts: Passes[] = [];
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(start + batch, count);
    const part = await runPasses(model, derivative, data, { start, end }, job, (time, share) => {
      options.onProgress?.({ done: start, count, time, fraction: (start + share * (end - start)) / count });
    });
    parts.push(part);
  }
  const run = joinPasses(parts);
  return {
    ...summarise(model, derivative, job, run),
    ...(options.latents && { latents: run.ends.map((value) => value / model.sde.priorSigma) }),
    seconds: (performance.now() - began) / 1000,
  };
}

/** Resolves the options, and how the score is differentiated. */
export async function prepareLikelihood(
  model: ScoreModel,
  data: Data,
  options: LikelihoodOptions,
): Promise<{ job: LikelihoodJob; derivative: ScoreDerivative }> {
  const job = planLikelihood(model, data, options);
  const derivative = await scoreDerivative(model, options.derivative);
  checkDifferences(model, derivative, data, job);
  return { job, derivative };
}

/** The least sigma, relative to the data, at which float32 tells the values of x_0 at x + 0.003 sigma and x - 0.003 sigma apart. */
const TOLD_APART = 1e-5;

/**
 * Differences of a prediction of x_0 are drowned by its rounding where sigma is small, and then by how much they are off cannot be
 * measured either; those of the other parameterizations are of the size of the state's noise.
 */
function checkDifferences(
  model: ScoreModel,
  { method }: ScoreDerivative,
  data: Data,
  { epsilon }: LikelihoodJob,
): void {
  if (method !== 'central-difference' || model.parameterization !== 'x0' || model.closedForm) return;
  const { sde } = model;
  const least = TOLD_APART * largestMagnitude(model, data);
  if (sde.sigma(epsilon) >= least) return;
  // Close to the data alpha is 1.
  const enough = Number(sde.timeOfLambda(-Math.log(least)).toPrecision(2));
  throw new OptionError(
    'epsilon',
    epsilon,
    `about ${enough} or more for central differences of a network that predicts x_0: sigma(epsilon) is ` +
      `${sde.sigma(epsilon).toPrecision(2)} there, and below ${least.toPrecision(2)} they are lost in the rounding of float32`,
  );
}
