import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { DataError, OptionError } from '../../src/errors.js';
import { encodeNpy } from '../../src/io/npy.js';
import { readSde } from '../../src/score/network/table-file.js';
import { edm } from '../../src/sde/edm.js';
import { flow } from '../../src/sde/flow.js';
import type { Sde } from '../../src/sde/sde.js';
import { subvp } from '../../src/sde/subvp.js';
import { tableSde } from '../../src/sde/table.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

type Marginals = Pick<Sde, 'alpha' | 'sigma' | 'drift' | 'diffusion'>;

/** The published tutorial's: dx = 25^t dw. */
const scoreNet: Marginals = {
  alpha: () => 1,
  sigma: (t) => Math.sqrt(Math.expm1(2 * t * Math.log(25)) / (2 * Math.log(25))),
  drift: () => 0,
  diffusion: (t) => 25 ** t,
};

const processes: [string, Marginals, number[]][] = [
  ['sigma(t)^2 = (25^2t - 1) / (2 ln 25)', scoreNet, even(0, 1)],
  ['the rectified schedule', flow(), even(0, 1)],
  ['vp', vp(), even(0, 1)],
  ['subvp', subvp(), even(0, 1)],
  ['ve', ve(), even(1e-3, 1)],
  [
    'edm, at times of its own',
    edm(),
    even(0, 1).map((u) => (0.002 ** 0.2 + u * (80 ** 0.2 - 0.002 ** 0.2)) ** 5),
  ],
];

function even(from: number, to: number): number[] {
  return Array.from({ length: 1001 }, (_, i) => from + (i / 1000) * (to - from));
}

function tableOf({ alpha, sigma }: Marginals, t: readonly number[]) {
  return { t, alpha: t.map(alpha), sigma: t.map(sigma) };
}

for (const [name, own, times] of processes) {
  test(`a table of ${name} gives its alpha, sigma, f and g between the rows`, (t) => {
    const sde = tableSde(tableOf(own, times));
    t.true(Math.abs(sde.T / times.at(-1)! - 1) < 1.001e-3);
    for (const u of [0.0104, 0.0777, 0.3333, 0.5151, 0.8765, 0.98765]) {
      const time = u * sde.T;
      for (const part of ['alpha', 'sigma', 'drift', 'diffusion'] as const) {
        const [found, exact] = [sde[part](time), own[part](time)];
        t.true(
          Math.abs(found - exact) <= (part === 'alpha' || part === 'sigma' ? 1e-6 : 1e-5) * Math.abs(exact),
          `${part}(${time}): ${found} for ${exact}`,
        );
      }
      t.true(Math.abs(sde.timeOfLambda(sde.lambda(time)) - time) < 1e-12 * sde.T);
    }
  });
}

test('a table without signal at its end is used to a thousandth before it, but by methods that need none', (t) => {
  const { T, noiseTime } = tableSde(tableOf(flow(), even(0, 1)));
  t.deepEqual([T, noiseTime], [0.999, 1]);
});

test('tables that are none are refused with the row', (t) => {
  const good = tableOf(scoreNet, [0.1, 0.2, 0.5, 1]);
  const wrong = (column: 't' | 'alpha' | 'sigma', row: number, value: number) => ({
    ...good,
    [column]: good[column].map((own, i) => (i === row ? value : own)),
  });
  const refused: [object, string, RegExp][] = [
    [wrong('t', 2, 0.2), 'table.t[2]', /above 0.2: times rise/],
    [wrong('t', 0, -1), 'table.t[0]', /at least 0/],
    [wrong('alpha', 1, NaN), 'table.alpha[1]', /above 0 and at most 1/],
    [wrong('alpha', 3, 1.5), 'table.alpha[3]', /never rises/],
    [wrong('alpha', 2, 0), 'table.alpha[2]', /above 0/],
    [wrong('sigma', 2, 0.01), 'table.sigma[2]', /never falls/],
    [wrong('sigma', 3, Infinity), 'table.sigma[3]', /at least/],
    [wrong('sigma', 2, good.sigma[1]!), 'table.sigma[2]', /sigma \/ alpha rises/],
    [{ ...good, sigma: [1, 2] }, 'table.sigma', /at least 4 numbers, one for every row/],
    [{ ...good, alpha: [1, 1, 1, 1, 1] }, 'table.alpha', /must be 4 numbers, as many as t has/],
    [{ t: good.t, alpha: good.alpha }, 'table.sigma', /at least 4 numbers/],
    [{ ...good, beta: [1] }, 'table.beta', /absent/],
  ];
  for (const [table, option, message] of refused)
    t.is(t.throws(() => tableSde(table as never), { instanceOf: OptionError, message }).option, option);
  t.throws(() => tableSde(good, { epsilon: 2 }), { instanceOf: OptionError, message: /^epsilon/ });
});

test('a table is read from columns or rows, and what is none is told with its file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-table-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const put = async (name: string, content: unknown) => {
    await writeFile(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
    return join(folder, name);
  };
  const table = tableOf(vp(), even(0, 1));
  const rows = table.t.map((time, i) => [time, table.alpha[i]!, table.sigma[i]!]);
  for (const [name, content] of [
    ['columns.json', table],
    ['rows.json', rows],
    ['rows.npy', encodeNpy({ data: Float64Array.from(rows.flat()), shape: [1001, 3] })],
  ] as const)
    t.is((await readSde(await put(name, content))).sigma(0.3), tableSde(table).sigma(0.3), name);
  for (const [name, content, message] of [
    ['text.json', { t: ['a'], alpha: [1], sigma: [1] }, /holds no table/],
    ['shape.npy', encodeNpy({ data: new Float64Array(8), shape: [4, 2] }), /its shape is \[4, 2\]/],
    ['falling.json', [...rows.slice(0, 5), [0, 1, 1]], /table\.t\[5\] must be a number above/],
  ] as const)
    await t.throwsAsync(readSde(await put(name, content)), {
      instanceOf: DataError,
      message: new RegExp(`${name}.*${message.source}`),
    });
});
