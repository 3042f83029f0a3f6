import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { CommanderError, type Command } from 'commander';
import fc from 'fast-check';
import { averageCommand } from '../../src/cli/commands/average.js';
import { compareCommand } from '../../src/cli/commands/compare.js';
import { decodeCommand } from '../../src/cli/commands/decode.js';
import { encodeCommand } from '../../src/cli/commands/encode.js';
import { gradCommand } from '../../src/cli/commands/grad.js';
import { inspectCommand } from '../../src/cli/commands/inspect.js';
import { interpolateCommand } from '../../src/cli/commands/interpolate.js';
import { likelihoodCommand } from '../../src/cli/commands/likelihood.js';
import { mergeCommand } from '../../src/cli/commands/merge.js';
import { restoreCommand } from '../../src/cli/commands/restore.js';
import { sampleCommand } from '../../src/cli/commands/sample.js';
import { trainCommand } from '../../src/cli/commands/train.js';
import { encodeNpy } from '../../src/io/npy.js';
import { writeModel } from '../../src/onnx/file/model.js';
import { smallMlp } from '../support/training-networks.js';
import { fixture } from '../support/gaussian-image.js';

/** More: FASTSDE_FUZZ_RUNS=20000 npx ava .test-build/test/cli-fuzz.test.js */
const runs = Number(process.env['FASTSDE_FUZZ_RUNS'] ?? 1500);

const before = process.cwd();
const folder = await mkdtemp(join(tmpdir(), 'fastsde-flags-'));
await writeFile(
  join(folder, 'mixture.json'),
  JSON.stringify({ weights: [1], means: [[0, 0, 0]], covariances: [1] }),
);
const points = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i * i));
await writeFile(join(folder, 'points.npy'), encodeNpy({ data: points, shape: [20, 3] }));
await writeFile(join(folder, 'bytes.npy'), encodeNpy({ data: new Uint8Array(60), shape: [20, 3] }));
await writeFile(join(folder, 'A.npy'), encodeNpy({ data: Float64Array.of(1, 0, 2, 0, 1, 1), shape: [2, 3] }));
await writeFile(join(folder, 'y.npy'), encodeNpy({ data: Float32Array.of(0.1, 0.2), shape: [1, 2] }));
await writeFile(join(folder, 'broken.json'), '{ "steps": "many" }');
await writeModel(smallMlp('Tanh'), join(folder, 'mlp.onnx'));
process.chdir(folder);
test.after.always(async () => {
  process.chdir(before);
  await rm(folder, { recursive: true });
});

/** What no flag takes, or takes by chance; numbers are small, so that what is accepted ends soon. */
const strange = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '-1',
    '0',
    '1',
    '2',
    '3',
    '0.5',
    '1e-320',
    '1e400',
    '9'.repeat(20),
    'NaN',
    '0x2',
    '10n',
  ),
  fc.constantFrom(
    '1,2',
    '3,3',
    ',',
    'a=1',
    'sigmaMax=2',
    '=',
    't*999',
    '0/1',
    '2/1',
    '[',
    '(',
    '__proto__',
    '\0',
  ),
  fc.constantFrom(
    'vp',
    've',
    'edm',
    'score',
    'eps',
    'langevin',
    'rk45',
    'heun',
    'unet',
    'classifier',
    'cosine',
  ),
  fc.constantFrom(
    'mixture.json',
    'points.npy',
    'bytes.npy',
    'broken.json',
    'mlp.onnx',
    'absent',
    'a/b/c',
    '.',
    'x/',
  ),
  fc.string({ maxLength: 5 }),
);

