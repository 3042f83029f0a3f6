// Trains the embedded models with fastsde itself. Of digits: one denoiser for every noise level, then a VP and a VE model tuned
// from it (states of equal noise-to-signal ratio are the same state in other units), and a noise-conditional classifier. Of
// the colour photographs of CIFAR-10: a network with classes, and such a classifier.
//
//   FASTSDE_DATA=folder node scripts/models/train.mjs STAGE --output DIR [--data FILE] [--images N] [--workers N]
//     [--start MODEL.onnx] [--checkpoint FILE.safetensors]
//
// A stage is one of `stages` below; those of CIFAR-10 need --data, an archive of its pictures in folders train/CLASS/.
// A run that was stopped goes on when it is started again; --checkpoint writes the averaged weights of one of its checkpoints
// as the model, without training. models/README.md has the commands.

import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadData } from '../../dist/data.js';
import { parameterValues, readModel, withParameters, writeModel } from '../../dist/onnx.js';
import { buildNetwork, splitData, train } from '../../dist/training.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: 'string' },
    data: { type: 'string', default: 'mnist' },
    workers: { type: 'string' },
    images: { type: 'string' },
    start: { type: 'string' },
    checkpoint: { type: 'string' },
  },
});

// Mean and standard deviation of the pixels in [-1, 1].
const moments = { mean: -0.7386, std: 0.6162 };
const vp = { kind: 'unet', shape: [1, 28, 28], sde: 'vp', parameterization: 'eps', precondition: moments };
const ve = {
  kind: 'unet',
  shape: [1, 28, 28],
  sde: 've',
  constants: { sigmaMax: 20 },
  parameterization: 'score',
  precondition: { mean: (moments.mean + 1) / 2, std: moments.std / 2 },
};
const classifier = {
  kind: 'classifier',
  shape: [1, 28, 28],
  sde: 'vp',
  classes: 10,
  channels: [32, 64],
  precondition: moments,
};
// A small classifier that becomes a part of the unconditional networks, which infer the class by it.
const inferred = { classes: 10, channels: [16, 64], blocks: [1, 2], attention: [] };
const photographs = {
  shape: [3, 32, 32],
  sde: 'vp',
  classes: 10,
  precondition: { mean: -0.0534, std: 0.5008 },
};
const fast = { beta2: 0.99, weightDecay: 0.01, decay: 'cosine', ema: { kind: 'warm-up', decay: 0.999 } };
const littleNoise = { times: 'log-normal', logMean: -1.8, logDeviation: 2.2 };

const stages = {
  denoiser: {
    network: vp,
    images: 768_000,
    batch: 64,
    objective: { weighting: 'edm', times: 'log-normal', logMean: -0.4, logDeviation: 1.7 },
    learningRate: 1.5e-3,
    ...fast,
    decay: 'constant',
  },
  // Most bits of a digit are decided where there is little noise, which uniform times hardly reach.
  'vp-fine': {
    network: vp,
    from: 'denoiser',
    images: 1_024_000,
    batch: 128,
    objective: littleNoise,
    learningRate: 1e-3,
    ...fast,
  },
  vp: {
    network: vp,
    from: 'vp-fine',
    images: 640_000,
    batch: 128,
    objective: { ...littleNoise, weighting: 'edm', dequantize: true },
    learningRate: 7e-4,
    ...fast,
  },
  // From the weights of `vp`, with a label that is dropped for a tenth of the rows: for guidance without a classifier.
  conditional: {
    network: { ...vp, classes: 10 },
    from: 'vp',
    images: 1_280_000,
    batch: 128,
    objective: { weighting: 'edm', times: 'log-normal', logMean: -0.8, logDeviation: 1.8, dropLabels: 0.1 },
    learningRate: 1e-3,
    ...fast,
    ema: { kind: 'warm-up', decay: 0.9995 },
  },
  inference: {
    network: { ...classifier, ...inferred },
    images: 400_000,
    batch: 128,
    objective: { kind: 'classifier', times: 'log-normal', logMean: 0, logDeviation: 1.4 },
    learningRate: 2e-3,
    ...fast,
  },
  // The network with classes, which now come from the state by the classifier above, tuned as a whole.
  'vp-inferred': {
    network: { ...vp, inferred },
    from: 'conditional',
    inferredFrom: 'inference',
    images: 512_000,
    batch: 128,
    objective: { ...littleNoise, weighting: 'edm', dequantize: true },
    learningRate: 7e-4,
    ...fast,
  },
  've-inferred': {
    network: { ...ve, inferred },
    from: 'conditional',
    inferredFrom: 'inference',
    images: 256_000,
    batch: 128,
    learningRate: 7e-4,
    ...fast,
  },
  classifier: {
    network: classifier,
    images: 300_000,
    batch: 128,
    objective: { kind: 'classifier' },
    learningRate: 1e-3,
    ...fast,
  },
  // Where there is much noise, at ratios sigma / alpha from one to ten, classes are hard to tell, and most is left to learn.
  'classifier-fine': {
    network: classifier,
    from: 'classifier',
    images: 160_000,
    batch: 128,
    objective: { kind: 'classifier', times: 'log-normal', logMean: 0.5, logDeviation: 1.4 },
    learningRate: 1e-3,
    ...fast,
  },
  cifar10: {
    network: {
      ...photographs,
      kind: 'unet',
      parameterization: 'eps',
      channels: [64, 112, 128],
      blocks: [1, 1, 2],
      attention: [1],
    },
    images: 464_000,
    batch: 64,
    flip: true,
    objective: { weighting: 'edm', times: 'log-normal', logMean: -0.8, logDeviation: 1.3, dropLabels: 0.1 },
    learningRate: 2e-3,
    ...fast,
  },
  'cifar10-classifier': {
    network: { ...photographs, kind: 'classifier', channels: [48, 64, 72], blocks: [1, 1, 2] },
    images: 112_000,
    batch: 64,
    flip: true,
    objective: { kind: 'classifier', times: 'log-normal', logMean: -0.4, logDeviation: 1.5 },
    learningRate: 2e-3,
    ...fast,
  },
};

