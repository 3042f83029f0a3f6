import test from 'ava';

import { OptionError } from '../../src/errors.js';
import { fillNormal } from '../../src/device/kernels.js';
import { buildNetwork } from '../../src/networks/build.js';
import type { NetworkDescription } from '../../src/networks/description.js';
import { withoutDropout } from '../../src/networks/dropout.js';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';
import { makeNode } from '../../src/onnx/graph/graph.js';
import { makeModel, modelBytes, withMetadata, type Model } from '../../src/onnx/file/model.js';
import { readMetadata } from '../../src/score/network/metadata.js';
import { loadModel } from '../../src/score/network/load.js';
import { levelAt } from '../../src/sde/level.js';

const sizes = { channels: [8, 16], blocks: 1, embedding: 16 } as const;
const unet = { kind: 'unet', shape: [1, 8, 8], sde: 'vp', parameterization: 'eps', ...sizes } as const;

function weights(model: Model): Map<string, Float32Array> {
  return parameterValues(model, parameterNames(model, 'all'));
}

/** A state of unit variance. */
function normal(count: number, seed: bigint): Float32Array {
  const x = new Float32Array(count);
  fillNormal(x, 1, { seed, samples: 0, step: 0, stream: 16 });
  return x;
}

test('a description and a seed give the same bits, another seed others', (t) => {
  const bytes = Buffer.from(modelBytes(buildNetwork(unet, 5n)));
  t.true(bytes.equals(modelBytes(buildNetwork({ ...unet }, 5n))));
  t.false(bytes.equals(modelBytes(buildNetwork(unet, 6n))));
});

test('initial weights are uniform up to the root of the inverse number of inputs', (t) => {
  const values = weights(buildNetwork({ ...unet, channels: [32, 64] }, 1n));
  const weight = values.get('encoder.1.0.conv1.weight')!;
  const bound = 1 / Math.sqrt(64 * 9);
  const mean = weight.reduce((sum, value) => sum + value, 0) / weight.length;
  const square = weight.reduce((sum, value) => sum + value ** 2, 0) / weight.length;
  t.true(weight.every((value) => Math.abs(value) < bound));
  // Five standard errors of a uniform law's mean and mean square.
  t.true(Math.abs(mean) < (5 * bound) / Math.sqrt(3 * weight.length));
  t.true(Math.abs(square / (bound ** 2 / 3) - 1) < 5 * Math.sqrt(0.8 / weight.length));
  t.notDeepEqual(weight, values.get('encoder.1.0.conv2.weight'));
});

const untrained: NetworkDescription[] = [
  { kind: 'mlp', shape: [2], sde: 've', parameterization: 'score' },
  { kind: 'mlp', shape: [3], sde: 'subvp', parameterization: 'x0', precondition: { mean: 0.1, std: 0.6 } },
  { kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'v', labels: 'c-noise' },
  { kind: 'mlp', shape: [2], sde: 'edm', parameterization: 'edm', sigmaData: 0.7 },
  { kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'eps', labels: 'dpm-solver' },
  { ...unet, precondition: { mean: -0.7, std: 0.6 } },
  { ...unet, labels: 'index', trainedLevels: 50, precondition: { mean: 0.1, std: 0.5 } },
  { ...unet, sde: 've', parameterization: 'score', labels: 'reversed-index', trainedLevels: 20 },
];

for (const description of untrained) {
  const {
    kind,
    sde,
    parameterization,
    labels = 'default',
  } = description as typeof unet & { labels?: string };
  test(`an untrained ${kind} has the score of normal data: ${sde}, ${parameterization}, ${labels} labels`, async (t) => {
    const model = await loadModel(modelBytes(buildNetwork(description, 2n)));
    t.deepEqual(model.warnings, []);
    const { ladder } = model;
    const times = Float64Array.of(0.05, 0.4, 0.95);
    const index = Int32Array.of(0, 7, (ladder?.levels ?? 1) - 1);
    const levels = Array.from(times, (time, i) => levelAt(model, time, ladder && index[i]));
    const width = description.shape.reduce((product, size) => product * size, 1);
    const x = normal(3 * width, 4n);
    const output = new Float32Array(x.length);
    await model.evaluate(x, levels, output);

    const [low, high] = model.sde.dataRange;
    const { sigmaData } = description as { sigmaData?: number };
    const { mean, std } = description.precondition ?? {
      mean: sigmaData === undefined ? (low + high) / 2 : 0,
      std: sigmaData ?? (high - low) / 4,
    };
    for (const [row, level] of levels.entries()) {
      const { alpha, sigma } = level;
      const { state, output: factor } = model.coefficients(level);
      const variance = sigma ** 2 + (alpha * std) ** 2;
      for (let i = row * width; i < (row + 1) * width; i++) {
        const expected = -(x[i]! - alpha * mean) / variance;
        const score = state * x[i]! + factor * output[i]!;
        // The score of x0 and v is a difference of terms of the size 1 / sigma^2.
        t.true(
          Math.abs(score - expected) < (1e-5 * (1 + Math.abs(x[i]!))) / sigma ** 2,
          `${score} ${expected}`,
        );
      }
    }
    await model.close();
  });
}

