import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { timeGrid } from '../../src/sde/grid.js';
import { ladderSde } from '../../src/sde/ladder-sde.js';
import { geometricSigmas, levelTime, smldLadder } from '../../src/sde/ladder.js';
import { levelAt, trainedLevelAt } from '../../src/sde/level.js';
import { ladderFromName, ladderFromNumbers } from '../../src/sde/named-ladder.js';
import type { Ladder } from '../../src/sde/sde.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

const ladders: [string, Ladder][] = [
  ['linear', ladderFromName({ name: 'linear' })],
  ['scaled-linear', ladderFromName({ name: 'scaled-linear', levels: 50, betaStart: 0.01, betaEnd: 0.3 })],
  ['cosine', ladderFromName({ name: 'cosine' })],
  ['sigmoid', ladderFromName({ name: 'sigmoid' })],
  ['zero terminal SNR', ladderFromName({ name: 'scaled-linear', zeroTerminalSnr: true })],
  ['geometric', smldLadder(geometricSigmas(10, 0.01, 1))],
];

const relative = (a: number, b: number) => Math.abs(a - b) / Math.abs(b);

for (const [name, ladder] of ladders) {
  test(`${name}: continuous time is exact at the levels, and noise grows between them`, (t) => {
    const sde = ladderSde(ladder, name === 'geometric' ? ve() : vp());
    const known = ladder.alpha.at(-1) === 0 ? ladder.levels - 1 : ladder.levels;
    t.is(sde.T, known / ladder.levels);
    t.is(sde.epsilon, 1 / ladder.levels);
    for (let i = 0; i < known; i++) {
      const time = levelTime(ladder, i);
      t.true(
        relative(sde.alpha(time), ladder.alpha[i]!) < 1e-12 &&
          relative(sde.sigma(time), ladder.sigma[i]!) < 1e-11,
      );
      t.deepEqual(levelAt({ sde, ladder }, time), levelAt({ sde, ladder }, time, i));
    }
    let lambda = Infinity;
    for (let k = 0; k <= 7000; k++) {
      const time = sde.epsilon + (k / 7000) * (sde.T - sde.epsilon);
      t.true(sde.lambda(time) < lambda && sde.drift(time) <= 0, `t = ${time}`);
      lambda = sde.lambda(time);
    }
  });
}

test('levels sampled from an SDE give back that SDE between them', (t) => {
  const own = vp();
  const ladder = ladderFromNumbers(Array.from({ length: 1000 }, (_, i) => own.alpha((i + 1) / 1000) ** 2));
  const sde = ladderSde(ladder, own);
  for (const time of [0.00137, 0.0105, 0.2503, 0.7777, 0.9996]) {
    for (const part of ['alpha', 'sigma', 'drift', 'diffusion'] as const)
      t.true(relative(sde[part](time), own[part](time)) < 1e-8, `${part}(${time})`);
    t.true(Math.abs(sde.timeOfLambda(own.lambda(time)) - time) < 1e-9);
  }
  const geometric = ladderSde(smldLadder(geometricSigmas(10, 0.01, 1)), ve());
  for (const level of [0.5, 3.25, 8.9])
    t.true(relative(geometric.sigma((level + 1) / 10), 0.01 * 100 ** (level / 9)) < 1e-12);
});

test('ln alpha lies between that of the levels around', (t) => {
  const ladder = ladderFromName({ name: 'linear' });
  const sde = ladderSde(ladder, vp());
  for (const i of [0, 400, 998]) {
    const between = (Math.log(ladder.alpha[i]!) + Math.log(ladder.alpha[i + 1]!)) / 2;
    t.true(Math.abs(Math.log(sde.alpha((i + 1.5) / 1000)) - between) < 2e-6);
  }
});

test('a network that takes integers knows the nearest level, at the noise of the time', (t) => {
  const ladder = { ...ladderFromName({ name: 'linear' }), nearest: true };
  const process = { sde: ladderSde(ladder, vp()), ladder };
  const level = levelAt(process, 0.5004);
  t.is(level.index, 499);
  t.is(level.alpha, process.sde.alpha(0.5004));
  t.deepEqual(trainedLevelAt(process, 0.5004), levelAt(process, 0.5, 499));
  const free = ladderFromName({ name: 'linear' });
  t.is(levelAt({ sde: ladderSde(free, vp()), ladder: free }, 0.5004).index, undefined);
});

test('a grid of such a network leads from level to level, each once', (t) => {
  const ladder = { ...ladderFromName({ name: 'linear' }), nearest: true };
  const sde = ladderSde(ladder, vp());
  for (const steps of [7, 500, 999]) {
    const walked = timeGrid(sde, { steps, grid: 'karras' });
    const indices = [...walked.map(({ from }) => from.index!), walked.at(-1)!.to.index!];
    t.is(indices.length, steps + 1);
    t.deepEqual([indices[0], indices.at(-1)], [999, 0]);
    t.true(indices.every((index, k) => k === 0 || index < indices[k - 1]!));
    t.true(
      walked.every(
        ({ from }) => from.t === (from.index! + 1) / 1000 && from.alpha === ladder.alpha[from.index!],
      ),
    );
  }
  t.throws(() => timeGrid(sde, { steps: 1000 }), { instanceOf: OptionError, message: /^steps .* 1 to 999/ });
});

test('what lies below the first level, and an SDE that is not that of the ladder, are named', (t) => {
  const ladder = ladderFromName({ name: 'linear' });
  const sde = ladderSde(ladder, vp());
  const refused: [() => unknown, string, RegExp][] = [
    [() => levelAt({ sde, ladder }, 1e-4), 'epsilon', /at least 0.001, the first of the 1000 levels/],
    [() => levelAt({ sde: vp(), ladder }, 0.5001), 'sde', /ladderSde\(ladder, sde\)/],
  ];
  for (const [make, option, message] of refused)
    t.is(t.throws(make, { instanceOf: OptionError, message }).option, option);
});
