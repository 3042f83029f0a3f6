import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import test from 'ava';

import { openRuntime } from '../../../src/onnx/run/own.js';

const root = path.join(import.meta.dirname, '..', '..', '..', '..');
const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'fastsde-library-')));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

const module = (file: string) => new URL(`../../../src/${file}`, import.meta.url).href;
const prelude = `
  import { setTimeout as wait } from 'node:timers/promises';
  import { createSession, sessionKind } from '${module('onnx/run/runtime.js')}';
  import { createNodeSession } from '${module('onnx/run/node.js')}';
  import { createOwnSession, openRuntime } from '${module('onnx/run/own.js')}';
  import { embeddedModel } from '${module('score/network/embedded.js')}';
  const model = embeddedModel();
  const rows = 16;
  const feeds = {
    x: { data: new Float32Array(rows * 784), dims: [rows, 1, 28, 28] },
    t: { data: new Float32Array(rows).fill(0.5), dims: [rows] },
  };`;

interface Ending {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

/** What a process that runs the code says, and how it ends. */
function run(code: string, environment: NodeJS.ProcessEnv = {}): Promise<Ending> {
  const env = { ...process.env, FASTSDE_SESSIONS: '', FASTSDE_ONNXRUNTIME: '', ...environment };
  return new Promise((resolve) => {
    const args = ['--input-type=module', '--eval', prelude + code];
    execFile(process.execPath, args, { env }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? error.signal ?? null) : 0, stdout, stderr });
    });
  });
}

const sayKind = `
  await createSession(model).then(async (session) => {
    const { eps } = await session.run(feeds);
    console.log(await sessionKind(), eps.dims[0]);
  }, (error) => console.log(error.code, error.message));`;

