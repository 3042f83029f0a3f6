import { OptionError } from '../../errors.js';
import { checkKnown } from '../../options.js';
import type { Level } from '../../sde/level.js';
import type { Sde } from '../../sde/sde.js';
import { elementCount } from '../../shape.js';
import { GaussianMixture } from './mixture.js';
import { setCommands } from '../commands.js';
import type { ClosedForm, ScoreModel } from '../model.js';
import { closable } from '../../closing.js';

/** How a mixture is taken as a model. */
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
  if (!(mixture instanceof GaussianMixture))
    throw new OptionError(
      'mixture',
      mixture,
      'a GaussianMixture, made by new GaussianMixture({ weights, means, covariances })',
    );
  const { shape = [mixture.dimension], conditional = false } = options;
  const d = mixture.dimension;
  if (elementCount(shape) !== d) {
    throw new OptionError('shape', shape, `a shape of ${d} elements, the dimension of the mixture`);
  }
  const classes = mixture.weights.length;
  const { native } = mixture;
  /** What the addon takes of rows: their levels, and the component that each has for its class. */
  const placed = (levels: readonly Level[], labels: Int32Array | undefined) => {
    if (labels && !conditional) {
      throw new OptionError('labels', labels, 'left out: this mixture was not made conditional');
    }
    labels?.forEach((label, i) => {
      if (label >= 0 && label < classes) return;
      throw new OptionError(`labels[${i}]`, label, `a component from 0 to ${classes - 1}`);
    });
    const rows = Float64Array.from({ length: 2 * levels.length }, (_, i) => {
      const { alpha, sigma } = levels[i >> 1]!;
      return i % 2 === 0 ? alpha : sigma;
    });
    return { levels: rows, components: labels };
  };
  const closedForm: ClosedForm = {
    evaluate(x, levels, labels) {
      const out = new Float64Array(x.length);
      native.score({ x, ...placed(levels, labels) }, out);
      return out;
    },
    jvp(x, v, levels, labels) {
      const out = new Float64Array(x.length);
      native.product({ x, ...placed(levels, labels) }, v, out);
      return out;
    },
    divergence(x, levels, labels) {
      const out = new Float64Array(levels.length);
      native.divergence({ x, ...placed(levels, labels) }, out);
      return out;
    },
    commands: {
      jvp(device, x, v, out, levels, labels) {
        device.mixtureProduct(out, native, { x, ...placed(levels, labels) }, v);
      },
      divergence(device, x, out, levels, labels) {
        device.mixtureDivergence(out, native, { x, ...placed(levels, labels) });
      },
    },
  };
  const evaluate: ScoreModel['evaluate'] = (x, levels, output, labels) => {
    native.score({ x, ...placed(levels, labels) }, output);
  };
  setCommands(evaluate, (device, x, output) => (levels, labels) => {
    device.mixtureScore(output, native, { x, ...placed(levels, labels) });
  });
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
    evaluate,
    ...closable(() => Promise.resolve()),
  };
}
