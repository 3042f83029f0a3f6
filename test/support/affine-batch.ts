import type { NoiseAddress } from '../../src/device/binding.js';
import type { Elements, ScaledNoise } from '../../src/device/device.js';
import type { ScoreModel } from '../../src/score/model.js';
import type { Step } from '../../src/sde/grid.js';
import type { Level } from '../../src/sde/level.js';
import type { Batch } from '../../src/solvers/batch.js';
import type { Predictor } from '../../src/solvers/predictor.js';

/** A value as an affine function of independent standard normals: [constant, start, noise 0, noise 1, ...]. */
type Affine = Float64Array & Elements;

/** Noises beside one for every step. */
const RESTARTS = 16;

/** Mean and variance at the end of a walk on data N(mean, std^2) from their exact law at its start, by exact affine arithmetic. */
export async function lawOf(
  predictor: Predictor,
  model: ScoreModel,
  steps: readonly Step[],
  { mean, std }: { mean: number; std: number },
): Promise<{ mean: number; variance: number }> {
  const noises = new Map<string, number>();
  const most = 2 + steps.length + RESTARTS;
  const zero = (): Affine => new Float64Array(most);
  const { alpha, sigma } = steps[0]!.from;
  const x = zero();
  x[0] = alpha * mean;
  x[1] = Math.hypot(alpha * std, sigma);
  const combine = (
    out: Elements,
    operands: readonly Elements[],
    coefficients: readonly number[],
    noise?: ScaledNoise,
  ): void => {
    const sum = zero();
    operands.forEach((operand, j) => {
      (operand as Affine).forEach((value, i) => (sum[i]! += coefficients[j]! * value));
    });
    if (noise) {
      const { step, visit, stream } = noise.address;
      const key = `${stream} ${step} ${visit ?? 0}`;
      if (!noises.has(key)) noises.set(key, 2 + noises.size);
      sum[noises.get(key)!]! += noise.scale;
    }
    (out as Affine).set(sum);
  };
  let denoised = zero();
  const evaluate = (level: Level, _: number, { state = x }: { state?: Elements } = {}): Promise<void> => {
    // The posterior mean of x_0, exact for Gaussian data.
    const total = (level.alpha * std) ** 2 + level.sigma ** 2;
    denoised = zero();
    combine(denoised, [state], [(level.alpha * std ** 2) / total]);
    denoised[0]! += (level.sigma ** 2 * mean) / total;
    return Promise.resolve();
  };
  const batch: Partial<Batch> = {
    model,
    x,
    like: zero,
    combine,
    evaluate,
    estimate(out) {
      (out as Affine).set(denoised);
    },
    update: ({ state, score, noise }, address) => {
      // s = (alpha x_0 - x) / sigma^2.
      const level = current;
      const s = score / level.sigma ** 2;
      combine(x, [x, denoised], [state - s, s * level.alpha], address && { scale: noise, address });
    },
  };
  let current = steps[0]!.from;
  const move = predictor.begin(batch as Batch, steps);
  for (const step of steps) {
    current = step.from;
    if (!predictor.blind?.(step)) await evaluate(step.from, step.k);
    const address: NoiseAddress = { seed: 0n, samples: 0, stream: 1, step: step.k };
    await move(step, address);
  }
  return { mean: x[0], variance: x.slice(1).reduce((sum, value) => sum + value * value, 0) };
}
