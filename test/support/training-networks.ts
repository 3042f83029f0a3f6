import { makeNode, makeValueInfo } from '../../src/onnx/graph/graph.js';
import { makeModel, modelBytes, withMetadata, type Model } from '../../src/onnx/file/model.js';
import type { NodeProto, TensorProto } from '../../src/onnx/file/proto.js';
import { createSession, type Tensor } from '../../src/onnx/run/runtime.js';
import { makeTensor } from '../../src/onnx/file/tensor.js';
import { parameterValues } from '../../src/autodiff/parameters.js';
import type { TrainingGraph } from '../../src/autodiff/training.js';
import { metadataProperties, type ModelMetadata } from '../../src/score/network/metadata.js';
import type { Parameterization } from '../../src/score/model.js';
import { scrambled } from './native-reference.js';

/** Writes small graphs: every call adds a node and returns the name of its value. */
export class Sketch {
  readonly nodes: NodeProto[] = [];
  readonly tensors: TensorProto[] = [];

  op(operator: string, ...inputs: (string | number)[]): string {
    return this.with(operator, {}, ...inputs);
  }

  with(operator: string, attributes: Parameters<typeof makeNode>[3], ...inputs: (string | number)[]): string {
    const names = inputs.map((input) => (typeof input === 'number' ? this.tensor([], [input]) : input));
    const name = `${operator}.${this.nodes.length}`;
    this.nodes.push(makeNode(operator, names, [name], attributes));
    return name;
  }

  tensor(
    dims: readonly number[],
    values: readonly number[],
    name = `constant.${this.tensors.length}`,
  ): string {
    this.tensors.push(makeTensor(name, 'float32', dims, values));
    return name;
  }

  ints(...values: number[]): string {
    const name = `ints.${this.tensors.length}`;
    this.tensors.push(makeTensor(name, 'int64', [values.length], values));
    return name;
  }

  /** A model from x [N, ...shape], t [N] and other inputs to `value`, which becomes the output "out". */
  model(
    value: string,
    shape: readonly number[],
    metadata: ModelMetadata,
    {
      inputs = {},
      outputs = shape,
    }: { inputs?: Record<string, readonly number[]>; outputs?: readonly number[] } = {},
  ): Model {
    const info = (name: string, sizes: readonly number[]) =>
      makeValueInfo(name, { type: 'float32', shape: ['N', ...sizes] });
    const graph = {
      node: [...this.nodes, makeNode('Identity', [value], ['out'])],
      name: 'test',
      initializer: this.tensors,
      input: Object.entries({ x: shape, t: [], ...inputs }).map(([name, sizes]) => info(name, sizes)),
      output: [info('out', outputs)],
      value_info: [],
    };
    const opset_import = [{ domain: '', version: 20 }];
    const model = makeModel({ ir_version: 8, opset_import, metadata_props: [], functions: [], graph });
    return withMetadata(model, metadataProperties({ shape, ...metadata }));
  }
}

/**
 * The exact network for data N(0, variance) in every coordinate, in any parameterization; it takes sigma as its label, and
 * knows alpha from it. `variance` is its one parameter, "variance.weight".
 */
export function gaussianNetwork(
  sde: 'vp' | 've',
  parameterization: Parameterization,
  variance: number,
  dimension = 2,
  sigmaData = 0.5,
): Model {
  const g = new Sketch();
  const sigma = g.op('Unsqueeze', 't', g.ints(1));
  const sigma2 = g.op('Mul', sigma, sigma);
  const alpha2 = sde === 'vp' ? g.op('Sub', 1, sigma2) : g.op('Mul', sigma2, 0);
  const one = sde === 'vp' ? alpha2 : g.op('Add', alpha2, 1);
  const alpha = g.op('Sqrt', one);
  const c2 = g.tensor([1], [variance], 'variance.weight');
  const preconditioned = g.op('Add', sigma2, g.op('Mul', one, sigmaData ** 2));
  const x = parameterization === 'edm' ? g.op('Mul', 'x', g.op('Sqrt', preconditioned)) : 'x';
  const ratio = g.op('Div', x, g.op('Add', g.op('Mul', one, c2), sigma2));
  const eps = g.op('Mul', sigma, ratio);
  const x0 = g.op('Mul', g.op('Mul', alpha, c2), ratio);
  const out = {
    score: () => g.op('Neg', ratio),
    eps: () => eps,
    x0: () => x0,
    v: () => g.op('Sub', g.op('Mul', alpha, eps), g.op('Mul', sigma, x0)),
    flow: () => g.op('Sub', eps, x0),
    'reversed-flow': () => g.op('Sub', x0, eps),
    edm: () => {
      // x0 = c_skip x / alpha + c_out F, at the noise level sigma / alpha.
      const skip = g.op('Div', g.op('Mul', alpha, sigmaData ** 2), preconditioned);
      const factor = g.op('Div', g.op('Mul', sigma, sigmaData), g.op('Sqrt', preconditioned));
      return g.op('Div', g.op('Sub', x0, g.op('Mul', skip, x)), factor);
    },
  }[parameterization]();
  return g.model(out, [dimension], { sde, parameterization, labels: 'sigma', sigmaData });
}

/** A small network of hidden layers with an activation, with time; its output is the score. */
export function smallMlp(
  activation: string,
  { dimension = 3, seed = 1, metadata }: { dimension?: number; seed?: number; metadata?: ModelMetadata } = {},
): Model {
  const g = new Sketch();
  const width = 5;
  const weights = scrambled(200, seed);
  const time = g.op('Unsqueeze', 't', g.ints(1));
  const input = g.with('Concat', { axis: 1 }, 'x', time);
  const layer = (value: string, rows: number, columns: number, name: string) => {
    const weight = g.tensor([rows, columns], weights.splice(0, rows * columns), `${name}.weight`);
    return g.op('Gemm', value, weight, g.tensor([columns], weights.splice(0, columns), `${name}.bias`));
  };
  const act = (value: string) =>
    activation === 'SiLU' ? g.op('Mul', value, g.op('Sigmoid', value)) : g.op(activation, value);
  const hidden = act(layer(input, dimension + 1, width, 'first'));
  const out = layer(act(layer(hidden, width, width, 'second')), width, dimension, 'last');
  return g.model(out, [dimension], { sde: 've', parameterization: 'score', labels: 't', ...metadata });
}

/** Runs a training graph on its data inputs, with the model's own parameters or changed ones. */
export async function runTraining(
  graph: TrainingGraph,
  model: Model,
  tensors: Readonly<Record<string, Tensor>>,
): Promise<Record<string, Tensor>> {
  const values = parameterValues(
    model,
    graph.parameters.map(({ name }) => name),
  );
  const feeds = { ...tensors };
  for (const { name, shape } of graph.parameters) feeds[name] = { data: values.get(name)!, dims: shape };
  const session = await createSession(modelBytes(graph.model), { threads: 1 });
  const result = await session.run(feeds);
  await session.release();
  return result;
}

/** The numbers of a float32 result. */
export function numbers(tensor: Tensor | undefined): number[] {
  return Array.from(tensor!.data as Float32Array);
}

/** Mean and its standard error. */
export function meanOf(values: ArrayLike<number>): { mean: number; error: number } {
  const list = Array.from(values);
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
  const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (list.length - 1);
  return { mean, error: Math.sqrt(variance / list.length) };
}
