import { OptionError } from '../errors.js';
import { DATA_TYPES } from '../onnx/file/tensor.js';
import type { ModelDescription } from '../score/network/description.js';
import type { NetworkGraph, Activation } from './graph.js';

/** alpha and sigma of x_t | x_0 ~ N(alpha x_0, sigma^2 I); each [N]. */
export interface MarginalValues {
  readonly alpha: Activation;
  readonly sigma: Activation;
}

type Process = Pick<ModelDescription, 'sde' | 'ladder' | 'labels' | 'levels'>;

/**
 * The marginal at the label that the network is fed: the label rule turned around, as nodes.
 * @param label [N]
 * @throws OptionError for a label rule from which this SDE's marginal cannot be found.
 */
export function marginal(g: NetworkGraph, label: Activation, process: Process): MarginalValues {
  return ofLevel(g, label, process) ?? ofRatio(g, label, process) ?? ofTime(g, label, process);
}

/**
 * The noise level ln(sigma / alpha) / 4 (Karras et al. 2022, Table 1), with sigma in halves of the data range: in the same
 * units for every SDE, so that networks can pass weights to each other.
 */
export function noiseLevel(
  g: NetworkGraph,
  { alpha, sigma }: MarginalValues,
  [low, high]: readonly [number, number],
): Activation {
  const ratio = g.arithmetic('Mul', g.arithmetic('Div', sigma, alpha), 2 / (high - low));
  return g.arithmetic('Mul', g.op('Log', [ratio], []), 0.25);
}

/** Trained levels: two tables. */
function ofLevel(
  g: NetworkGraph,
  label: Activation,
  { ladder, labels }: Process,
): MarginalValues | undefined {
  if (ladder === undefined) return undefined;
  const reversed = labels.name === 'reversed-index';
  const index = g.op('Cast', [label], [], { to: DATA_TYPES.int64 });
  const table = (name: string, values: Float64Array): Activation =>
    g.op('Gather', [g.constant(name, reversed ? [...values].reverse() : [...values]), index], []);
  return { alpha: table('alphas', ladder.alpha), sigma: table('sigmas', ladder.sigma) };
}

/** Labels that name sigma, or sigma / alpha. */
function ofRatio(g: NetworkGraph, label: Activation, { sde, labels }: Process): MarginalValues | undefined {
  if (!['sigma', 'log-sigma', 'c-noise'].includes(labels.name)) return undefined;
  const scaled = labels.name === 'c-noise' ? g.arithmetic('Mul', label, 4) : label;
  const ratio = labels.name === 'sigma' ? label : g.op('Exp', [scaled], []);
  if (sde.name === 've' || sde.name === 'edm') return { alpha: one(g), sigma: ratio };
  if (sde.name === 'vp' && labels.name === 'c-noise') {
    // alpha^2 + sigma^2 = 1.
    const total = g.arithmetic('Add', g.arithmetic('Mul', ratio, ratio), 1);
    const alpha = g.op('Reciprocal', [g.op('Sqrt', [total], [])], []);
    return { alpha, sigma: g.arithmetic('Mul', ratio, alpha) };
  }
  throw new OptionError(
    'network.labels',
    labels.name,
    `a multiple of time, such as 't*999', for ${sde.name}`,
  );
}

/** Labels that name a time. */
function ofTime(g: NetworkGraph, label: Activation, { sde, labels, levels }: Process): MarginalValues {
  // Rules of time are affine.
  const at = (t: number): number => labels.label({ t, alpha: NaN, sigma: NaN, lambda: NaN }, levels);
  const offset = at(0);
  const shifted = offset === 0 ? label : g.arithmetic('Sub', label, offset);
  const t = g.arithmetic('Div', shifted, at(1) - offset);
  switch (sde.name) {
    case 'vp':
    case 'subvp': {
      const { beta0 = NaN, beta1 = NaN } = sde.constants;
      const slope = g.arithmetic('Add', g.arithmetic('Mul', t, 0.5 * (beta1 - beta0)), beta0);
      const integral = g.arithmetic('Mul', t, slope);
      const half = g.arithmetic('Mul', integral, 0.5);
      const alpha = g.op('Exp', [g.op('Neg', [half], [])], []);
      // 1 - exp(-B) = tanh(B / 2) (1 + exp(-B)) without cancellation for small B.
      const decay = g.op('Exp', [g.op('Neg', [integral], [])], []);
      const spent = g.arithmetic('Mul', g.op('Tanh', [half], []), g.arithmetic('Add', decay, 1));
      return { alpha, sigma: sde.name === 'vp' ? g.op('Sqrt', [spent], []) : spent };
    }
    case 've': {
      const { sigmaMin = NaN, sigmaMax = NaN } = sde.constants;
      const rise = g.arithmetic('Mul', t, Math.log(sigmaMax / sigmaMin));
      return { alpha: one(g), sigma: g.op('Exp', [g.arithmetic('Add', rise, Math.log(sigmaMin))], []) };
    }
    case 'edm':
      return { alpha: one(g), sigma: t };
    case 'flow':
      return { alpha: g.arithmetic('Add', g.op('Neg', [t], []), 1), sigma: t };
    case 'custom':
      throw new OptionError('network.sde', sde.name, 'the name of an SDE');
  }
}

function one(g: NetworkGraph): Activation {
  return { name: g.scalar(1), shape: [] };
}
