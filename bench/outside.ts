// npm run bench -- outside: what a step of 64 digits costs outside its networks, with guidance and given a measurement. The same steps are made
// with networks that compute next to nothing (their calls included) in turns with the embedded ones; processor time, one thread.
import { loadClassifier, type Classifier } from '../src/control/classifier.js';
import { embeddedClassifier } from '../src/control/describe.js';
import { maskFromName } from '../src/control/from-name.js';
import { guide } from '../src/control/guidance.js';
import { blur, inpainting } from '../src/control/operators.js';
import { restore } from '../src/control/restore.js';
import { setThreads } from '../src/device/addon.js';
import { makeModel, modelBytes, withMetadata, type Model } from '../src/onnx/file/model.js';
import type { NodeProto } from '../src/onnx/file/proto.js';
import { makeTensor } from '../src/onnx/file/tensor.js';
import { makeNode, makeValueInfo } from '../src/onnx/graph/graph.js';
import { sample } from '../src/sampling/sample.js';
import type { ScoreModel } from '../src/score/model.js';
import { embeddedModel } from '../src/score/network/embedded.js';
import { loadModel } from '../src/score/network/load.js';
import { printTable } from './measure.js';

const SHAPE = [1, 28, 28];
const batch = { count: 64, batch: 64, solver: 'ddim' } as const;
const ROUNDS = 3;
const one = { threads: 1, probe: false };

/** What the work of a row of the table takes. */
interface Networks {
  readonly plain: ScoreModel;
  readonly conditional: ScoreModel;
  readonly classifier: Classifier;
}

type Work = (of: Networks, steps: number) => PromiseLike<unknown>;

/** A network of one operator or so. */
function smallModel(
  node: NodeProto[],
  shape: readonly (number | string)[],
  metadata: Readonly<Record<string, string>>,
): Model {
  const float = (name: string, dims: readonly (number | string)[]) =>
    makeValueInfo(name, { type: 'float32', shape: dims });
  const graph = {
    ...{ name: 'small', value_info: [], node },
    initializer: [
      makeTensor('weight', 'float32', [784, 10], new Array<number>(7840).fill(0.01)),
      makeTensor('no', 'float32', [], [0]),
      makeTensor('most', 'float32', [], [0.999]),
      makeTensor('axes', 'int64', [3], [1, 2, 3]),
    ],
    input: [
      float('x', ['N', ...SHAPE]),
      float('t', ['N']),
      ...('fastsde.null_class' in metadata ? [makeValueInfo('class', { type: 'int64', shape: ['N'] })] : []),
    ],
    output: [float('y', shape)],
  };
  const opset_import = [{ domain: '', version: 18 }];
  const model = makeModel({ ir_version: 8, opset_import, metadata_props: [], functions: [], graph });
  return withMetadata(model, { 'fastsde.sde': 'vp', ...metadata });
}

async function smallNetworks(): Promise<Networks> {
  const eps = { 'fastsde.parameterization': 'eps' };
  const scaled = makeNode('Mul', ['x', 'most'], ['y']);
  const ofClass = [
    makeNode('Cast', ['class'], ['float'], { to: 1 }),
    makeNode('Mul', ['float', 'no'], ['none']),
    makeNode('Unsqueeze', ['none', 'axes'], ['spread']),
    makeNode('Mul', ['x', 'most'], ['bounded']),
    makeNode('Add', ['bounded', 'spread'], ['y']),
  ];
  const logits = [makeNode('Flatten', ['x'], ['flat']), makeNode('MatMul', ['flat', 'weight'], ['y'])];
  const classes = { 'fastsde.classes': '10', 'fastsde.null_class': '10' };
  return {
    plain: await loadModel(modelBytes(smallModel([scaled], ['N', ...SHAPE], eps)), one),
    conditional: await loadModel(
      modelBytes(smallModel(ofClass, ['N', ...SHAPE], { ...eps, ...classes })),
      one,
    ),
    classifier: await loadClassifier(
      modelBytes(smallModel(logits, ['N', 10], { 'fastsde.kind': 'classifier', 'fastsde.classes': '10' })),
      { threads: 1 },
    ),
  };
}

export async function run(): Promise<void> {
  setThreads(1);
  const small = await smallNetworks();
  const embedded: Networks = {
    plain: await loadModel(embeddedModel('vp'), one),
    conditional: await loadModel(embeddedModel('conditional'), one),
    classifier: await loadClassifier(embeddedClassifier(), { threads: 1 }),
  };
  const networks = [small, embedded];
  const values = Float32Array.from({ length: 784 }, (_, i) => Math.sin(i));
  const half = { operator: inpainting(maskFromName('half:bottom', SHAPE), SHAPE), values };
  const blurred = { operator: blur(3, SHAPE), values, noise: 0.05 };
  const mmps = (iterations: number) => ({ ...batch, method: 'mmps', iterations }) as const;
  const free = { kind: 'classifier-free', scale: 2 } as const;
  const work: Readonly<Record<string, Work>> = {
    'not guided': ({ plain }, steps) => sample(plain, { ...batch, steps }),
    'classifier-free': ({ conditional }, steps) =>
      sample(guide(conditional, free), { ...batch, classLabel: 3, steps }),
    'classifier-free, rescaled': ({ conditional }, steps) =>
      sample(guide(conditional, { ...free, rescale: 0.7 }), { ...batch, classLabel: 3, steps }),
    classifier: ({ plain, classifier }, steps) =>
      sample(guide(plain, { kind: 'classifier', classifier, scale: 2 }), { ...batch, classLabel: 3, steps }),
    pigdm: ({ plain }, steps) => restore(plain, half, { ...batch, method: 'pigdm', steps }),
    'mmps, 1 iteration': ({ plain }, steps) => restore(plain, half, { ...mmps(1), steps }),
    'mmps, 3 iterations': ({ plain }, steps) => restore(plain, half, { ...mmps(3), steps }),
    'mmps, 3 iterations, a blur': ({ plain }, steps) => restore(plain, blurred, { ...mmps(3), steps }),
  };
  /** Milliseconds of processor time of a step, what a run takes beside its steps left out. */
  const step = async (draw: Work, of: Networks, [few, many]: readonly [number, number]): Promise<number> => {
    const time = async (steps: number): Promise<number> => {
      const before = process.cpuUsage();
      await draw(of, steps);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    };
    const short = await time(few);
    return ((await time(many)) - short) / (many - few);
  };
  const rows: string[][] = [];
  for (const [name, draw] of Object.entries(work)) {
    // The first ones make what is made once.
    for (const of of networks) await draw(of, 1);
    const rounds: [number, number][] = [];
    for (let round = 0; round < ROUNDS; round++)
      rounds.push([await step(draw, small, [20, 220]), await step(draw, embedded, [2, 6])]);
    const median = (of: number[]) => of.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
    const [outside, whole] = [median(rounds.map(([of]) => of)), median(rounds.map(([, of]) => of))];
    const share = `${((100 * outside) / whole).toFixed(2)} %`;
    rows.push([name, '', outside.toFixed(2), whole.toFixed(1), share]);
  }
  printTable(['a step of 64 digits', '', 'ms without networks', 'ms', 'share'], rows);
  for (const { plain, conditional, classifier } of networks)
    await Promise.all([plain.close(), conditional.close(), classifier.close?.()]);
}
