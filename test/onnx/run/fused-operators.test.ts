import test from 'ava';

import { trainingGraph, trainingGraphOf } from '../../../src/autodiff/training.js';
import { addon } from '../../../src/device/addon.js';
import { ModelError } from '../../../src/errors.js';
import { buildNetwork } from '../../../src/networks/build.js';
import {
  intAttribute,
  makeNode,
  makeValueInfo,
  operatorOf,
  type AttributeValue,
} from '../../../src/onnx/graph/graph.js';
import { withOwnOperators } from '../../../src/onnx/graph/fuse.js';
import { modelBytes, type Model } from '../../../src/onnx/file/model.js';
import { blockConvolutions, blockSize } from '../../../src/onnx/run/blocked.js';
import { createSession } from '../../../src/onnx/run/runtime.js';
import { uniform } from '../../support/onnx-gradcheck.js';
import { array, count, type NdArray } from '../../support/onnx-reference/array.js';
import { evaluate } from '../../support/onnx-reference/evaluate.js';
import { onnxNetwork } from '../../support/onnx-network.js';

interface Case {
  readonly operator: string;
  readonly inputs: Readonly<Record<string, NdArray>>;
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
}

/** A network of one operator. */
function single({ operator, inputs, outputs, attributes }: Case): Model {
  const { proto, ...rest } = onnxNetwork(
    [makeNode(operator, Object.keys(inputs), outputs, attributes)],
    [],
    Object.entries(inputs).map(([name, { shape }]) => makeValueInfo(name, { type: 'float32', shape })),
  );
  const graph = {
    ...proto.graph,
    output: outputs.map((name) => makeValueInfo(name, { type: 'float32' })),
  };
  return { ...rest, proto: { ...proto, opset_import: withOwnOperators(proto.opset_import), graph } };
}

async function run(each: Case): Promise<Record<string, Float32Array>> {
  const session = await createSession(modelBytes(single(each)), { threads: 1 });
  const feeds = Object.entries(each.inputs).map(
    ([name, { data, shape }]) => [name, { data: Float32Array.from(data), dims: shape }] as const,
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data as Float32Array]));
}

/** Largest difference over the largest value. */
function distance(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  const scale = Math.max(...Array.from(expected, Math.abs));
  return Math.max(...Array.from(found, (value, i) => Math.abs(value - expected[i]!))) / scale;
}

function random(seed: number, shape: readonly number[], scale = 1, shift = 0): NdArray {
  const next = uniform(seed);
  return array(
    shape,
    Float32Array.from({ length: count(shape) }, () => scale * (2 * next() - 1) + shift),
  );
}

/** Images in order, put into blocks of channels, or back. */
function reorder(
  values: ArrayLike<number>,
  shape: readonly number[],
  block: number,
  back = false,
): Float64Array {
  const [batch, channels] = shape as [number, number];
  const positions = count(shape.slice(2));
  const moved = Float64Array.from(values);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < positions; p++) {
        const plain = (n * channels + c) * positions + p;
        const row = n * channels * positions + (c - (c % block)) * positions;
        const blocked = row + p * block + (c % block);
        if (back) moved[plain] = values[blocked]!;
        else moved[blocked] = values[plain]!;
      }
  return moved;
}

const shape = [2, 48, 5, 7];
const attributes = (groups: number, silu: number, block = 1) => ({
  groups,
  silu,
  block,
  epsilon: { float: 1e-5 },
});

/** A normalisation and its gradient on the same image; the statistics are those of the first. */
function normalization(groups: number, silu: number, perSample: boolean, shift = 0) {
  const affine = perSample ? [shape[0]!, shape[1]!, 1, 1] : [shape[1]!, 1, 1];
  const inputs = {
    x: random(1, shape, 2, shift),
    gain: random(2, affine, 1, 1),
    offset: random(3, affine),
  };
  const forward: Case = {
    operator: 'fastsde:GroupNormalization',
    inputs,
    outputs: ['y', 'statistics'],
    attributes: attributes(groups, silu),
  };
  const statistics = evaluate(single(forward), inputs).get('statistics')!;
  const backward: Case = {
    operator: 'fastsde:GroupNormalizationGradient',
    inputs: { dy: random(4, shape), ...inputs, statistics },
    outputs: ['dx', 'dgain', 'doffset'],
    attributes: attributes(groups, silu),
  };
  return { forward, backward };
}

