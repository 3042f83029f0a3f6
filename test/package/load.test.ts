import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import test from 'ava';

import { LoadError } from '../../src/errors.js';
import { load, nativeInfo } from '../../src/device/addon.js';

test('a failed load names every path, its reason and the command that compiles', (t) => {
  const missing = ['/nowhere/a.node', '/nowhere/b.node'];
  const error = t.throws(
    () =>
      load(missing, (file) => {
        throw new Error(`no ${file}\nsecond line`);
      }),
    { instanceOf: LoadError, code: 'ERR_FASTSDE_LOAD' },
  );
  for (const file of missing) t.true(error.message.includes(`${file}: no ${file}`));
  t.true(error.message.includes('npm run build:native'));
});

const module = pathToFileURL(path.join(import.meta.dirname, '..', '..', 'src', 'device', 'addon.js')).href;
const script = `import(${JSON.stringify(module)}).then((m) => console.log(JSON.stringify(m.nativeInfo())))`;

test('FASTSDE_ISA chooses an instruction set; one that is unknown is an error that names those there are', (t) => {
  const { supported } = nativeInfo();
  const run = (isa: string) =>
    spawnSync(process.execPath, ['-e', script], {
      encoding: 'utf8',
      env: { ...process.env, FASTSDE_ISA: isa },
    });
  const first = JSON.parse(run(supported[0]!).stdout) as { isa: string };
  t.is(first.isa, supported[0]!);
  const { status, stderr } = run('avx3');
  t.not(status, 0);
  t.true(
    stderr.includes(
      `FASTSDE_ISA must be an instruction set that this CPU and build have (${supported.join(', ')})`,
    ),
  );
});

test('FASTSDE_THREADS sets the number of threads', (t) => {
  const env = { ...process.env, FASTSDE_THREADS: '3' };
  const info = JSON.parse(execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env })) as {
    threads: number;
  };
  t.is(info.threads, 3);
  const bad = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...env, FASTSDE_THREADS: 'all' },
  });
  t.true(bad.stderr.includes('FASTSDE_THREADS must be an integer from 1 to 1024; got "all"'));
});
