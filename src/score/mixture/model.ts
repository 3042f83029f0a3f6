import { OptionError } from '../../errors.js';
import { checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import type { Sde } from '../../sde/sde.js';
import { elementCount } from '../../shape.js';
import type { GaussianMixture } from './mixture.js';
import type { ClosedForm, ScoreModel } from '../model.js';

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
  options: MixtureModelOptions = {},
): ScoreModel {
  checkKnown(options, ['shape', 'conditional']);
  const { shape = [mixture.dimension], conditional = false } = options;
  const d = mixture.dimension;
  if (elementCount(shape) !== d) {
    throw new OptionError('shape', shape, `a shape of ${d} elements, the dimension of the mixture`);
  }
  const classes = mixture.weights.length;
  const components = conditional ? mixture.means.map((_, k) => mixture.component(k)) : [];
  /** Calls visit with the law of every run of rows that share their time and label. */
  const forLaws = (
    levels: readonly Level[],
    labels: Int32Array | undefined,
    visit: (law: GaussianMixture, start: number, end: number) => void,
  ) => {
    if (labels && !conditional) {
      throw new OptionError('labels', labels, 'left out: this mixture was not made conditional');
    }
    const whole = diffusing(mixture, sde);
    const single = components.map((component) => diffusing(component, sde));
    for (let start = 0, end = 0; start < levels.length; start = end) {
      const { t } = levels[start]!;
      while (levels[end]?.t === t && labels?.[end] === labels?.[start]) end++;
      const label = labels?.[start];
      const law = label === undefined ? whole : single[label];
      if (!law) throw new OptionError(`labels[${start}]`, label, `a component from 0 to ${classes - 1}`);
      visit(law(t), start, end);
    }
  };
  const closedForm: ClosedForm = {
    evaluate(x, levels, labels) {
      const out = new Float64Array(x.length);
      forLaws(levels, labels, (law, start, end) => {
        out.set(law.score(x.subarray(start * d, end * d)), start * d);
      });
      return out;
    },
    jvp(x, v, levels, labels) {
      const out = new Float64Array(x.length);
      forLaws(levels, labels, (law, start, end) => {
        const rows = [start * d, end * d] as const;
        out.set(law.jvp(x.subarray(...rows), v.subarray(...rows)), start * d);
      });
      return out;
    },
    divergence(x, levels, labels) {
      const out = new Float64Array(levels.length);
      forLaws(levels, labels, (law, start, end) => {
        out.set(law.divergence(x.subarray(start * d, end * d)), start);
      });
      return out;
    },
  };
  return {
    shape,
    sde,
    parameterization: 'score',
    ...(conditional && { classes }),
    closedForm,
    moments(label) {
      const law = label === undefined ? mixture : mixture.component(label);
      return { mean: law.mean(), variances: law.variances() };
    },
    coefficients: () => ({ state: 0, output: 1 }),
    evaluate(x, levels, output, labels) {
      forLaws(levels, labels, (law, start, end) => {
        output.set(law.score(x.subarray(start * d, end * d)), start * d);
      });
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