for (const [name, groups, silu, perSample, shift] of [
  ['eight groups', 8, 0, false, 0],
  ['one group, SiLU behind', 1, 1, false, 0],
  ['groups that end within blocks, gains per sample, SiLU behind', 8, 1, true, 0],
  ['a mean 500 times the deviation', 4, 1, false, 1000],
] as const) {
  test(`group normalisation and its gradient are those of the definition: ${name}`, async (t) => {
    const { forward, backward } = normalization(groups, silu, perSample, shift);
    for (const each of [forward, backward]) {
      const exact = evaluate(single(each), each.inputs);
      for (const block of [1, 8, 16]) {
        const images = ['x', 'dy', 'y', 'dx'];
        const inputs = Object.entries(each.inputs).map(
          ([input, value]) =>
            [
              input,
              images.includes(input) ? { ...value, data: reorder(value.data, shape, block) } : value,
            ] as const,
        );
        const found = await run({
          ...each,
          inputs: Object.fromEntries(inputs),
          attributes: attributes(groups, silu, block),
        });
        for (const output of each.outputs) {
          const values = found[output]!;
          const plain = images.includes(output) ? reorder(values, shape, block, true) : values;
          const error = distance(plain, exact.get(output)!.data);
          // Half a unit in the last place of a mean of 1000 is 3e-5 of these deviations.
          const bound = shift === 0 ? 2e-6 : 1e-4;
          t.true(error < bound, `${output} in blocks of ${block} differs by ${error}`);
        }
      }
    }
  });
}

test('the gradient of the definition is that of finite differences', (t) => {
  const { forward, backward } = normalization(8, 1, true);
  const weights = backward.inputs['dy']!.data;
  const loss = (inputs: Readonly<Record<string, NdArray>>): number =>
    evaluate(single(forward), inputs)
      .get('y')!
      .data.reduce((sum, value, i) => sum + value * weights[i]!, 0);
  const exact = evaluate(single(backward), backward.inputs);
  for (const [input, output] of [
    ['x', 'dx'],
    ['gain', 'dgain'],
    ['offset', 'doffset'],
  ] as const) {
    const value = forward.inputs[input]!;
    const direction = random(7, value.shape).data;
    const moved = (by: number) => {
      const data = value.data.map((each, i) => each + by * direction[i]!);
      return loss({ ...forward.inputs, [input]: { ...value, data } });
    };
    const slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    const expected = exact.get(output)!.data.reduce((sum, each, i) => sum + each * direction[i]!, 0);
    t.true(Math.abs(slope - expected) < 1e-6 * Math.abs(expected), `${output}: ${slope} and ${expected}`);
  }
});

test('SiLU and its gradient are those of the definition, however large the values', async (t) => {
  const values = [-1e30, -200, -88, -87, -20, -3, -1e-8, 0, 1e-30, 0.5, 4, 20, 87, 88, 200, 1e30];
  const x = array([values.length], values);
  for (const each of [
    { operator: 'fastsde:SiLU', inputs: { x }, outputs: ['y'] },
    {
      operator: 'fastsde:SiLUGradient',
      inputs: {
        dy: array(
          [values.length],
          values.map(() => 1),
        ),
        x,
      },
      outputs: ['dx'],
    },
  ]) {
    const [output] = each.outputs as [string];
    const found = (await run(each))[output]!;
    const exact = evaluate(single(each), each.inputs).get(output)!.data;
    values.forEach((value, i) => {
      // Below -87 the function is smaller than 1e-35 and its slope has no digits.
      const error = Math.abs(found[i]! - exact[i]!);
      t.true(error <= 3e-7 * Math.abs(exact[i]!) + (value < -80 ? 1e-4 : 0), `${output} of ${value}`);
    });
  }
  const nan = await run({ operator: 'fastsde:SiLU', inputs: { x: array([1], [NaN]) }, outputs: ['y'] });
  t.true(Number.isNaN(nan['y']![0]));
});

/** A convolution's input, the cotangent of its output, and what its weights have as a gradient, in double. */
function weightGradient(
  block: number,
  inBlocks: boolean,
  {
    channels = inBlocks ? 2 * block : 13,
    filters = block + 5,
    strides = [1, 1],
    dilations = [1, 1],
    pads = [1, 1],
  } = {},
) {
  const [batch, height, width, kernel] = [3, 6, 5, [3, 2]] as const;
  const padded = Math.ceil(filters / block) * block;
  // One row of zeros more behind than before.
  const reach = [height, width].map((size, axis) => {
    const room = size + 2 * pads[axis]! + 1 - axis - dilations[axis]! * (kernel[axis]! - 1) - 1;
    return Math.floor(room / strides[axis]!) + 1;
  }) as [number, number];
  const x = random(5, [batch, channels, height, width]);
  const g = random(6, [batch, padded, ...reach]);
  const expected = new Float64Array(filters * channels * 6);
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < filters; m++)
      for (let c = 0; c < channels; c++)
        for (let tap = 0; tap < 6; tap++)
          for (let o = 0; o < reach[0] * reach[1]; o++) {
            const [oy, ox] = [Math.floor(o / reach[1]), o % reach[1]];
            const y = oy * strides[0]! + Math.floor(tap / 2) * dilations[0]! - pads[0]!;
            const at = ox * strides[1]! + (tap % 2) * dilations[1]! - pads[1]!;
            if (y < 0 || y >= height || at < 0 || at >= width) continue;
            const value = x.data[((n * channels + c) * height + y) * width + at]!;
            expected[(m * channels + c) * 6 + tap]! +=
              value * g.data[((n * padded + m) * reach[0] + oy) * reach[1] + ox]!;
          }
  const given = {
    operator: 'fastsde:ConvolutionWeightGradient',
    inputs: {
      x: { ...x, data: inBlocks ? reorder(x.data, x.shape, block) : x.data },
      g: { ...g, data: reorder(g.data, g.shape, block) },
    },
    outputs: ['dw'],
    attributes: {
      ...{ block, inBlocks: inBlocks ? 1 : 0, filters, kernelHeight: 3, kernelWidth: 2 },
      ...{ strideY: strides[0]!, strideX: strides[1]!, dilationY: dilations[0]!, dilationX: dilations[1]! },
      ...{ top: pads[0]!, left: pads[1]! },
    },
  };
  return { given, expected };
}

