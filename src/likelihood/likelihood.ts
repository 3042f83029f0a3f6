import { scoreDerivative } from '../score/derivative.js';
import type { ScoreModel } from '../score/model.js';
import type { Data } from './data-space.js';
import { planLikelihood, type LikelihoodOptions } from './job.js';
import { runPasses } from './passes.js';
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
  const job = planLikelihood(model, data, options);
  const derivative = await scoreDerivative(model, options.derivative);
  const run = await runPasses(model, derivative, data, job, (done, time, fraction) => {
    options.onProgress?.({ done, count: job.count, time, fraction });
  });
  return {
    ...summarise(model, derivative, job, run),
    ...(options.latents && { latents: run.ends.map((value) => value / model.sde.priorSigma) }),
    seconds: (performance.now() - began) / 1000,
  };
}