test('a row does not depend on the rows beside it', async (t) => {
  const built = buildNetwork({ ...unet, attention: [0, 1], parameterization: 'edm' }, 3n);
  // Without zeros, so that every layer takes part.
  const model = await loadModel(modelBytes(randomised(built)), { probe: false });
  const x = normal(4 * 64, 1n);
  const other = normal(4 * 64, 2n);
  other.set(x.subarray(64, 128), 64);
  const outputs = [x, other].map(() => new Float32Array(x.length));
  const levels = (...times: number[]) => times.map((time) => levelAt(model, time));
  await model.evaluate(x, levels(0.1, 0.2, 0.3, 0.4), outputs[0]!);
  await model.evaluate(other, levels(0.9, 0.2, 0.8, 0.7), outputs[1]!);
  t.deepEqual(outputs[0]!.subarray(64, 128), outputs[1]!.subarray(64, 128));
  t.notDeepEqual(outputs[0]!.subarray(0, 64), outputs[1]!.subarray(0, 64));
  await model.close();
});

/** The model with every weight drawn at random. */
function randomised(model: Model): Model {
  const { graph } = model.proto;
  const trained = new Set(parameterNames(model, 'all'));
  const initializer = graph.initializer.map((tensor, i) => {
    if (!trained.has(tensor.name!)) return tensor;
    const values = normal(tensor.raw_data!.length / 4, BigInt(i)).map((value) => 0.2 * value);
    return { ...tensor, raw_data: new Uint8Array(values.buffer) };
  });
  return makeModel({ ...model.proto, graph: { ...graph, initializer } });
}

test('a conditional network takes its classes and one more for no class', async (t) => {
  const model = await loadModel(modelBytes(randomised(buildNetwork({ ...unet, classes: 3 }))), {
    probe: false,
  });
  t.is(model.classes, 3);
  t.is(model.nullClass, 3);
  const x = normal(64, 1n);
  const evaluate = async (label: number): Promise<Float32Array> => {
    const output = new Float32Array(64);
    await model.evaluate(x, [levelAt(model, 0.5)], output, Int32Array.of(label));
    return output;
  };
  t.notDeepEqual(await evaluate(0), await evaluate(3));
  await t.throwsAsync(evaluate(4), { instanceOf: OptionError, message: /from 0 to 2, or 3 for no class/ });
  await model.close();
});

test('dropout masks are inputs that the model to sample with does not have', async (t) => {
  const masked = buildNetwork({ ...unet, dropout: 0.1 });
  const names = masked.inputs.map(({ name }) => name);
  t.deepEqual(names.slice(0, 2), ['x', 't']);
  t.deepEqual(names.slice(2), ['dropout.encoder.0.0', 'dropout.encoder.1.0', 'dropout.decoder.0.0']);
  t.is(readMetadata(masked.metadata).dropout, 0.1);

  const plain = withoutDropout(masked);
  t.deepEqual(
    plain.inputs.map(({ name }) => name),
    ['x', 't'],
  );
  t.is(readMetadata(plain.metadata).dropout, undefined);
  await (await loadModel(modelBytes(plain))).close();
  t.is(withoutDropout(plain), plain);
});

test('a mask that does not multiply is refused', (t) => {
  const model = buildNetwork({ ...unet, dropout: 0.1 });
  const { graph } = model.proto;
  const odd = makeNode('Add', ['dropout.encoder.0.0', 'dropout.encoder.0.0'], ['odd']);
  const changed = makeModel({ ...model.proto, graph: { ...graph, node: [odd, ...graph.node] } });
  t.throws(() => withoutDropout(changed), { code: 'ERR_FASTSDE_MODEL', message: /dropout mask/ });
});

test('a classifier says what it is, and is not taken for a score network', async (t) => {
  const model = buildNetwork({ kind: 'classifier', shape: [1, 8, 8], sde: 'vp', classes: 4, ...sizes });
  t.deepEqual(model.outputs, [{ name: 'logits', type: 'float32', shape: ['N', 4] }]);
  t.like(readMetadata(model.metadata), { kind: 'classifier', sde: 'vp', labels: 't*999', classes: 4 });
  await t.throwsAsync(loadModel(modelBytes(model)), { message: /classifier/ });
});

test('the description is recorded in the file', (t) => {
  const model = withMetadata(buildNetwork(unet), { note: 'x' });
  t.deepEqual(JSON.parse(model.metadata.get('fastsde.network')!), unet);
});
