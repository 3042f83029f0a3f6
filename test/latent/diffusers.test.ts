import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { guide } from '../../src/control/guidance.js';
import { DataError, ModelError, OptionError } from '../../src/errors.js';
import { decodeNpy } from '../../src/io/npy.js';
import { loadDecoder, loadEncoder } from '../../src/latent/autoencoder.js';
import { encodePrompt } from '../../src/latent/prompt.js';
import { loadTokenizer } from '../../src/latent/tokenizer.js';
import { sample } from '../../src/sampling/sample.js';
import { loadModel } from '../../src/score/network/load.js';

/** Made by scripts/latent/diffusers_folder.py with `--levels 12 --steps 12`: random networks, and what diffusers draws by them. */
const fixture = 'test/fixtures/stable-diffusion';

interface Expected {
  readonly prompt: string;
  readonly negative_prompt: string;
  readonly guidance_scale: number;
  readonly num_inference_steps: number;
  readonly tokens: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

const expected = JSON.parse(await readFile(join(fixture, 'expected.json'), 'utf8')) as Expected;

async function numbers(name: string): Promise<{ data: Float32Array; shape: readonly number[] }> {
  const { data, shape } = decodeNpy(await readFile(join(fixture, `${name}.npy`)));
  return { data: Float32Array.from(data as Float32Array), shape };
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const copies = await mkdtemp(join(tmpdir(), 'fastsde-pipeline-'));
test.after.always(() => rm(copies, { recursive: true }));

test('texts become the tokens of transformers, and long ones are cut', async (t) => {
  const tokenizer = await loadTokenizer(join(fixture, 'tokenizer'));
  for (const { text, ids } of expected.tokens) t.deepEqual(tokenizer.encode(text).ids, ids, text);
  t.is(tokenizer.encode('cat '.repeat(40)).lost, Array<string>(10).fill('cat').join(' '));
  t.is(tokenizer.encode(expected.prompt).lost, '');
});

test('the same latents give the pictures of diffusers', async (t) => {
  const { prompt, negative_prompt: negative, guidance_scale: scale, num_inference_steps: steps } = expected;
  const { inputs, unconditionalInputs, warnings } = await encodePrompt(fixture, prompt, { negative });
  t.deepEqual(warnings, []);
  const model = await loadModel(fixture, { inputs });
  const guided = guide(model, { kind: 'classifier-free', scale, unconditionalInputs });
  const start = await numbers('start');
  // The scheduler of the folder says by which method, and over which levels.
  const { samples, shape, options } = await sample(guided, { steps, count: 2, initial: start.data });
  t.like(options, {
    predictor: 'ddim',
    grid: 'scheduler',
    scheduler: { name: 'DDIMScheduler', rule: 'whole' },
  });
  const latents = await numbers('latents');
  t.deepEqual(shape, latents.shape);
  t.true(largestDifference(samples, latents.data) < 1e-5);
  const decoder = await loadDecoder(fixture);
  const pictures = await decoder.decode(samples, shape);
  const known = await numbers('pictures');
  t.deepEqual(pictures.shape, known.shape);
  t.true(largestDifference(pictures.samples, known.data) < 1e-5);
  await Promise.all([guided.close(), decoder.close()]);
});

test('an encoder gives the latents of diffusers', async (t) => {
  const encoder = await loadEncoder(fixture);
  const { data, shape } = await numbers('pictures');
  const known = await numbers('encoded');
  const clipped = data.map((value) => Math.min(Math.max(value, -1), 1));
  const latents = await encoder.encode(clipped, shape);
  t.deepEqual(latents.shape, known.shape);
  t.true(
    largestDifference(
      latents.samples,
      known.data.map((value) => value * 0.18215),
    ) < 1e-6,
  );
  await encoder.close();
});

test('a folder says what its network is, and options override it', async (t) => {
  const model = await loadModel(fixture);
  t.like(model, { shape: [4, 8, 8], parameterization: 'eps', labels: 'index' });
  t.is(model.inputs?.missing[0]?.name, 'encoder_hidden_states');
  // Betas whose roots are even from 0.00085 to 0.012.
  const roots = Array.from(
    { length: 12 },
    (_, i) => 0.00085 ** 0.5 + (i / 11) * (0.012 ** 0.5 - 0.00085 ** 0.5),
  );
  const alphaBar = roots.reduce((product, root) => product * (1 - root ** 2), 1);
  t.true(Math.abs(model.ladder!.alpha[11]! ** 2 - alphaBar) < 1e-12);
  const other = await loadModel(fixture, { shape: [4, 16, 8], parameterization: 'v' });
  t.like(other, { shape: [4, 16, 8], parameterization: 'v' });
  await Promise.all([model.close(), other.close()]);
});

/** A copy of the folder with entries of its configs changed, or files taken away. */
async function changed(changes: Readonly<Record<string, object | undefined>>): Promise<string> {
  const folder = await mkdtemp(join(copies, 'copy-'));
  await cp(fixture, folder, { recursive: true });
  for (const [file, entries] of Object.entries(changes)) {
    const path = join(folder, file);
    if (entries === undefined) await rm(path, { recursive: true });
    else
      await writeFile(
        path,
        JSON.stringify({ ...(JSON.parse(await readFile(path, 'utf8')) as object), ...entries }),
      );
  }
  return folder;
}

test('a folder is of the process that its scheduler says', async (t) => {
  for (const sde of ['flow', 've'] as const)
    await t.throwsAsync(loadModel(fixture, { sde }), {
      instanceOf: OptionError,
      message: new RegExp(
        `sde must be 'vp' or left out, as .*scheduler_config.json says; .*unet/model.onnx; got "${sde}"`,
      ),
    });
  await t.throwsAsync(loadModel(fixture, { trainedLevels: 7 }), {
    message: /trainedLevels must be left out, or 12/,
  });
  const model = await loadModel(fixture, { sde: 'vp', trainedLevels: 12 });
  await model.close();
});

test('merges that are no pairs of words are named', async (t) => {
  for (const [merges, message] of [
    [
      '#version: 0.2\nt h\nxx yy zz\n',
      /merges\.txt: line 3 must be two words of vocab\.json .* got "xx yy zz"/,
    ],
    ['a 9\n', /line 1 must be two words/],
    ['#version: 0.2\n', /has no pair of words/],
  ] as const) {
    const folder = await changed({});
    await writeFile(join(folder, 'tokenizer', 'merges.txt'), merges);
    await t.throwsAsync(encodePrompt(folder, 'a cat'), { instanceOf: DataError, message });
  }
});

test('flow networks read their scheduler as such', async (t) => {
  const folder = await changed({
    'scheduler/scheduler_config.json': {
      _class_name: 'FlowMatchEulerDiscreteScheduler',
      num_train_timesteps: 1000,
    },
  });
  const model = await loadModel(folder, { labels: 't*1000' }).catch((error: unknown) => error);
  // The time of this fixture is an integer, which a flow's is not.
  t.true(model instanceof OptionError);
  t.regex((model as OptionError).message, /labels must be 'index'.*got "t\*1000"/);
});

for (const [words, changes, kind, message] of [
  ['no index', { 'model_index.json': undefined }, DataError, /is a folder without model_index\.json/],
  ['no network', { unet: undefined }, DataError, /holds no network: expected unet\/config\.json/],
  ['no scheduler', { scheduler: undefined }, DataError, /holds no scheduler\/scheduler_config\.json/],
  [
    'an unknown network',
    { 'unet/config.json': { _class_name: 'FluxTransformer2DModel' } },
    ModelError,
    /with a FluxTransformer2DModel; of folders/,
  ],
  [
    'inpainting',
    { 'unet/config.json': { in_channels: 9 } },
    ModelError,
    /takes 9 channels and gives 4: it is a network for inpainting/,
  ],
  [
    'an index of nothing',
    { 'model_index.json': { _class_name: undefined } },
    DataError,
    /model_index\.json does not say of which class it is \(_class_name\); got nothing/,
  ],
  [
    'a config of nothing',
    { 'unet/config.json': { _class_name: null } },
    DataError,
    /unet\/config\.json does not say of which class it is \(_class_name\); got null/,
  ],
  [
    'a scheduler of nothing',
    { 'scheduler/scheduler_config.json': { _class_name: '' } },
    DataError,
    /scheduler_config\.json does not say of which class it is/,
  ],
  [
    'an unknown prediction',
    { 'scheduler/scheduler_config.json': { prediction_type: 'noise' } },
    DataError,
    /prediction_type "noise"/,
  ],
] as const) {
  test(`a folder that cannot be loaded is named: ${words}`, async (t) => {
    const folder = await changed(changes);
    await t.throwsAsync(loadModel(folder), { instanceOf: kind, message });
  });
}

for (const [words, changes, kind, message] of [
  [
    'no text encoder',
    { text_encoder: undefined },
    OptionError,
    /prompt must be left out: .* holds no text_encoder\/config\.json/,
  ],
  [
    'no tokenizer',
    { tokenizer: undefined },
    DataError,
    /tokenizer holds no tokenizer\.json, nor vocab\.json and merges\.txt of CLIP/,
  ],
  [
    'another tokenizer',
    { 'tokenizer/tokenizer_config.json': { tokenizer_class: 'T5Tokenizer' } },
    DataError,
    /no tokenizer\.json, which a T5Tokenizer needs/,
  ],
  [
    'texts longer than their encoder reads',
    { 'tokenizer/tokenizer_config.json': { model_max_length: 999 } },
    ModelError,
    /text_encoder\/model\.onnx: It reads texts of \d+ tokens, and its tokenizer makes 999/,
  ],
  [
    'texts of no length',
    { 'tokenizer/tokenizer_config.json': { model_max_length: '77' } },
    DataError,
    /model_max_length must be the tokens of a text, 2 or more; got "77"/,
  ],
  [
    'a network without text',
    { 'unet/config.json': { _class_name: 'UNet2DModel' } },
    OptionError,
    /UNet2DModel in .* takes no text/,
  ],
  [
    'a network that takes more',
    { 'unet/config.json': { addition_embed_type: 'image' } },
    ModelError,
    /takes more than a text \(image\)/,
  ],
] as const) {
  test(`a prompt that cannot be read is named: ${words}`, async (t) => {
    const folder = await changed(changes);
    await t.throwsAsync(encodePrompt(folder, 'a cat'), { instanceOf: kind, message });
  });
}

test('a text encoder whose config says nothing is named', async (t) => {
  const folder = await changed({});
  await writeFile(join(folder, 'text_encoder', 'config.json'), '{}');
  await t.throwsAsync(encodePrompt(folder, 'a cat'), {
    instanceOf: DataError,
    message: /text_encoder\/config\.json says nothing. Is the folder complete\?/,
  });
});

test('a prompt that is no text, or for a model without one, is named', async (t) => {
  await t.throwsAsync(encodePrompt(fixture, 7 as never), {
    instanceOf: OptionError,
    message: /prompt must be a text/,
  });
  const plain = encodePrompt(join(fixture, 'unet', 'model.onnx'), 'a cat');
  await t.throwsAsync(plain, {
    instanceOf: OptionError,
    message: /prompt must be left out: .* is no folder with a tokenizer/,
  });
  const stray = encodePrompt(fixture, 'a cat', { negativ: 'a dog' } as never);
  await t.throwsAsync(stray, { instanceOf: OptionError, message: /did you mean negative/ });
});

test('latents that are scaled channel by channel are refused', async (t) => {
  const folder = await changed({ 'vae_decoder/config.json': { latents_mean: [1, 2, 3, 4] } });
  await t.throwsAsync(loadDecoder(folder), { instanceOf: ModelError, message: /latents_mean, latents_std/ });
});

test('a scale of latents that is no number is refused, not taken for the usual one', async (t) => {
  for (const entries of [{ scaling_factor: '0.13025' }, { scaling_factor: 0 }, { shift_factor: '0' }]) {
    const folder = await changed({ 'vae_decoder/config.json': entries });
    await t.throwsAsync(loadDecoder(folder), {
      instanceOf: DataError,
      message: /scaling_factor must be a number/,
    });
  }
});
