// Reads exact denoisers of several laws in every convention of docs/export.md rightly and wrongly, one flag changed at a time, and prints
// what the probe says beside what it does to samples: the deviation of image means, and that about them, by DDIM with 50 steps.
//
//   npx tsc -p tsconfig.json && node scripts/conventions/misreadings.mjs [LAW ...] [--all]     # --all: also what an error or a warning is of
import { labelRule } from '../../.test-build/src/score/network/labels.js';
import { contradiction } from '../../.test-build/src/score/network/consistency.js';
import { Trial } from '../../.test-build/src/score/network/denoising-trial.js';
import { probe } from '../../.test-build/src/score/network/probe.js';
import {
  inputScale,
  parameterizations,
  saysData,
  scoreCoefficients,
} from '../../.test-build/src/score/parameterization.js';
import { geometricSigmas, linearBetas, ddpmLadder, smldLadder } from '../../.test-build/src/sde/ladder.js';
import { ladderFromName } from '../../.test-build/src/sde/named-ladder.js';
import { levelAt } from '../../.test-build/src/sde/level.js';
import { sdeFromName } from '../../.test-build/src/sde/named.js';
import { ladderNames, sdeNames } from '../../.test-build/src/sde/names.js';
import { exactNetwork, ladders, others, times } from '../../.test-build/test/support/exact-conventions.js';
import { laws } from '../../.test-build/test/support/exact-laws.js';

const COUNT = 64;
const STEPS = 50;
const PIXELS = 64;

function* misreadings({ reading }) {
  const { sde, ladder, labels, parameterization, sigmaData, levels } = reading;
  const range = sde.dataRange;
  for (const other of parameterizations)
    if (other !== parameterization && (ladder?.alpha.at(-1) !== 0 || saysData(other)))
      yield [`--parameterization ${other}`, { parameterization: other }];
  const rules = ladder
    ? ['index', 'reversed-index']
    : ['t*999', 't', 'sigma', 'log-sigma', 'c-noise', 'dpm-solver', '1-t', '(1-t)*1000', 't*1000'];
  for (const name of rules)
    if (labelRule(name).name !== labels.name) yield [`--labels ${name}`, { labels: labelRule(name) }];
  for (const name of sdeNames) {
    if (name === sde.name) continue;
    if (!ladder) yield [`--sde ${name}`, { sde: sdeFromName(name) }];
    if (ladder && name === 've')
      yield [`--sde ve`, { sde: sdeFromName('ve'), ladder: smldLadder(geometricSigmas(levels, 0.01, 50)) }];
    if (ladder && name === 'vp')
      yield [`--sde vp`, { sde: sdeFromName('vp'), ladder: ddpmLadder(linearBetas(levels)) }];
  }
  if (ladder && sde.name === 'vp') {
    for (const name of ladderNames) {
      for (const zeroTerminalSnr of [false, true]) {
        const other = ladderFromName({ name, zeroTerminalSnr });
        if (other.alpha.every((value, i) => value === ladder.alpha[i])) continue;
        if (zeroTerminalSnr && !saysData(parameterization)) continue;
        yield [`--ladder ${name}${zeroTerminalSnr ? ' --zero-terminal-snr' : ''}`, { ladder: other }];
      }
    }
    for (const [start, end] of [
      [1e-4, 0.012],
      [0.00085, 0.012],
    ])
      yield [
        `--ladder-constants betaStart=${start},betaEnd=${end}`,
        { ladder: ladderFromName({ name: 'linear', betaStart: start, betaEnd: end }) },
      ];
    for (const other of [100, 500])
      yield [`--trained-levels ${other}`, { ladder: ddpmLadder(linearBetas(other)), levels: other }];
  }
  if (ladder && sde.name === 've') {
    yield ['--trained-levels 100', { ladder: smldLadder(geometricSigmas(100, 0.01, 50)), levels: 100 }];
    for (const most of [10, 348])
      yield [`--sde-constants sigmaMax=${most}`, { ladder: smldLadder(geometricSigmas(levels, 0.01, most)) }];
  }
  if (!ladder && ['vp', 'subvp'].includes(sde.name))
    for (const beta1 of [10, 40])
      yield [`--sde-constants beta1=${beta1}`, { sde: sdeFromName(sde.name, { beta1 }) }];
  if (!ladder && sde.name === 've')
    for (const sigmaMax of [10, 348])
      yield [`--sde-constants sigmaMax=${sigmaMax}`, { sde: sdeFromName('ve', { sigmaMax }) }];
  for (const other of [
    [0, 1],
    [-1, 1],
    [0, 255],
  ])
    if (other.join() !== range.join())
      yield [`--data-range ${other}`, { sde: { ...reading.sde, dataRange: other } }];
  if (parameterization === 'edm')
    for (const other of [0.25, 1]) yield [`--sigma-data ${other}`, { sigmaData: other }];
}

