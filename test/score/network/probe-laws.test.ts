import test from 'ava';
import type { ModelDescription } from '../../../src/score/network/description.js';
import { labelRule } from '../../../src/score/network/labels.js';
import { parameterizations } from '../../../src/score/parameterization.js';
import { probe } from '../../../src/score/network/probe.js';
import { geometricSigmas, smldLadder } from '../../../src/sde/ladder.js';
import { sdeFromName } from '../../../src/sde/named.js';
import { ModelError } from '../../../src/errors.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';
import { ladderNames, sdeNames, type LadderName } from '../../../src/sde/names.js';
import { description, exact, greys, type Runner } from '../../support/exact-network.js';

const square = [1, 8, 8];

/**
 * A network that is right for white Gaussian data N(mean, std^2): the hardest data for the probe, since every level of
 * noise hides as much of them as their standard deviation allows.
 */
function whiteGaussian(own: ModelDescription, mean: number, std: number): Runner {
  return exact(own, (x, { alpha, sigma }) =>
    x.map((value) => -(value - alpha * mean) / ((alpha * std) ** 2 + sigma ** 2)),
  );
}

for (const name of sdeNames) {
  for (const parameterization of parameterizations) {
    test(`no false alarm for ${parameterization} under ${name}`, async (t) => {
      for (const shape of [[2], [64], [3, 16, 16]]) {
        for (const spread of [0.1, 0.3, 0.6, 1]) {
          const own = description(name, parameterization, shape);
          const [low, high] = own.sde.dataRange;
          const std = (spread * (high - low)) / 2;
          for (const mean of [0.35, 0.5].map((u) => low + u * (high - low))) {
            // The score of N(0, I) is -x at every time of VP.
            if (name === 'vp' && parameterization === 'score' && std === 1 && mean === 0) continue;
            const report = await probe(whiteGaussian(own, mean, std), own);
            t.deepEqual(report.findings, [], `shape ${shape.join()}, std ${std}, mean ${mean}`);
          }
        }
      }
    });
  }
}

test('no false alarm on a ladder of trained levels', async (t) => {
  const own = description('vp', 'eps', [3, 8, 8], true);
  t.deepEqual((await probe(whiteGaussian(own, 0, 0.5), own)).findings, []);
});

test('no false alarm for NCSN, whose noise ends at the size of the data', async (t) => {
  const sde = sdeFromName('ve', { sigmaMax: 1 });
  const ladder = smldLadder(geometricSigmas(10, 0.01, 1));
  for (const parameterization of ['score', 'x0'] as const) {
    const base = description('ve', parameterization, [1, 28, 28]);
    const own = { ...base, sde, ladder, labels: labelRule('index'), levels: 10 };
    for (const std of [0.1, 0.25, 0.4]) {
      t.deepEqual((await probe(whiteGaussian(own, 0.4, std), own)).findings, []);
    }
  }
});

test('NaN is an error of its own', async (t) => {
  const own = description('vp', 'eps', [2]);
  const report = await probe({ run: (_, output) => Promise.resolve(void output.fill(NaN)) }, own);
  t.is(report.findings[0]?.cause, 'not-finite');
  t.is(report.findings[0]?.severity, 'error');
});

test('an untrained network is an error that advises no reading', async (t) => {
  const own = description('vp', 'eps', [64]);
  for (const scale of [0, 0.01]) {
    const untrained: Runner = {
      run({ x }, output) {
        for (const i of output.keys()) output[i] = scale * Math.sin(x[i]!);
        return Promise.resolve();
      },
    };
    const { findings } = await probe(untrained, own);
    t.is(findings[0]?.cause, 'unrecognized');
    t.is(findings[0]?.severity, 'error');
  }
});

test('a network of random weights is said to look untrained, and no reading of it is named', async (t) => {
  const random: Runner = {
    run({ x }, output) {
      // A fixed mixture of distant elements: neither the noise at an element nor the image.
      for (const i of output.keys()) output[i] = Math.sin(5 * x[(7 * i + 13) % x.length]!);
      return Promise.resolve();
    },
  };
  for (const name of sdeNames) {
    for (const parameterization of parameterizations) {
      const own = description(name, parameterization, square);
      const { findings } = await probe(random, own);
      t.is(findings[0]?.cause, 'unrecognized', `${parameterization} under ${name}`);
      t.regex(findings[0]!.message, /looks untrained/);
      t.is(findings[0]!.flag, undefined);
    }
  }
});

test('a network of tight data that are no images of one grey is no error, and a doubt about it says that it is none', async (t) => {
  for (const name of sdeNames) {
    for (const parameterization of ['eps', 'x0', 'v'] as const) {
      for (const std of [0.1, 0.3]) {
        const own = description(name, parameterization, square);
        const [low, high] = own.sde.dataRange;
        // Twelve pictures of a bright bar on black, each with little noise about it.
        const bars = Array.from({ length: 12 }, (_, k) =>
          Float64Array.from({ length: 64 }, (_, i) => ((i + 5 * k) % 64 < 6 ? high : low)),
        );
        const network = exact(own, (x, { alpha, sigma }) => {
          const variance = ((alpha * std * (high - low)) / 2) ** 2 + sigma ** 2;
          const distances = bars.map((bar) => bar.reduce((sum, b, i) => sum + (x[i]! - alpha * b) ** 2, 0));
          const least = Math.min(...distances);
          const shares = distances.map((distance) => Math.exp((least - distance) / (2 * variance)));
          const all = shares.reduce((sum, share) => sum + share);
          return x.map((value, i) =>
            bars.reduce(
              (sum, bar, k) => sum - ((shares[k]! / all) * (value - alpha * bar[i]!)) / variance,
              0,
            ),
          );
        });
        const { findings } = await probe(network, own);
        const what = `${parameterization} under ${name}, ${std}`;
        for (const { severity, message } of findings) {
          t.is(severity, 'warning', what);
          t.regex(message, /may be wrong|cannot tell/, what);
        }
      }
    }
  }
});