test('the gradient of a convolution is the sum over positions', async (t) => {
  for (const block of [8, 16])
    for (const inBlocks of [false, true])
      for (const geometry of [
        {},
        { filters: 3 * block },
        { filters: 3, strides: [2, 1], pads: [0, 1] },
        { strides: [1, 3], dilations: [2, 2], pads: [3, 0] },
        // Taps that never meet the image.
        { dilations: [5, 1], pads: [5, 4] },
      ]) {
        const { given, expected } = weightGradient(block, inBlocks, geometry);
        const { dw } = await run(given);
        t.is(dw!.length, expected.length);
        const error = dw!.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
        const size = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        t.true(error <= 1e-6 * size, `${error} of ${size}`);
      }
});

test.serial('every instruction set gives the same bits', async (t) => {
  const native = addon();
  const { isa, supported } = native.info();
  const { forward, backward } = normalization(8, 1, true);
  const cases = [16, 8, 1].flatMap((block) =>
    [forward, backward].map((each) => ({ ...each, attributes: attributes(8, 1, block) })),
  );
  for (const block of [8, 16])
    for (const inBlocks of [false, true]) cases.push(weightGradient(block, inBlocks).given as never);
  const results: string[] = [];
  try {
    for (const each of supported) {
      native.selectIsa(each);
      const found = [];
      for (const one of cases) found.push(await run(one));
      results.push(JSON.stringify(found.map((each) => Object.values(each).map((data) => [...data]))));
    }
  } finally {
    native.selectIsa(isa);
  }
  t.is(new Set(results).size, 1);
});

test('images that do not fit are refused', async (t) => {
  const { forward, backward } = normalization(8, 0, false);
  for (const each of [
    { ...forward, attributes: attributes(7, 0) },
    { ...forward, attributes: attributes(8, 0, 5) },
    { ...forward, attributes: attributes(0, 0) },
    { ...forward, inputs: { ...forward.inputs, gain: random(1, [47]) } },
    { ...backward, inputs: { ...backward.inputs, dy: random(1, [2, 48, 5, 6]) } },
    ...[{ block: 5 }, { filters: 33 }, { strideX: 0 }, { inBlocks: 1 }].map((wrong) => {
      const { given } = weightGradient(16, false);
      return { ...given, attributes: { ...given.attributes, ...wrong } };
    }),
    { ...backward, inputs: { ...backward.inputs, statistics: random(1, [2, 8]) } },
  ]) {
    await t.throwsAsync(run(each), { instanceOf: ModelError });
  }
});

test('a U-Net trains by these operators, blocked ones too, and its exported graph has none', async (t) => {
  const network = {
    kind: 'unet',
    shape: [1, 16, 16],
    channels: [32, 32],
    sde: 'vp',
    parameterization: 'eps',
  } as const;
  const model = buildNetwork(network);
  const operators = (each: Model, domain: string): string[] =>
    each.proto.graph.node.map(operatorOf).filter((name) => name.startsWith(domain));
  const loss = { kind: 'mean-squared-error' } as const;
  const standard = await trainingGraph(model, { loss });
  t.deepEqual(operators(standard.model, 'fastsde:'), []);
  const fused = await trainingGraphOf(model, { loss }, 'fused');
  const norms = model.proto.graph.node.filter((node) => operatorOf(node) === 'InstanceNormalization').length;
  const named = (name: string) => operators(fused.model, 'fastsde:').filter((each) => each === name).length;
  t.is(named('fastsde:GroupNormalization'), norms);
  t.is(named('fastsde:GroupNormalizationGradient'), norms);
  if ((await blockSize()) === undefined) return;
  const blocked = await blockConvolutions(fused.model, 16);
  const inBlocks = blocked!.proto.graph.node.filter(
    (node) => operatorOf(node).includes('Normalization') && intAttribute(node, 'block', 1) !== 1,
  );
  t.is(inBlocks.length, 2 * norms);
});
