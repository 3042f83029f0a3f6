import { ModelError } from '../errors.js';
import { trainingGraphOf } from '../autodiff/training.js';
import { rowTensor, type Criterion, type TrainedNetwork } from './criterion.js';
import { denoisingTarget } from './target.js';
import { weightingOf, type WeightingOptions } from './weighting.js';

/**
 * Denoising score matching, lambda(t) |s_theta - s*|^2 per element with s* = -z / sigma, told in the network's output:
 * lambda(t) q^2 |F - F*|^2.
 */
export function denoising(
  { model, roles, description }: TrainedNetwork,
  options: WeightingOptions,
): Criterion {
  const { parameterization, sigmaData } = description;
  const lambda = weightingOf(description, options);
  const target: Criterion['target'] = (marginal) => denoisingTarget(parameterization, marginal, sigmaData);
  return {
    target,
    async trainingGraph(parameters, form) {
      const { name: output } = roles.output;
      const loss = { kind: 'mean-squared-error', output, target: 'target', weight: 'weight' } as const;
      const graph = await trainingGraphOf(model, { loss, parameters }, form);
      // What a file says of its output need not be true; the target has the shape that it really has.
      const shape = graph.data.find(({ name }) => name === 'target')?.shape?.slice(1);
      if (shape?.every((size) => typeof size === 'number') && shape.join() !== description.shape.join()) {
        throw new ModelError(
          `The network's output "${output}" has the shape [${shape.join(', ')}] for samples of shape ` +
            `[${description.shape.join(', ')}]; a score network's output has that of its samples.`,
        );
      }
      return graph;
    },
    feeds: (points) => ({
      weight: rowTensor(points, (point) => point.weight * lambda(point) * point.target!.error),
    }),
  };
}