test('the places of functions are those of the public header', (t) => {
  const table = JSON.parse(
    readFileSync(path.join(root, 'test', 'fixtures', 'onnxruntime-places.json'), 'utf8'),
  ) as string[];
  const declared = readFileSync(path.join(root, 'native', 'onnx', 'functions.h'), 'utf8');
  const functions = [...declared.matchAll(/FUNCTION\((\w+), (\d+),/g)];
  t.true(functions.length > 30);
  for (const [, name, place] of functions) t.is(table[Number(place)], name);
  // Where Debian's libonnxruntime-dev is installed, by the header itself.
  const header = '/usr/include/onnxruntime/onnxruntime_c_api.h';
  if (existsSync(header))
    t.notThrows(() =>
      execFileSync(process.execPath, [path.join(root, 'scripts', 'onnxruntime-places.mjs'), header]),
    );
});

test('sessions are the own ones by default, and those that FASTSDE_SESSIONS names', async (t) => {
  t.deepEqual(await run(sayKind), { code: 0, stdout: 'own 16\n', stderr: '' });
  t.deepEqual(await run(sayKind, { FASTSDE_SESSIONS: 'own' }), { code: 0, stdout: 'own 16\n', stderr: '' });
  t.deepEqual(await run(sayKind, { FASTSDE_SESSIONS: 'node' }), { code: 0, stdout: 'node 16\n', stderr: '' });
  const { stdout } = await run(sayKind, { FASTSDE_SESSIONS: 'both' });
  t.is(stdout, 'ERR_FASTSDE_OPTION FASTSDE_SESSIONS must be "own" or "node"; got "both".\n');
});

test('own sessions and those of onnxruntime-node share one library, in either order', async (t) => {
  for (const order of ['own, node', 'node, own']) {
    const { code, stdout, stderr } = await run(`
      const create = { own: createOwnSession, node: createNodeSession };
      const results = [];
      for (const kind of '${order}'.split(', ')) {
        const session = await create[kind](model, { threads: 1 });
        results.push(Buffer.from((await session.run(feeds)).eps.data.buffer));
      }
      console.log(Buffer.compare(...results), (await openRuntime()).path);`);
    t.deepEqual([code, stdout, stderr], [0, `0 ${(await openRuntime()).path}\n`, ''], order);
  }
});

test('a process ends with its own code in the middle of runs and of loading', async (t) => {
  const endings = {
    'process.exit(7)': [7, /^$/],
    'setImmediate(() => { throw new Error("lost"); }); await wait(1000)': [1, /Error: lost/],
    'await session?.run(feeds)': [0, /^$/],
  } as const;
  for (const [end, [expected, said]] of Object.entries(endings)) {
    for (const delay of [0, 3, 11]) {
      for (const load of [false, true]) {
        const { code, stderr } = await run(`
          ${load ? 'createOwnSession(model, {}); const session = undefined;' : 'const session = await createOwnSession(model, {});'}
          for (let i = 0; i < 4; i++) session?.run(feeds).catch(() => {});
          await wait(${delay});
          ${end};`);
        t.is(code, expected, `${end} after ${delay} ms`);
        t.regex(stderr, said);
      }
    }
  }
});

test('a process whose threads run networks ends with its own code', async (t) => {
  const script = new URL('../../support/endless-network.js', import.meta.url).href;
  for (const delay of [0, 7, 20]) {
    const { code, stderr } = await run(`
      import { Worker } from 'node:worker_threads';
      const worker = new Worker(new URL('${script}'), { execArgv: [] });
      worker.on('message', async (message) => {
        if (message !== 'running') return;
        await wait(${delay});
        process.exit(7);
      });`);
    t.deepEqual([code, stderr], [7, '']);
  }
});

test('a library that does not exist or is none of ONNX Runtime is named', async (t) => {
  const place = mkdtempSync(path.join(folder, 'text-'));
  const text = path.join(place, 'libonnxruntime.so.1');
  writeFileSync(text, 'no library');
  const cases: [string, RegExp][] = [
    [
      '/nowhere/libonnxruntime.so',
      /FASTSDE_ONNXRUNTIME names \/nowhere\/libonnxruntime\.so, which does not exist/,
    ],
    [os.tmpdir(), /a folder without libonnxruntime\.so/],
    [text, /libonnxruntime\.so\.1 cannot be loaded: .*file too short/],
    [place, /libonnxruntime\.so\.1 cannot be loaded/],
    [path.join(root, 'build', 'Release', 'fastsde.node'), /fastsde\.node is no library of ONNX Runtime/],
  ];
  for (const [asked, message] of cases) {
    const { code, stdout } = await run(sayKind, { FASTSDE_ONNXRUNTIME: asked });
    t.is(code, 0);
    t.regex(stdout, /^ERR_FASTSDE_LOAD /);
    t.regex(stdout, message);
  }
});

test('a library is found by its file and by its folder', async (t) => {
  const { path: library } = await openRuntime();
  for (const asked of [library, path.dirname(library)])
    t.deepEqual(await run(sayKind, { FASTSDE_ONNXRUNTIME: asked }), {
      code: 0,
      stdout: 'own 16\n',
      stderr: '',
    });
});

test('a library other than the one that is loaded is an error that names both', async (t) => {
  const other = path.join(folder, 'libonnxruntime.so.other');
  const { path: loaded } = await openRuntime();
  copyFileSync(loaded, other);
  const { stdout } = await run(`await createNodeSession(model, {}); ${sayKind}`, {
    FASTSDE_ONNXRUNTIME: other,
  });
  t.regex(stdout, /^ERR_FASTSDE_LOAD /);
  t.true(stdout.includes(other) && stdout.includes(loaded), stdout);
});

// Libraries of versions that do not exist are compiled where a compiler is.
if (spawnSync('cc', ['--version']).status === 0) {
  test('a library of another version is named with its version and the range', async (t) => {
    for (const version of ['1.16.3', '1.99.0', '2.0.0', 'unknown']) {
      const library = compile(
        `libonnxruntime.so.${version}`,
        `static const void* api(unsigned v) { return 0; } static const char* version(void) { return "${version}"; }
         static const struct { const void* (*a)(unsigned); const char* (*v)(void); } base = { api, version };
         const void* OrtGetApiBase(void) { return &base; }`,
      );
      const { stdout } = await run(sayKind, { FASTSDE_ONNXRUNTIME: library });
      t.regex(stdout, /^ERR_FASTSDE_LOAD /);
      t.true(stdout.includes(`${library} is ONNX Runtime ${version}; fastsde uses 1.17 to 1.`), stdout);
    }
  });

  test('where own sessions cannot be made, onnxruntime-node runs networks, with one warning that says why', async (t) => {
    const library = compile('libonnxruntime.so.0', 'int nothing;');
    const twice = `await createSession(model); ${sayKind}`;
    const { code, stdout, stderr } = await run(twice, { LD_PRELOAD: library });
    t.deepEqual([code, stdout], [0, 'node 16\n']);
    t.is(stderr.match(/FASTSDE_SESSIONS/g)?.length, 1);
    t.true(stderr.includes(`${library} is no library of ONNX Runtime`), stderr);
  });
}

function compile(name: string, code: string): string {
  const [source, library] = [path.join(folder, `${name}.c`), path.join(folder, name)];
  writeFileSync(source, code);
  execFileSync('cc', ['-shared', '-fPIC', source, '-o', library]);
  return library;
}
