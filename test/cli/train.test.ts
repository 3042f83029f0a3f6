import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { toys } from '../../src/data/toys.js';
import { encodePng } from '../../src/io/image.js';
import { decodeNpy, encodeNpy } from '../../src/io/npy.js';
import { readModel, writeModel } from '../../src/onnx/file/model.js';
import { fastsdeIn } from '../support/command-line.js';
import { Sketch } from '../support/training-networks.js';

const folder = await mkdtemp(join(tmpdir(), 'fastsde-train-'));
test.after.always(() => rm(folder, { recursive: true }));
const fastsde = fastsdeIn(folder);

async function config(name: string, entries: object): Promise<string> {
  await writeFile(join(folder, name), JSON.stringify(entries));
  return name;
}

const small = { kind: 'mlp', width: 16, depth: 1, embedding: 16 };
const quick = { network: small, batch: 32, workers: 1, sampleCount: 50, holdOut: 0.01 };

test.serial(
  'a toy is trained to a model that is sampled without a flag, with its curve and pictures',
  async (t) => {
    const file = await config('toy.json', { data: 'two-moons', ...quick, steps: 250, sampleEvery: 100 });
    const { code, stdout, stderr } = await fastsde(['train', '--config', file, '--json', '--output', 'toy']);
    t.is(code, 0, stderr);
    t.regex(stderr, /^198000 samples of shape \[2\], 2000 held out; \d+ parameters\nstep \d+\/250 {2}loss /);
    const files = await readdir(join(folder, 'toy'));
    for (const name of [
      'model.onnx',
      'train.json',
      'loss.csv',
      'loss.png',
      'samples-000100.png',
      'samples-000200.png',
      'samples-000250.png',
      'density.png',
    ])
      t.true(files.includes(name), name);
    const { width, height } = await sharp(join(folder, 'toy', 'density.png')).metadata();
    t.deepEqual([width, height], [936, 672]);

    const lines = stdout.trim().split('\n');
    const events = lines.map(
      (line) => JSON.parse(line) as { event: string; step?: number; files?: string[] },
    );
    t.is(events[0]!.event, 'start');
    t.is(events.filter(({ event }) => event === 'progress').at(-1)!.step, 250);
    t.deepEqual(events.at(-1)!.files, [
      join('toy', 'model.onnx'),
      join('toy', 'samples-000250.png'),
      join('toy', 'density.png'),
    ]);
    const [head, ...rows] = (await readFile(join(folder, 'toy', 'loss.csv'), 'utf8')).trim().split('\r\n');
    t.regex(
      head!,
      /^step,loss,held_out_loss,gradient_norm,learning_rate,samples_per_second,seconds,loss_t_0_/,
    );
    t.deepEqual(
      rows.map((row) => Number(row.split(',')[0])),
      rows.map((_, i) => i + 1),
    );
    t.is(rows.length, 250);
    t.true(Number.isFinite(Number(rows.at(-1)!.split(',')[2])), 'held-out loss of the last checkpoint');

    const sampled = await fastsde(['sample', 'toy/model.onnx', '--steps', '5', '--output', 'toy.npy']);
    t.is(sampled.code, 0, sampled.stderr);
    t.regex(sampled.stderr, /^16 samples, \d+ score evaluations each/m);
  },
);

test.serial('a run that was interrupted goes on to the same bits', async (t) => {
  const points = Float32Array.from({ length: 900 }, (_, i) => Math.sin(i * i));
  await writeFile(join(folder, 'points.npy'), encodeNpy({ data: points, shape: [300, 3] }));
  const file = await config('points.json', {
    data: 'points.npy',
    ...quick,
    steps: 1500,
    checkpointEvery: 100,
  });
  const whole = await fastsde(['train', '--config', file, '--output', 'whole', '--quiet']);
  t.is(whole.code, 0, whole.stderr);
  for (const [signal, exitCode] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    const args = ['train', '--config', file, '--output', 'parts'];
    const stopped = await fastsde(args, { signal, when: 'step ' });
    t.is(stopped.code, exitCode);
    t.regex(
      stopped.stderr,
      /Interrupted at step \d+\. The state of the run is in parts; the same command goes on from there\./,
    );
  }
  const resumed = await fastsde(['train', '--config', file, '--output', 'parts']);
  t.is(resumed.code, 0, resumed.stderr);
  t.regex(resumed.stderr, /1500 steps \(from step \d+\)/);
  const weights = async (name: string): Promise<unknown> =>
    (await readModel(join(folder, name, 'model.onnx'))).proto.graph.initializer;
  t.deepEqual(await weights('parts'), await weights('whole'));
  const steps = (await readFile(join(folder, 'parts', 'loss.csv'), 'utf8'))
    .trim()
    .split('\r\n')
    .slice(1)
    .map((line) => Number(line.split(',')[0]));
  t.deepEqual(
    steps,
    [...new Set(steps)].toSorted((a, b) => a - b),
  );
  t.is(steps.at(-1), 1500);
  t.deepEqual(decodeNpy(await readFile(join(folder, 'whole', 'samples-001500.npy'))).shape, [50, 3]);

  const other = await fastsde(['train', '--config', file, '--output', 'parts', '--batch', '16']);
  t.is(other.code, 1);
  t.regex(other.stderr, /is of another run: .*batch is 32 there and 16 here/);
});

