import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { encodeNpy, loadData, mnist, readImage } from '../../src/data.js';
import { openSamples } from '../../src/evaluation.js';
import {
  inspectModel,
  loadModel,
  mergeShards,
  ModelError,
  openEngines,
  OptionError,
  sample,
  sampleShards,
  writeImageGrid,
} from '../../src/index.js';
import { createSession, readModel, writeModel } from '../../src/onnx.js';
import { fixture } from '../support/gaussian-image.js';

const path = fixture('vp-eps');
const folder = await mkdtemp(join(tmpdir(), 'fastsde places #1 '));
test.after.always(() => rm(folder, { recursive: true }));
const url = (name: string): URL => pathToFileURL(join(folder, name));

test('a network is one, whether its path, its URL or its bytes are given', async (t) => {
  const bytes = await readFile(path);
  const buffer = new Uint8Array(bytes).buffer;
  const drawn: Float32Array[] = [];
  for (const source of [path, pathToFileURL(path), pathToFileURL(path).href, bytes, buffer]) {
    await using model = await loadModel(source, { threads: 1 });
    drawn.push((await sample(model, { count: 2, steps: 2 })).samples);
    await using engines = await openEngines(source, { threads: 1 });
    drawn.push((await engines.sample({ count: 2, steps: 2 })).samples);
    await using session = await createSession(source, { threads: 1 });
    t.deepEqual(session.inputs.map(({ name }) => name), (await readModel(source)).inputs.map(({ name }) => name)); // prettier-ignore
  }
  for (const samples of drawn) t.deepEqual(samples, drawn[0]);
  t.true((await inspectModel(pathToFileURL(path))).inputs.length > 0);
});

test('files and folders are written and read where a URL says', async (t) => {
  await using model = await loadModel(pathToFileURL(path), { threads: 1 });
  const { samples, shape } = await sample(model, { count: 3, steps: 2 });
  await sampleShards(model, url('run'), { count: 3, steps: 2 });
  await mergeShards([url('run')], url('all.npy'));
  t.deepEqual((await loadData(url('all.npy'))).data, samples);
  t.is((await openSamples(url('run'))).count, 3);
  await writeFile(url('labels.npy'), encodeNpy({ data: Int32Array.of(2, 0, 1), shape: [3] }));
  t.deepEqual((await loadData(url('all.npy'), { labels: url('labels.npy') })).labels, Int32Array.of(2, 0, 1));
  await writeImageGrid(url('grid.png'), { samples, shape, range: [-1, 1] });
  t.true((await readImage(url('grid.png'))).width > 0);
  await writeModel(await readModel(path), url('copy.onnx'));
  t.deepEqual(await readFile(url('copy.onnx')), await readFile(path));
  await t.throwsAsync(mnist('test', url('run')), { message: /run/ });
  await t.throwsAsync(loadData('https://example.org/x.npy'), {
    instanceOf: OptionError,
    message: /^data must be a file/,
  });
});

test('bytes alone do not say where weights in other files are', async (t) => {
  const model = await readModel(path);
  const weight = {
    ...{ name: 'weight', dims: [2, 2], data_type: 1, string_data: [] },
    ...{ data_location: 1, external_data: [{ key: 'location', value: 'weights.bin' }] },
  };
  const graph = { ...model.proto.graph, initializer: [weight] };
  const file = join(folder, 'external.onnx');
  await writeModel({ ...model, proto: { ...model.proto, graph }, folder }, file);
  const refused = await t.throwsAsync(loadModel(await readFile(file)), { instanceOf: ModelError });
  t.regex(refused.message, /weights\.bin/);
  t.regex(refused.message, /give that, and not its bytes/);
});

test('what was opened is closed at the end of its block', async (t) => {
  let kept;
  {
    await using engines = await openEngines(path, { threads: 1 });
    t.is((await engines.sample({ count: 1, steps: 2 })).shape[0], 1);
    kept = engines;
  }
  await t.throwsAsync(kept.sample({ count: 1, steps: 2 }), { message: /closed/ });
  let model;
  {
    await using opened = await loadModel(path, { threads: 1 });
    model = opened;
  }
  await t.throwsAsync(Promise.resolve(sample(model, { count: 1, steps: 2 })), { message: /released|closed/ });
});