test('a flow that is read in the wrong direction, or at the wrong times, is told how to be read', async (t) => {
  const right = description('flow', 'flow', square);
  const network = greys(right);
  for (const [change, flag] of [
    [{ parameterization: 'reversed-flow' }, '--parameterization flow'],
    [{ labels: labelRule('1-t') }, "--labels 't'"],
  ] as [Partial<ModelDescription>, string][]) {
    const report = await probe(network, { ...right, ...change });
    t.like(report.findings[0], { severity: 'error', flag });
  }
});

const onLadder = (name: LadderName): ModelDescription => ({
  ...description('vp', 'eps', square, true),
  ladder: ladderFromName({ name }),
});

test('a network that is read under another process is told which', async (t) => {
  const flow = greys(description('flow', 'flow', square));
  for (const [wrong, flag] of [
    [description('vp', 'flow', square), /--sde flow.* --labels 't'$/],
    [description('vp', 'eps', square), /--sde flow .*--parameterization flow$/],
    [description('edm', 'x0', square), /--sde flow .*--parameterization flow$/],
  ] as [ModelDescription, RegExp][]) {
    const { findings } = await probe(flow, wrong);
    t.is(findings[0]?.cause, 'process');
    t.regex(findings[0]!.flag!, flag);
  }
});

test('a network that is read on another ladder is told which', async (t) => {
  for (const name of ladderNames) {
    const right = onLadder(name);
    t.deepEqual((await probe(greys(right), right)).findings, [], name);
    for (const other of ladderNames) {
      // The two differ by less than the noise of the data.
      if (other === name || (name === 'cosine' && other === 'sigmoid') || name === 'sigmoid') continue;
      const { findings } = await probe(greys(right), onLadder(other));
      t.true(findings.length > 0, `${name} as ${other}`);
      t.regex(findings[0]!.message, new RegExp(`--ladder ${name}|no other reading`), `${name} as ${other}`);
    }
  }
});

test('a network that fits no reading is told so, not the nearest one', async (t) => {
  const own = description('vp', 'eps', square);
  const squares: Runner = {
    run({ x }, output) {
      for (const [i, value] of x.entries()) output[i] = 5 * (value + 1) ** 2;
      return Promise.resolve();
    },
  };
  const { findings } = await probe(squares, own);
  t.is(findings[0]?.cause, 'unrecognized');
  t.is(findings[0]?.flag, undefined);
});

test('a reading that throws is no candidate', async (t) => {
  const own = { ...description('vp', 'eps', square), labels: labelRule('t') };
  const network = whiteGaussian(own, 0, 0.5);
  const table: Runner = {
    run(rows, output) {
      if (rows.time.some((label) => !(label >= 0 && label <= 1)))
        throw new ModelError('Gather: out of range');
      return network.run(rows, output);
    },
  };
  t.deepEqual((await probe(table, own)).findings, []);
  const other = { ...own, parameterization: 'score' as const };
  t.like((await probe(table, other)).findings[0], { flag: '--parameterization eps' });
});

test('rows that influence each other are an error, a time that changes nothing a warning', async (t) => {
  const own = description('vp', 'eps', square);
  const network = greys(own);
  const coupled: Runner = {
    async run(rows, output) {
      await network.run(rows, output);
      const mean = rows.x.reduce((sum, value) => sum + value / rows.x.length, 0);
      for (const [i, value] of output.entries()) output[i] = value + 0.05 * mean;
    },
  };
  t.like((await probe(coupled, own)).findings.at(-1), { cause: 'rows', severity: 'error' });
  const idle: Runner = {
    run: (rows, output) => network.run({ ...rows, time: rows.time.map(() => 500) }, output),
  };
  t.true((await probe(idle, own)).findings.some(({ cause }) => cause === 'time'));
});

test('a right network is evaluated twice, and at six pairs of levels', async (t) => {
  const own = description('vp', 'eps', square);
  const network = greys(own);
  const rows: number[] = [];
  const counted: Runner = {
    run(given, output) {
      rows.push(given.time.length);
      return network.run(given, output);
    },
  };
  await probe(counted, own);
  // 512 elements or more of both images at seven levels, and three rows again; then as many at a level, and from there twice to the next.
  t.deepEqual(rows, [112, 3, ...Array.from({ length: 6 }, () => [8, 32]).flat()]);
  // What the process is, the file said.
  rows.length = 0;
  await probe(counted, own, { isOwnProcess: true });
  t.deepEqual(rows, [112, 3]);
});