test.serial('a run is left while its threads are still at their beginning', async (t) => {
  const file = await config('early.json', { data: 'two-moons', ...quick, steps: 100_000 });
  const begun = async (): Promise<boolean> => (await readdir(folder)).includes('early');
  const args = ['train', '--config', file, '--output', 'early'];
  const { stderr } = await fastsde(args, { signal: 'SIGTERM', when: begun });
  t.regex(stderr, /^error: Interrupted/m);
  // What a process that was killed leaves of a file.
  await mkdir(join(folder, 'early'), { recursive: true });
  await writeFile(join(folder, 'early', '.train.json.0badcafe.tmp'), '{');
  const again = await fastsde([
    'train',
    '--config',
    file,
    '--output',
    'early',
    '--steps',
    '1',
    '--sample-count',
    '4',
  ]);
  t.is(again.code, 0, again.stderr);
  t.false((await readdir(join(folder, 'early'))).some((name) => name.endsWith('.tmp')));
});

test.serial('pictures in class folders train a conditional network, which draws every class', async (t) => {
  for (const [name, value] of [
    ['dark', 40],
    ['light', 220],
  ] as const) {
    await mkdir(join(folder, 'pictures', name), { recursive: true });
    for (let i = 0; i < 6; i++) {
      const data = new Uint8Array(64).fill(value + i);
      const png = await encodePng({ data, width: 8, height: 8, channels: 1 });
      await writeFile(join(folder, 'pictures', name, `${i}.png`), png);
    }
  }
  await writeFile(join(folder, 'pictures', 'light', '9.png'), 'not a picture');
  const network = { channels: [8], blocks: 1, attention: [], embedding: 16 };
  const file = await config('pictures.json', {
    data: 'pictures',
    network,
    steps: 3,
    batch: 8,
    sampleCount: 4,
  });
  const refused = await fastsde(['train', '--config', file, '--output', 'dark']);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /Cannot read .*9\.png as a picture/);
  const flags = [
    '--conditional',
    '--drop-labels',
    '0.1',
    '--dropout',
    '0.2',
    '--flip',
    '--skip-corrupted',
    '--json',
  ];
  const { code, stdout, stderr } = await fastsde(['train', '--config', file, '--output', 'lit', ...flags]);
  t.is(code, 0, stderr);
  t.regex(stderr, /^warning: pictures: 1 picture that cannot be read left out\.$/m);
  const [start] = stdout.split('\n');
  t.like(JSON.parse(start!), { samples: 12, shape: [1, 8, 8], classes: ['dark', 'light'] });
  const { metadata } = await readModel(join(folder, 'lit', 'model.onnx'));
  t.is(metadata.get('fastsde.classes'), '2');
  t.like(JSON.parse(await readFile(join(folder, 'lit', 'train.json'), 'utf8')), {
    network: { dropout: 0.2 },
  });
  t.is((await sharp(join(folder, 'lit', 'samples-000003.png')).metadata()).format, 'png');
});

test.serial(
  'points with classes train a conditional network, without a picture of a density that is none yet',
  async (t) => {
    const file = await config('moons.json', { data: 'two-moons', ...quick, conditional: true, steps: 5 });
    const { code, stderr } = await fastsde(['train', '--config', file, '--output', 'moons', '--json']);
    t.is(code, 0, stderr);
    t.is((await readModel(join(folder, 'moons', 'model.onnx'))).metadata.get('fastsde.classes'), '2');
    // After so few steps there is no density to see.
    t.false((await readdir(join(folder, 'moons'))).includes('density.png'));
  },
);

