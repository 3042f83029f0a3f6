import { parameterNames, parameterValues } from '../src/autodiff/parameters.js';
import { trainingGraph } from '../src/autodiff/training.js';
import { inferTypes } from '../src/onnx/graph/infer.js';
import { modelBytes, type Model } from '../src/onnx/file/model.js';
import { createSession, type Session, type Tensor } from '../src/onnx/run/runtime.js';
import { elementCount } from '../src/shape.js';
import { buildNetwork } from '../src/networks/build.js';
import type { NetworkDescription } from '../src/networks/description.js';
import { defaultNetwork } from '../src/networks/presets.js';
import { printTable } from './measure.js';

const eps = { sde: 'vp', parameterization: 'eps' } as const;
const NETWORKS: readonly [string, NetworkDescription, number][] = [
  ['MLP, 2 features', { ...defaultNetwork([2]), ...eps }, 512],
  ['U-Net, 1 x 28 x 28', { ...defaultNetwork([1, 28, 28]), ...eps }, 32],
  ['U-Net, 3 x 32 x 32', { ...defaultNetwork([3, 32, 32]), ...eps }, 32],
  ['U-Net, 3 x 64 x 64', { ...defaultNetwork([3, 64, 64]), ...eps }, 8],
  ['classifier, 1 x 28 x 28', { kind: 'classifier', shape: [1, 28, 28], classes: 10, sde: 'vp' }, 32],
];

/** Multiply-adds of convolutions and matrix products for one sample. */
async function multiplyAdds(model: Model): Promise<number> {
  const types = await inferTypes(model.proto, model.folder);
  const dims = new Map(model.proto.graph.initializer.map((tensor) => [tensor.name, tensor.dims]));
  const size = (name: string | undefined): number[] =>
    dims.get(name) ?? (types.get(name ?? '')?.shape ?? []).slice(1).map(Number);
  return model.proto.graph.node.reduce((total, { op_type: operator, input, output }) => {
    const result = size(output[0]);
    if (operator === 'Conv') return total + elementCount(size(input[1])) * elementCount(result.slice(1));
    if (operator === 'Gemm') return total + elementCount(size(input[1]));
    return operator === 'MatMul' ? total + elementCount(result) * size(input[0]).at(-1)! : total;
  }, 0);
}

/** Milliseconds of processor time for one sample, the best of 5. */
async function milliseconds(session: Session, feeds: Record<string, Tensor>, batch: number): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 6; i++) {
    const start = process.cpuUsage();
    await session.run(feeds);
    const { user, system } = process.cpuUsage(start);
    if (i > 0) best = Math.min(best, (user + system) / 1e3);
  }
  await session.release();
  return best / batch;
}

/** Parameters, multiply-adds and times of the default networks, one thread. */
export async function run(): Promise<void> {
  const rows: string[][] = [];
  for (const [name, description, batch] of NETWORKS) {
    const model = buildNetwork(description);
    const values = parameterValues(model, parameterNames(model, 'all'));
    const count = [...values.values()].reduce((sum, { length }) => sum + length, 0);
    const dims = [batch, ...description.shape];
    const x = { data: Float32Array.from({ length: elementCount(dims) }, (_, i) => Math.sin(i)), dims };
    const feeds = { x, t: { data: new Float32Array(batch).fill(500), dims: [batch] } };
    const classifier = description.kind === 'classifier';
    const graph = await trainingGraph(model, {
      loss: { kind: classifier ? 'cross-entropy' : 'mean-squared-error' },
    });
    const trained = {
      ...feeds,
      ...(classifier ? { labels: { data: new BigInt64Array(batch), dims: [batch] } } : { target: x }),
      ...Object.fromEntries(
        graph.parameters.map(({ name: each, shape }) => [each, { data: values.get(each)!, dims: shape }]),
      ),
    };
    const forward = await createSession(modelBytes(model), { threads: 1 });
    const step = await createSession(modelBytes(graph.model), { threads: 1 });
    rows.push([
      name,
      count.toLocaleString('en'),
      `${((await multiplyAdds(model)) / 1e6).toPrecision(3)} M`,
      (await milliseconds(forward, feeds, batch)).toPrecision(2),
      (await milliseconds(step, trained, batch)).toPrecision(2),
    ]);
  }
  printTable(['network', 'parameters', 'multiply-adds', 'run, ms', 'training, ms'], rows);
}
