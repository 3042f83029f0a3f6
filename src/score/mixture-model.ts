import { OptionError } from '../errors.js';
import type { Sde } from '../sde/sde.js';
import type { GaussianMixture } from './mixture.js';
import type { ScoreModel } from './model.js';

export interface MixtureModelOptions {
  /** Shape of one sample; default [dimension]. */
  shape?: readonly number[];
  /** Take a class label, which selects the component; without labels the whole mixture is meant. Default false. */
  conditional?: boolean;
}

/** The exact score of data from a Gaussian mixture under an SDE, as a score model. */
export function mixtureModel(
  mixture: GaussianMixture,
  sde: Sde,
  { shape = [mixture.dimension], conditional = false }: MixtureModelOptions = {},
): ScoreModel {
  const d = mixture.dimension;
  if (shape.reduce((product, n) => product * n, 1) !== d) {
    throw new OptionError('shape', shape, `a shape of ${d} elements, the dimension of the mixture`);
  }
  const classes = mixture.weights.length;
  const components = conditional ? mixture.means.map((_, k) => mixture.component(k)) : [];
  return {
    shape,
    sde,
    parameterization: 'score',
    ...(conditional && { classes }),
    coefficients: () => ({ state: 0, output: 1 }),
    evaluate(x, { t }, output, labels) {
      if (labels && !conditional) {
        throw new OptionError('labels', labels, 'left out: this mixture was not made conditional');
      }
      const whole = diffusing(mixture, sde);
      const single = components.map((component) => diffusing(component, sde));
      for (let start = 0, end = 0; start < t.length; start = end) {
        while (end < t.length && t[end] === t[start] && labels?.[end] === labels?.[start]) end++;
        const label = labels?.[start];
        const law = label === undefined ? whole : single[label];
        if (!law) throw new OptionError(`labels[${start}]`, label, `a component from 0 to ${classes - 1}`);
        output.set(law(t[start]!).score(x.subarray(start * d, end * d)), start * d);
      }
    },
    close: () => Promise.resolve(),
  };
}

/** The law at a time, kept while samples ask for the same one. */
function diffusing(mixture: GaussianMixture, sde: Sde): (t: number) => GaussianMixture {
  let law: { t: number; mixture: GaussianMixture } | undefined;
  return (t) => {
    if (law?.t !== t) law = { t, mixture: mixture.at(sde, t) };
    return law.mixture;
  };
}