test.serial('points of another scale than the noise are warned of', async (t) => {
  const { data } = toys['two-moons'].sample(200);
  for (const [name, scale, warned] of [
    ['wide', 100, true],
    ['unit', 1, false],
  ] as const) {
    const points = data.map((value) => scale * value);
    await writeFile(join(folder, `${name}.npy`), encodeNpy({ data: points, shape: [200, 2] }));
    const file = await config(`${name}.json`, { data: `${name}.npy`, ...quick, batch: 8, steps: 1 });
    const { stderr } = await fastsde(['train', '--config', file, '--output', name]);
    const pattern =
      /^warning: wide\.npy has mean \S+ and standard deviation \d+\S* over all values; scale each feature/m;
    t.is(pattern.test(stderr), warned, stderr);
  }
});

test.serial('a classifier of noisy data is trained on the classes of the data', async (t) => {
  const network = { ...small, kind: 'classifier' };
  const file = await config('classifier.json', { ...quick, data: 'eight-gaussians', network, steps: 5 });
  const { code, stderr } = await fastsde(['train', '--config', file, '--output', 'classifier']);
  t.is(code, 0, stderr);
  const { metadata, outputs } = await readModel(join(folder, 'classifier', 'model.onnx'));
  t.is(metadata.get('fastsde.kind'), 'classifier');
  t.is(outputs[0]!.shape!.at(-1), 8);
  t.false((await readdir(join(folder, 'classifier'))).some((name) => name.startsWith('samples')));
});

test.serial('a trained model is trained on, and described where it does not describe itself', async (t) => {
  const again = ['train', '--data', 'two-moons', '--model', 'toy/model.onnx', '--steps', '2', '--batch', '8'];
  const { code, stderr } = await fastsde([...again, '--output', 'again', '--sample-count', '4']);
  t.is(code, 0, stderr);
  const misfit = await fastsde([
    'train',
    '--data',
    'pictures',
    '--skip-corrupted',
    '--model',
    'toy/model.onnx',
  ]);
  t.is(misfit.code, 1);
  t.regex(misfit.stderr, /samples of shape \[1, 8, 8\], the model takes \[2\]/);
});

test.serial('other inputs of a network are fed, and stand in the files of the run', async (t) => {
  const g = new Sketch();
  const product = g.op('MatMul', 'x', g.tensor([2, 2], [1, 0, 0, 1], 'w.weight'));
  const shifted = g.op(
    'Add',
    product,
    g.op('MatMul', 'text', g.tensor([3, 2], [1, 2, 3, 4, 5, 6], 'v.weight')),
  );
  const metadata = { sde: 'vp', parameterization: 'eps', labels: 't' } as const;
  await writeModel(g.model(shifted, [2], metadata, { inputs: { text: [3] } }), join(folder, 'fed.onnx'));
  await writeFile(
    join(folder, 'text.npy'),
    encodeNpy({ data: Float32Array.of(0.1, 0.2, -0.1), shape: [1, 3] }),
  );
  const run = [
    'train',
    '--data',
    'two-moons',
    '--model',
    'fed.onnx',
    '--steps',
    '2',
    '--batch',
    '8',
    '--json',
  ];
  const { code, stdout, stderr } = await fastsde([...run, '--input', 'text=text.npy', '--output', 'fed']);
  t.is(code, 0, stderr);
  const end = JSON.parse(stdout.trim().split('\n').at(-1)!) as { options: { inputs: object[] } };
  t.like(end.options.inputs[0], { name: 'text', shape: [1, 3] });
  const record = JSON.parse(await readFile(join(folder, 'fed', 'train.json'), 'utf8')) as object;
  t.like(record, { inputs: { text: 'text.npy' } });
  t.true((await readdir(join(folder, 'fed'))).includes('samples-000002.png'));
  const again = await fastsde(['train', '--config', 'fed/train.json', '--output', 'fed-again']);
  t.is(again.code, 0, again.stderr);
  const missing = await fastsde([...run, '--output', 'missing']);
  t.regex(missing.stderr, /error: (fed\.onnx: )?--input text must be|inputs\.text must be/);
  const strange = await fastsde(['train', '--data', 'two-moons', '--input', 'text=1']);
  t.regex(strange.stderr, /^error: --input must be left out unless the model/);
});

test.serial('classes beyond what a network takes are refused', async (t) => {
  await writeFile(
    join(folder, 'plane.npy'),
    encodeNpy({ data: Float32Array.of(1, -1, -1, 1), shape: [2, 2] }),
  );
  await writeFile(join(folder, 'classes.npy'), encodeNpy({ data: Int32Array.of(0, 5e6), shape: [2] }));
  const data = ['--data', 'plane.npy', '--data-labels', 'classes.npy', '--conditional'];
  const { code, stderr } = await fastsde(['train', ...data]);
  t.is(code, 1);
  t.regex(stderr, /^error: The data have the class 5000000; .*\n$/);
});

