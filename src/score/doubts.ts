import { levelAt, type Level } from '../sde/level.js';
import type { Sde } from '../sde/sde.js';
import { elementCount } from '../shape.js';
import type { Moments, ScoreModel } from './model.js';

/** A shift of a tenth of a standard deviation of the prior, in Kullback-Leibler divergence (nats); or 7 % of the deviation. */
const SEEN_IN_A_COORDINATE = 0.005;

/**
 * Doubts about the prior of a model, N(0, priorSigma^2 I), as the law of the data at T: samples start from the prior, a
 * likelihood ends in it, and latent codes are in its unit. With known moments of the data the mismatch is told; for a network,
 * whose data are not known, how far its data range reaches in units of the prior.
 *
 * @param labels Class of all samples or of each, where only some are asked for.
 */
export function priorMismatch(model: ScoreModel, labels?: number | Int32Array): string[] {
  const end = levelAt(model, model.sde.T, model.ladder && model.ladder.levels - 1);
  const classes = labels instanceof Int32Array ? new Set(labels) : [labels];
  const found = model.moments ? compareMoments(model, classes, end) : compareRange(model, end);
  return found === undefined ? [] : [found];
}

/** What a mean that is left at T does, and what takes it away. */
function consequence({ constants }: Sde): string {
  const more =
    'sigmaMax' in constants
      ? 'a larger sigmaMax'
      : 'beta1' in constants
        ? 'a larger beta1'
        : 'more noise at T';
  return (
    'What starts from the prior or ends in it is off by that, the weights of far modes most of all; ' +
    `it takes ${more} or smaller data.`
  );
}

function compareMoments(
  model: ScoreModel,
  classes: Iterable<number | undefined>,
  { alpha, sigma }: Level,
): string | undefined {
  const { priorSigma } = model.sde;
  let worst = { divergence: SEEN_IN_A_COORDINATE, mean: 0, deviation: 0 };
  for (const label of classes) {
    const { mean, variances }: Moments = model.moments!(label);
    for (const [i, m] of mean.entries()) {
      const own = alpha * m;
      const variance = alpha ** 2 * variances[i]! + sigma ** 2;
      const ratio = variance / priorSigma ** 2;
      const divergence = 0.5 * ((own / priorSigma) ** 2 + ratio - 1 - Math.log(ratio));
      if (divergence > worst.divergence) worst = { divergence, mean: own, deviation: Math.sqrt(variance) };
    }
  }
  if (worst.divergence === SEEN_IN_A_COORDINATE) return undefined;
  const of = (value: number) => value.toPrecision(3);
  return (
    `The prior is not the law of the data at T: it has mean 0 and standard deviation ${of(priorSigma)} in every coordinate, ` +
    `the data at T have ${of(worst.mean)} and ${of(worst.deviation)} where they differ most (${of(worst.divergence)} nats). ${consequence(model.sde)}`
  );
}

function compareRange({ sde, shape }: ScoreModel, { alpha, sigma }: Level): string | undefined {
  const { priorSigma, dataRange } = sde;
  const reach = (alpha * Math.max(...dataRange.map(Math.abs))) / priorSigma;
  const whole = reach * Math.sqrt(elementCount(shape));
  // Published processes of images have a reach of 0.007 to 0.05; VE of points and small pictures, whose sigmaMax is their largest
  // distance (Song and Ermon 2020), up to 0.5 where the whole comes to little.
  if (reach > 0.5 || (reach > 0.1 && whole > 3)) {
    return (
      `The prior may not be the law of the data at T: alpha(T) is ${alpha.toPrecision(3)}, so that data within ` +
      `[${dataRange.join(', ')}] have means of up to ${reach.toPrecision(2)} standard deviations of the prior there. ${consequence(sde)}`
    );
  }
  const most = Math.hypot(sigma, alpha * Math.max(...dataRange.map(Math.abs)));
  if (sigma <= 1.05 * priorSigma && most >= 0.95 * priorSigma) return undefined;
  return (
    `The prior is not the law of the data at T: its standard deviation is ${priorSigma.toPrecision(3)}, and sigma(T) ` +
    `is ${sigma.toPrecision(3)}.`
  );
}

/** What a float32 network resolves of its output, relative to the size of the data; below it (alpha F - x) / sigma^2 is noise. */
const RESOLVED = 3e-5;

/** Doubts about the score of a network that predicts x_0, at the least sigma at which it is used. */
export function scoreRounding(model: ScoreModel, sigma: number): string[] {
  const reach = Math.max(...model.sde.dataRange.map(Math.abs));
  if (model.parameterization !== 'x0' || model.closedForm || sigma >= RESOLVED * reach) return [];
  return [
    `At sigma ${sigma.toPrecision(2)} the score of a network that predicts x_0 is the rounding of float32, from which it ` +
      `is (alpha F - x) / sigma^2: end at a larger epsilon, where sigma is ${(RESOLVED * reach).toPrecision(1)} or more.`,
  ];
}

/** What the density of a guided model is not. */
export function guidedDensity({ guidance }: ScoreModel): string[] {
  if (!guidance || guidance.scale === 1) return [];
  return [
    `The density is that of the law which the ODE with guidance of scale ${guidance.scale} draws: it integrates to 1, but it is neither ` +
      'p(x | y), which scale 1 gives, nor p(x) p(y | x)^scale up to a constant, and it does not compare with bits/dim of others.',
  ];
}
