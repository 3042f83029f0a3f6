import type { Parameterization } from '../score/model.js';
import type { NetworkGraph, Activation } from './graph.js';
import type { MarginalValues } from './marginal.js';

/** Mean m and standard deviation d of the data's elements. */
export interface DataMoments {
  readonly mean: number;
  readonly std: number;
}

/** A state made ready for a network, and the way back. */
export interface Preconditioned {
  /** u = (x - alpha m) / s with s^2 = sigma^2 + (alpha d)^2: mean 0 and variance 1 at every noise level. */
  readonly input: Activation;
  /** The output in the given parameterization, from the network's F(u) in the shape of x. */
  output(network: Activation, parameterization: Exclude<Parameterization, 'edm'>): Activation;
}

/**
 * The preconditioning of Karras et al. 2022 (section 5 and Table 1) for any alpha, with the mean of the data taken out.
 * F = 0 predicts as if the data were normal with these moments, and the network is trained towards F of variance 1:
 *
 *     x0    = m + (alpha d^2 / s) u + (sigma d / s) F
 *     eps   = (sigma / s) u - (alpha d / s) F
 *     score = -eps / sigma
 *     v     = alpha eps - sigma x0
 */
export function precondition(
  g: NetworkGraph,
  x: Activation,
  { alpha, sigma }: MarginalValues,
  { mean, std }: DataMoments,
): Preconditioned {
  const ones = x.shape.map(() => 1);
  const column = (value: Activation): Activation => g.reshape(value, ones);
  const square = (value: Activation): Activation => g.arithmetic('Mul', value, value);
  const times = (left: Activation, right: Activation | number): Activation =>
    g.arithmetic('Mul', left, right);
  const over = (left: Activation, right: Activation): Activation => g.arithmetic('Div', left, right);
  const signal = times(alpha, std);
  const s = g.op('Sqrt', [g.arithmetic('Add', square(sigma), square(signal))], []);
  const centred = mean === 0 ? x : g.arithmetic('Sub', x, column(times(alpha, mean)));
  const input = over(centred, column(s));
  return {
    input,
    output(network, parameterization) {
      const affine = (state: Activation, output: Activation, constant?: Activation): Activation => {
        const linear = g.arithmetic('Add', times(column(state), input), times(column(output), network));
        return constant === undefined ? linear : g.arithmetic('Add', linear, column(constant));
      };
      const negative = (value: Activation): Activation => g.op('Neg', [value], []);
      switch (parameterization) {
        case 'eps':
          return affine(over(sigma, s), negative(over(signal, s)));
        case 'score':
          return affine(negative(g.op('Reciprocal', [s], [])), over(signal, times(sigma, s)));
        case 'x0': {
          const linear = affine(over(times(signal, std), s), over(times(sigma, std), s));
          return mean === 0 ? linear : g.arithmetic('Add', linear, mean);
        }
        case 'flow':
        case 'reversed-flow': {
          // z - x_0: (sigma - alpha d^2) / s, -(alpha + sigma) d / s, and the mean.
          const sum = g.arithmetic('Add', alpha, sigma);
          const state = over(g.arithmetic('Sub', sigma, times(signal, std)), s);
          const output = over(times(sum, std), s);
          const linear =
            parameterization === 'flow' ? affine(state, negative(output)) : affine(negative(state), output);
          const offset = parameterization === 'flow' ? -mean : mean;
          return mean === 0 ? linear : g.arithmetic('Add', linear, offset);
        }
        case 'v': {
          // alpha sigma / s (1 - d^2), and -(alpha^2 + sigma^2) d / s.
          const state = times(over(times(alpha, sigma), s), 1 - std ** 2);
          const total = g.arithmetic('Add', square(alpha), square(sigma));
          const output = negative(over(times(total, std), s));
          return affine(state, output, mean === 0 ? undefined : times(sigma, -mean));
        }
      }
    },
  };
}