test.serial('pictures without an axis of channels are named by their flag', async (t) => {
  const values = encodeNpy({ data: new Float32Array(4 * 64), shape: [4, 8, 8] });
  await writeFile(join(folder, 'values.npy'), values);
  const { code, stderr } = await fastsde(['train', '--data', 'values.npy']);
  t.is(code, 1);
  t.regex(stderr, /^error: the shape of --data must be .*; pictures of one channel have \[1, 8, 8\]; got/);
});

test.serial('a file of another kind, and a model that does not say what it is, are named', async (t) => {
  await writeFile(join(folder, 'table.csv'), 'a,b\n1,2\n');
  const table = await fastsde(['train', '--data', 'table.csv']);
  t.regex(table.stderr, /^error: table\.csv holds no data that are known here: .*\n$/);
  const mlp = join(import.meta.dirname, '..', '..', '..', 'test', 'fixtures', 'onnx', 'mlp.onnx');
  const silent = await fastsde(['train', '--data', 'two-moons', '--model', mlp]);
  t.regex(silent.stderr, /^error: .*mlp\.onnx: It does not say what it is .*\n$/);
});

for (const [name, data, message] of [
  ['empty.npy', [], /^error: empty\.npy holds no samples/m],
  ['infinite.npy', [0, 1, 2, 3, Infinity, 5], /^error: infinite\.npy holds Infinity in sample 2/m],
] as const) {
  test.serial(`refused before training: ${name}`, async (t) => {
    const bytes = encodeNpy({ data: Float32Array.from(data), shape: [data.length / 2, 2] });
    await writeFile(join(folder, name), bytes);
    const { code, stderr } = await fastsde(['train', '--data', name]);
    t.is(code, 1);
    t.regex(stderr, message);
  });
}

for (const [entries, flags, message] of [
  [{ stepz: 10 }, [], 'wrong.json: stepz must be absent (did you mean steps?); got 10.'],
  [{ steps: 'many' }, [], 'wrong.json: steps must be a number; got "many".'],
  [{ steps: 0 }, [], 'wrong.json: steps must be an integer of at least 1; got 0.'],
  [{ steps: 5 }, ['--steps', '0'], '--steps must be an integer of at least 1; got 0.'],
  [
    { objective: { weighting: 'edn' } },
    [],
    'wrong.json: objective.weighting must be one of sigma2, likelihood, edm, min-snr, soft-min-snr (did you mean edm?); got "edn".',
  ],
] as const) {
  test.serial(
    `refused before training: ${JSON.stringify(entries)} in a file, and ${flags.length} flags`,
    async (t) => {
      const file = await config('wrong.json', { data: 'two-moons', ...entries });
      const { code, stderr } = await fastsde(['train', '--config', file, ...flags]);
      t.is(code, 1);
      t.is(stderr, `error: ${message}\n`);
    },
  );
}

for (const [args, message] of [
  [['--data', 'swis-roll'], /Cannot read swis-roll: .* Did you mean swiss-roll\?/],
  [[], /--data must be given/],
  [['--data', 'two-moons', '--network', 'mpl'], /Did you mean mlp\?/],
  [['--data', 'two-moons', '--objective', 'slised'], /Did you mean sliced\?/],
  [
    ['--data', 'two-moons', '--network', 'unet'],
    /--network must be mlp or classifier, or left out, for samples of shape \[2\]; got "unet"/,
  ],
  [['--data', 'two-moons', '--steps', '0'], /--steps must be an integer of at least 1; got 0/],
  [['--data', 'two-moons', '--sde-constants', 'beta=2'], /sde\.beta must be absent: the constants of vp are/],
  [['--data', 'swiss-roll', '--network', 'classifier'], /The data have no classes/],
  [['--data', 'two-moons', '--graph', 'graph.onnx'], /--graph must be left out unless the model/],
  [['--data', 'two-moons', '--output', 'no/where'], /Cannot write no\/where: its folder does not exist/],
  [['--data', 'two-moons', '--hold-out', '1.5'], /--hold-out must be a share between 0 and 1/],
] as const) {
  test.serial(`refused before training: fastsde train ${args.join(' ')}`, async (t) => {
    const { code, stderr } = await fastsde(['train', ...args]);
    t.is(code, 1);
    t.regex(stderr, message);
  });
}