const [name] = positionals;
const stage = stages[name];
if (stage === undefined || flags.output === undefined) {
  console.error(
    `usage: train.mjs <${Object.keys(stages).join(' | ')}> --output DIR [--data FILE] [--images N] [--workers N] [--start MODEL] [--checkpoint FILE]`,
  );
  process.exit(1);
}
const { network, from, inferredFrom, images = 0, ...options } = stage;
const folder = join(flags.output, name);
const output = join(flags.output, `${name}.onnx`);
await mkdir(folder, { recursive: true });
let model = buildNetwork(network, 0n);
if (flags.checkpoint !== undefined) {
  await writeModel(withParameters(model, await averages(flags.checkpoint)), output);
  process.exit();
}
const start = flags.start ?? (from && join(flags.output, `${from}.onnx`));
if (start) {
  const values = await trainedWeights(start);
  if (inferredFrom && !values.has('inferred.head.weight')) {
    const classes = 'embed.class.weight';
    // Inferred are the classes alone, without the row for "no class".
    values.set(classes, values.get(classes).subarray(0, 10 * 128));
    const parts = await trainedWeights(join(flags.output, `${inferredFrom}.onnx`));
    for (const [tensor, value] of parts) values.set(`inferred.${tensor}`, value);
  }
  model = withParameters(model, values);
}
const steps = Math.round(Number(flags.images ?? images) / options.batch);
const data = await loadData(flags.data, { split: 'train' });
// Digits are measured on the test set, photographs on a thousand that are left out of the training.
const { trained, heldOut } =
  flags.data === 'mnist'
    ? { trained: data, heldOut: await loadData('mnist', { split: 'test' }) }
    : splitData(data);
const training = train(model, trained, {
  ...options,
  steps,
  ...(flags.workers && { workers: Number(flags.workers) }),
  validation: heldOut,
  checkpoints: { folder, every: 500 },
});
let told = 0;
for await (const { step, loss, learningRate, imagesPerSecond, remaining, validation } of training) {
  if (performance.now() - told < 10_000) continue;
  told = performance.now();
  console.log(
    `${step}/${steps} loss ${loss.toFixed(4)} rate ${learningRate.toExponential(2)} ${imagesPerSecond.toFixed(0)} images/s ` +
      `${(remaining / 60).toFixed(1)} min left ${validation ? `held-out ${validation.loss.toFixed(4)} at ${validation.step}` : ''}`,
  );
}
const result = await training;
console.log(
  JSON.stringify({ seconds: result.seconds, networkShare: result.networkShare, loss: result.loss }),
);
await writeModel(result.model, output);

/** The weights and biases of a model, by name. */
async function trainedWeights(path) {
  const trained = await readModel(path);
  const names = trained.proto.graph.initializer.map(({ name }) => name);
  return parameterValues(
    trained,
    names.filter((each) => /\.(weight|bias)$/.test(each)),
  );
}

/** The exponential averages of the parameters in a checkpoint: a safetensors file of little-endian float32. */
async function averages(path) {
  const bytes = await readFile(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const prefix = 'averages.0.';
  return new Map(
    Object.entries(JSON.parse(bytes.toString('utf8', 8, start)))
      .filter(([tensor]) => tensor.startsWith(prefix))
      .map(
        ([
          tensor,
          {
            data_offsets: [first, end],
          },
        ]) => {
          const values = Uint8Array.from(bytes.subarray(start + first, start + end));
          return [tensor.slice(prefix.length), new Float32Array(values.buffer)];
        },
      ),
  );
}
