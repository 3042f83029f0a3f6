import test from 'ava';

import { FastsdeError } from '../../src/errors.js';
import { buildNetwork } from '../../src/networks/build.js';
import type { NetworkDescription } from '../../src/networks/description.js';
import { defaultNetwork } from '../../src/networks/presets.js';
import { parameterNames, parameterValues } from '../../src/autodiff/parameters.js';

const unet = { kind: 'unet', shape: [1, 28, 28], sde: 'vp', parameterization: 'eps' } as const;
const mlp = { kind: 'mlp', shape: [2], sde: 've', parameterization: 'score' } as const;
const classifier = { kind: 'classifier', shape: [1, 28, 28], sde: 'vp', classes: 10 } as const;

function parameters(description: NetworkDescription): number {
  const model = buildNetwork(description);
  const values = parameterValues(model, parameterNames(model, 'all'));
  return [...values.values()].reduce((sum, { length }) => sum + length, 0);
}

const refused: [name: string, description: unknown, option: string, message: RegExp][] = [
  ['a list', [], 'network', /an object/],
  ['no kind', { ...unet, kind: undefined }, 'network.kind', /one of mlp, unet, classifier/],
  ['a misspelt kind', { ...unet, kind: 'u-net' }, 'network.kind', /did you mean unet/],
  ['an unknown entry', { ...unet, chanels: [32] }, 'network.chanels', /did you mean channels/],
  ['the entry of another kind', { ...mlp, channels: [32] }, 'network.channels', /known are .*width/],
  ['a flat picture', { ...unet, shape: [784] }, 'network.shape', /\[channels, height, width\]/],
  ['half a pixel', { ...unet, shape: [1, 28, 27.5] }, 'network.shape[2]', /an integer/],
  ['a size that cannot be halved', { ...unet, shape: [1, 28, 30] }, 'network.shape[2]', /multiple of 4/],
  [
    'channels that are no multiple of 8',
    { ...unet, channels: [32, 81] },
    'network.channels[1]',
    /multiple of 8/,
  ],
  ['blocks for another depth', { ...unet, blocks: [1, 2, 3] }, 'network.blocks', /2 of them/],
  ['attention beyond the levels', { ...unet, attention: [2] }, 'network.attention[0]', /from 0 to 1/],
  ['a stem of 3', { ...unet, stem: 3 }, 'network.stem', /1 or 2/],
  ['certain dropout', { ...unet, dropout: 1 }, 'network.dropout', /below 1/],
  ['no SDE', { ...unet, sde: undefined }, 'network.sde', /one of vp/],
  ['a foreign constant', { ...unet, constants: { sigmaMax: 3 } }, 'network.sde.sigmaMax', /beta0/],
  [
    'no parameterization',
    { ...unet, parameterization: undefined },
    'network.parameterization',
    /one of score/,
  ],
  ['a deviation of 0', { ...unet, precondition: { mean: 0, std: 0 } }, 'network.precondition.std', /above 0/],
  ['a label without its inverse', { ...unet, labels: 'sigma' }, 'network.labels', /multiple of time/],
  ['an unknown label', { ...unet, labels: 'tau' }, 'network.labels', /one of t\*999/],
  ['a classifier of one class', { ...classifier, classes: 1 }, 'network.classes', /from 2 to 65536/],
  ['a classifier of eps', { ...classifier, parameterization: 'eps' }, 'network.parameterization', /absent/],
  [
    'a class that is told and inferred',
    { ...unet, classes: 10, inferred: { classes: 10 } },
    'network.inferred',
    /absent where the network is told/,
  ],
  [
    'one inferred class',
    { ...unet, inferred: { classes: 1 } },
    'network.inferred.classes',
    /from 2 to 65536/,
  ],
  ['no number of inferred classes', { ...unet, inferred: {} }, 'network.inferred.classes', /from 2/],
  ['a number as inferred', { ...unet, inferred: 10 }, 'network.inferred', /"classes": 10/],
  [
    'odd channels of the inferring part',
    { ...unet, inferred: { classes: 3, channels: [12] } },
    'network.inferred.channels[0]',
    /multiple of 8/,
  ],
  ['a classifier that infers', { ...classifier, inferred: { classes: 3 } }, 'network.inferred', /known are/],
  ['a residual word', { ...mlp, residual: 'yes' }, 'network.residual', /true or false/],
  ['no hidden layer', { ...mlp, depth: 0 }, 'network.depth', /at least 1|from 1/],
];

for (const [name, description, option, message] of refused) {
  test(`${name} is refused by its path`, (t) => {
    const error = t.throws(() => buildNetwork(description as NetworkDescription), {
      instanceOf: FastsdeError,
    });
    t.is(error.code, 'ERR_FASTSDE_OPTION');
    t.is(error.option, option);
    t.regex(error.message, message);
  });
}

test('an MLP has the parameters that its formula says', (t) => {
  const [features, width, depth, embedding] = [3, 16, 2, 24];
  const layer = (inputs: number, outputs: number): number => (inputs + 1) * outputs;
  const expected =
    layer(32, embedding) +
    layer(embedding, embedding) +
    layer(embedding, depth * width) +
    layer(features, width) +
    depth * layer(width, width) +
    layer(width, features);
  t.is(parameters({ ...mlp, shape: [features], width, depth, embedding }), expected);
});

test('a U-Net has the parameters that its formula says', (t) => {
  const conv = (inputs: number, outputs: number, kernel = 3): number => (inputs * kernel ** 2 + 1) * outputs;
  const [c0, c1, e] = [32, 80, 128];
  const block = (c: number): number => 4 * c + 2 * conv(c, c) + (e + 1) * 2 * c;
  const attention = 2 * c1 + conv(c1, 3 * c1, 1) + conv(c1, c1, 1);
  const embedding = (32 + 1) * e + (e + 1) * e;
  const crossing = conv(4, c0) + conv(c0, c1) + conv(c1, 4 * c0, 1) + conv(2 * c0, c0, 1);
  const head = 2 * c0 + conv(c0, 4);
  t.is(parameters(unet), embedding + crossing + 2 * block(c0) + 3 * block(c1) + attention + head);
});

test('a conditional network has one more embedding than classes', (t) => {
  t.is(parameters({ ...mlp, classes: 5, embedding: 24 }) - parameters({ ...mlp, embedding: 24 }), 6 * 24);
});

test('a default network can be built for any shape', (t) => {
  for (const shape of [
    [2],
    [7],
    [1, 28, 28],
    [1, 32, 32],
    [3, 32, 32],
    [3, 64, 64],
    [1, 29, 29],
    [3, 30, 30],
  ]) {
    const size = defaultNetwork(shape);
    const { inputs } = buildNetwork({ ...size, sde: 'vp', parameterization: 'v' });
    t.deepEqual(inputs[0]!.shape, ['N', ...shape]);
  }
  t.throws(() => defaultNetwork([28, 28]), { code: 'ERR_FASTSDE_OPTION' });
});
