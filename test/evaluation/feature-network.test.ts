import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DataError, ModelError } from '../../src/errors.js';
import { extractFeatures } from '../../src/evaluation/extract.js';
import { loadFeatureNetwork } from '../../src/evaluation/feature-network.js';
import { resizePictures } from '../../src/evaluation/resize.js';
import { openSamples, samplesOf } from '../../src/evaluation/samples.js';
import { writeImageFolder } from '../../src/io/image.js';
import { sampleShards } from '../../src/sampling/shards.js';
import { functionModel } from '../../src/score/function.js';
import { vp } from '../../src/sde/vp.js';
import { congruential } from '../support/features.js';
import { featureMetadata, linearFeatures } from '../support/feature-network.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-features-'));

const weights = (pixel: number, feature: number): number => (pixel + 1) * (feature - 1) + feature;
const network = await loadFeatureNetwork(linearFeatures(weights));
test.after.always(async () => {
  await network.release();
  await rm(folder, { recursive: true });
});

const pictures = (count: number, pixels: number): Uint8Array =>
  Uint8Array.from(congruential(count * pixels, 7), (x) => Math.floor(128 * (x + 1)));

/** The features that the network should give of pictures of its size. */
function expected(values: Float32Array): number[] {
  return Array.from({ length: (values.length / 16) * 3 }, (_, k) => {
    const n = Math.floor(k / 3);
    let sum = 0;
    for (let pixel = 0; pixel < 16; pixel++)
      sum += weights(pixel, k % 3) * ((2 * values[16 * n + pixel]!) / 255 - 1);
    return sum;
  });
}

const near = (actual: ArrayLike<number>, wanted: readonly number[]): boolean =>
  actual.length === wanted.length && wanted.every((value, k) => Math.abs(actual[k]! - value) < 1e-3);

test('a feature network sees pictures in its range, scaled by its rule', async (t) => {
  t.is(network.width, 3);
  const own = pictures(70, 16);
  t.true(near((await network.run(own, [70, 1, 4, 4])).features, expected(Float32Array.from(own))));
  const large = pictures(3, 63);
  const scaled = resizePictures(large, [7, 9], [4, 4], 'pytorch');
  t.true(near((await network.run(large, [3, 1, 7, 9])).features, expected(scaled)));
});

test('features are kept by the hashes of network and samples, and only what is missing is made', async (t) => {
  const cache = join(folder, 'cache');
  const samples = samplesOf({ data: pictures(2500, 16), shape: [2500, 1, 4, 4] });
  const read = async (): Promise<Float32Array> => {
    const { features } = await extractFeatures(samples, network, { cache });
    return features.read(0, 2500);
  };
  const all = await read();
  const [own] = await readdir(cache);
  const files = await readdir(join(cache, own!));
  t.is(files.length, 3);
  await truncate(join(cache, own!, files[0]!), 100);
  await rm(join(cache, own!, files[1]!));
  const controller = new AbortController();
  controller.abort(new Error('stopped'));
  await t.throwsAsync(() => extractFeatures(samples, network, { cache, signal: controller.signal }), {
    message: 'stopped',
  });
  t.deepEqual(await read(), all);
  const { features } = await extractFeatures(samples, network);
  t.deepEqual(await features.read(0, 2500), all);
  t.deepEqual(await features.read(1000, 1100), all.slice(3000, 6300));
});

const model = functionModel({
  shape: [1, 4, 4],
  sde: vp(),
  parameterization: 'eps',
  evaluate(x, levels, out) {
    out.set(x.map((value) => value * levels[0]!.sigma));
  },
});

test('features do not depend on how samples are split into shards', async (t) => {
  const origin = { dataRange: [-1, 1] };
  const results = [];
  for (const batch of [4, 7]) {
    const shards = join(folder, `shards-${batch}`);
    await sampleShards(model, shards, { count: 20, batch, steps: 3, origin });
    const samples = await openSamples(shards);
    t.true(samples.sharded);
    t.is(samples.pieces.length, Math.ceil(20 / batch));
    const { features } = await extractFeatures(samples, network);
    results.push(await features.read(0, 20));
  }
  t.deepEqual(results[0], results[1]);
});

test('missing and corrupt shards are named', async (t) => {
  const shards = join(folder, 'broken');
  await sampleShards(model, shards, { count: 8, batch: 4, steps: 2, origin: { dataRange: [-1, 1] } });
  const file = join(shards, 'samples-000004-000007.npy');
  const bytes = await readFile(file);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(file, bytes);
  const samples = await openSamples(shards);
  await t.throwsAsync(() => extractFeatures(samples, network), {
    instanceOf: DataError,
    message: /samples-000004-000007\.npy is damaged/,
  });
  const manifest = join(shards, 'manifest.json');
  const text = JSON.parse(await readFile(manifest, 'utf8')) as { shards: unknown[] };
  text.shards.pop();
  await writeFile(manifest, JSON.stringify(text));
  await t.throwsAsync(() => openSamples(shards), {
    instanceOf: DataError,
    message: /from 4 to 7 are missing/,
  });
});

test('what is no feature network, or no picture for it, is named', async (t) => {
  const refused = (metadata: Record<string, string>, message: RegExp) =>
    t.throwsAsync(() => loadFeatureNetwork(linearFeatures(weights, metadata)), {
      instanceOf: ModelError,
      message,
    });
  await refused({}, /is no feature network: its metadata have no fastsde\.kind = features/);
  await refused(
    { ...featureMetadata, 'fastsde.features.resize': 'nearest' },
    /fastsde\.features\.resize cannot be used/,
  );
  await refused(
    { ...featureMetadata, 'fastsde.features.range': '1,0' },
    /fastsde\.features\.range cannot be used/,
  );
  await refused({ ...featureMetadata, 'fastsde.output.features': 'z' }, /no output z/);
  await refused(
    { ...featureMetadata, 'fastsde.features.layout': 'nhwc' },
    /pictures of a fixed size expected/,
  );
  await t.throwsAsync(() => network.run(new Uint8Array(48), [1, 3, 4, 4]), { message: /RGB/ });
  await t.throwsAsync(() => network.run(new Uint8Array(4), [2, 2]), { message: /not pictures/ });
  const floats = samplesOf({ data: new Float32Array(16), shape: [1, 1, 4, 4] });
  await t.throwsAsync(() => extractFeatures(floats, network), { message: /Give dataRange/ });
  const broken = {
    ...samplesOf({ data: Float32Array.of(...new Array<number>(31).fill(0), NaN), shape: [2, 1, 4, 4] }),
    range: [-1, 1] as const,
  };
  await t.throwsAsync(() => extractFeatures(broken, network), { message: /Element 15 of sample 1 is NaN/ });
  const mixed = join(folder, 'mixed');
  await writeImageFolder(mixed, { samples: new Float32Array(16), shape: [1, 1, 4, 4], range: [0, 1] });
  await writeImageFolder(mixed, { samples: new Float32Array(25), shape: [1, 1, 5, 5], range: [0, 1] }, 1);
  await t.throwsAsync(() => openSamples(mixed), { instanceOf: DataError, message: /000001\.png.*5/ });
});
