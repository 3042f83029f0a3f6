import { trainingGraph } from '../onnx/autodiff/training.js';
import { rowTensor, type Form, type TrainedNetwork } from './form.js';
import { denoisingTarget } from './target.js';
import { weightingOf, type WeightingOptions } from './weighting.js';

/**
 * Denoising score matching, lambda(t) |s_theta - s*|^2 per element with s* = -z / sigma, told in the network's output:
 * lambda(t) q^2 |F - F*|^2.
 */
export function denoising({ model, roles, description }: TrainedNetwork, options: WeightingOptions): Form {
  const { parameterization, sigmaData } = description;
  const lambda = weightingOf(description, options);
  const target: Form['target'] = (marginal) => denoisingTarget(parameterization, marginal, sigmaData);
  return {
    target,
    trainingGraph: (parameters) =>
      trainingGraph(model, {
        loss: { kind: 'mean-squared-error', output: roles.output.name, target: 'target', weight: 'weight' },
        parameters,
      }),
    feeds: (points) => ({
      weight: rowTensor(points, (point) => point.weight * lambda(point.t, point) * target(point).error),
    }),
  };
}