const commands: Record<string, { make: () => Command; args: readonly string[]; share?: number }> = {
  sample: {
    make: sampleCommand,
    args: ['--mixture', 'mixture.json', '--count', '2', '--steps', '2', '--output', 'x.npy'],
  },
  likelihood: {
    make: likelihoodCommand,
    args: [
      '--mixture',
      'mixture.json',
      '--data',
      'points.npy',
      '--count',
      '2',
      '--rtol',
      '0.1',
      '--atol',
      '0.1',
    ],
  },
  restore: {
    make: restoreCommand,
    args: [
      ...['--mixture', 'mixture.json', '--data', 'y.npy', '--operator', 'A.npy', '--noise', '0.5'],
      ...['--method', 'smc', '--steps', '2', '--particles', '2', '--count', '2', '--output', 'r.npy'],
    ],
  },
  encode: {
    make: encodeCommand,
    args: ['--mixture', 'mixture.json', '--data', 'points.npy', '--output', 'z.npz'],
  },
  decode: {
    make: decodeCommand,
    args: ['--mixture', 'mixture.json', '--latents', 'z.npz', '--output', 'y.npy'],
  },
  interpolate: {
    make: interpolateCommand,
    args: ['--mixture', 'mixture.json', '--data', 'points.npy', '--points', '3', '--output', 'path.npy'],
  },
  train: {
    make: trainCommand,
    args: ['--data', 'points.npy', '--steps', '1', '--batch', '2', '--workers', '1', '--sample-count', '2'],
    share: 0.03,
  },
  compare: {
    make: compareCommand,
    args: ['--mixture', 'mixture.json', '--count', '8', '--samplers', 'ddim', '--evaluations', '2,3'],
    share: 0.03,
  },
  average: {
    make: averageCommand,
    args: ['run', '--sigma-rel', '0.1', '--output', 'average.onnx'],
    share: 0.1,
  },
  merge: { make: mergeCommand, args: ['parts', '--output', 'merged.npy'], share: 0.2 },
  grad: { make: gradCommand, args: ['mlp.onnx', '--output', 'gradient.onnx'], share: 0.05 },
  inspect: { make: inspectCommand, args: [fixture('vp-eps')], share: 0.2 },
};

/** Runs a command in this process; what it wrote to stderr, and its exit code. */
async function outcome(command: Command, args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const streams = [process.stdout, process.stderr] as const;
  const written = ['', ''];
  const write = streams.map((stream) => stream.write.bind(stream));
  streams.forEach((stream, i) => {
    stream.write = (text: Uint8Array | string) => {
      written[i] = `${written[i]!}${String(text)}`;
      return true;
    };
  });
  try {
    process.exitCode = 0;
    await command.exitOverride().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode;
  } finally {
    streams.forEach((stream, i) => (stream.write = write[i]!));
  }
  const code = process.exitCode;
  process.exitCode = 0;
  return { code, stderr: written[1]! };
}

test.before(async (t) => {
  const parts = ['--mixture', 'mixture.json', '--count', '2', '--steps', '2', '--output', 'parts/'];
  t.is((await outcome(sampleCommand(), parts)).code, 0);
  const trained = [
    '--data',
    'points.npy',
    '--steps',
    '2',
    '--batch',
    '2',
    '--workers',
    '1',
    '--sample-count',
    '2',
  ];
  t.is((await outcome(trainCommand(), [...trained, '--snapshot-every', '1', '--output', 'run'])).code, 0);
});

for (const [name, { make, args, share = 0.1 }] of Object.entries(commands)) {
  test.serial(`strange flags are told in a line or do no harm: fastsde ${name}`, async (t) => {
    const flags = make().options;
    const flag = fc
      .tuple(fc.constantFrom(...flags), strange)
      .map(([{ long, required }, value]) => (required ? [`${long!}=${value}`] : [long!]));
    const plain = await outcome(make(), args);
    t.is(plain.code, 0, plain.stderr);
    let refused = 0;
    const property = fc.asyncProperty(fc.array(flag, { minLength: 1, maxLength: 3 }), async (given) => {
      const { code, stderr } = await outcome(make(), [...args, ...given.flat()]);
      if (code === 0) return;
      refused++;
      if (code !== 1 || !/^error: .*$/m.test(stderr) || /\n\s+at /.test(stderr))
        throw new Error(`Exit code ${code}: ${stderr}`);
      // What was given may be told again; what nobody gave may not.
      const unheard = /\bundefined\b|\[object \w+\]/.exec(stderr);
      if (unheard && !given.flat().some((each) => each.includes(unheard[0])))
        throw new Error(`Says ${unheard[0]}: ${stderr}`);
    });
    await t.notThrowsAsync(fc.assert(property, { seed: 8, numRuns: Math.ceil(runs * share) }));
    t.true(refused > 0);
  });
}