/** Standard deviation of image means, about them, and their mean. */
async function spread(network, reading) {
  const { sde, ladder, labels, levels, parameterization, sigmaData } = reading;
  const at = (u) => {
    if (ladder) {
      const index = Math.round((1 - u) * (ladder.levels - 1));
      return levelAt({ sde, ladder }, (index + 1) / ladder.levels, index);
    }
    const [from, to] = [sde.lambda(sde.T), sde.lambda(sde.epsilon)];
    return levelAt({ sde }, sde.timeOfLambda(from + u * (to - from)));
  };
  let x = new Float32Array(COUNT * PIXELS);
  let seed = 1;
  const uniform = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let i = 0; i < x.length; i++)
    x[i] = sde.priorSigma * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const output = new Float32Array(x.length);
  for (let k = 0; k < STEPS; k++) {
    const level = at(k / STEPS);
    if (level.alpha === 0) continue;
    const next = k + 1 < STEPS ? at((k + 1) / STEPS) : { alpha: 1, sigma: 0 };
    const time = new Float64Array(COUNT).fill(labels.label(level, levels));
    const scale = new Float64Array(COUNT).fill(inputScale(parameterization, level, sigmaData));
    await network.run({ x, time, ...(parameterization === 'edm' && { scale }) }, output);
    const { state, output: gain } = scoreCoefficients(parameterization, level, sigmaData);
    for (let i = 0; i < x.length; i++) {
      const z = -level.sigma * (state * x[i] + gain * output[i]);
      const x0 = (x[i] - level.sigma * z) / level.alpha;
      x[i] = next.alpha * x0 + next.sigma * z;
    }
  }
  const means = Array.from({ length: COUNT }, (_, k) =>
    x.subarray(k * PIXELS, (k + 1) * PIXELS).reduce((sum, value) => sum + value / PIXELS, 0),
  );
  const mean = means.reduce((sum, value) => sum + value / COUNT, 0);
  const about = x.reduce((sum, value, i) => sum + (value - means[Math.floor(i / PIXELS)]) ** 2 / x.length, 0);
  return {
    mean,
    between: Math.sqrt(means.reduce((sum, value) => sum + (value - mean) ** 2 / COUNT, 0)),
    within: Math.sqrt(about),
  };
}

const figure = (value) => value.toPrecision(3);
const said = async (network, reading) => {
  try {
    const { findings } = await probe(network, reading);
    const [found] = findings;
    const c = figure(await contradiction(new Trial(network, reading), { ...reading, sign: 1 }));
    return found
      ? { severity: found.severity, what: `${found.flag ?? found.cause} ${c}` }
      : { severity: 'silent', what: c };
  } catch (cause) {
    if (cause instanceof RangeError) return { severity: 'refused', what: cause.message };
    throw cause;
  }
};

const given = process.argv.slice(2);
const all = given.includes('--all');
const names = given.filter((each) => each !== '--all');
const counts = new Map();
const count = (key) => counts.set(key, (counts.get(key) ?? 0) + 1);
for (const [law, make] of Object.entries(laws)) {
  if (names.length > 0 && !names.includes(law)) continue;
  for (const [name, convention] of Object.entries({ ...ladders, ...times, ...others })) {
    const { reading } = convention;
    const { dataRange } = reading.sde;
    const network = exactNetwork(convention, make(dataRange));
    const right = await said(network, reading);
    const own = await spread(network, reading);
    count(`${law}: right, ${right.severity}`);
    console.log(`${law} ${name} RIGHT ${right.severity} ${right.what}`);
    for (const [flag, change] of misreadings(convention)) {
      const wrong = { ...reading, ...change };
      const { severity, what } = await said(network, wrong);
      let found;
      try {
        found = severity === 'silent' || all ? await spread(network, wrong) : undefined;
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
      }
      const unit = Math.hypot(own.between, own.within);
      const off = (key) => Math.abs(found[key] - own[key]);
      const same =
        found &&
        off('mean') < 0.1 * unit &&
        off('between') < 0.1 * own.between &&
        off('within') < 0.1 * own.within + 0.01 * unit;
      count(
        `${law}: wrong, ${severity}${severity === 'silent' ? (same ? ', samples the same' : ', samples others') : ''}`,
      );
      if (severity === 'error' && !all) continue;
      const effect = found
        ? `mean ${figure(own.mean)} -> ${figure(found.mean)}, between ${figure(own.between)} -> ${figure(found.between)}, within ${figure(own.within)} -> ${figure(found.within)}`
        : '';
      console.log(`${law} ${name} ${flag}: ${severity}${same ? ' (same)' : ''} ${what} | ${effect}`);
    }
  }
}
console.log(Object.fromEntries([...counts].sort()));
