import test from 'ava';
import { contradiction } from '../../../src/score/network/consistency.js';
import { Trial } from '../../../src/score/network/denoising-trial.js';
import type { ModelDescription } from '../../../src/score/network/description.js';
import { labelRule } from '../../../src/score/network/labels.js';
import { probe } from '../../../src/score/network/probe.js';
import { ladderFromName } from '../../../src/sde/named-ladder.js';
import { sdeFromName } from '../../../src/sde/named.js';
import type { LadderName } from '../../../src/sde/names.js';
import {
  exactNetwork,
  ladders,
  others,
  shape,
  times,
  type Convention,
} from '../../support/exact-conventions.js';
import { description, type Runner } from '../../support/exact-network.js';
import { laws } from '../../support/exact-laws.js';

/** The exact network for pictures of one grey with a little noise, at any label. */
function network(convention: Convention, law = 'greys'): Runner {
  return exactNetwork(convention, laws[law]!(convention.reading.sde.dataRange));
}

for (const family of [ladders, times]) {
  for (const [name, convention] of Object.entries(family)) {
    for (const [other, { reading }] of Object.entries(family)) {
      if (other === name) continue;
      test(`${name} read as ${other} is not passed over`, async (t) => {
        const { findings } = await probe(network(convention), reading);
        t.true(findings.length > 0);
        t.notRegex(findings[0]!.message, /zero-terminal-snr/, 'eps says nothing where no signal is left');
      });
    }
  }
}

for (const [name, convention] of Object.entries({ ...ladders, ...times, ...others })) {
  test(`${name} is what it says`, async (t) => {
    t.deepEqual((await probe(network(convention), convention.reading)).findings, []);
  });
}

test('D(x, sigma) is not passed over under processes that scale data, whatever its labels', async (t) => {
  for (const sde of ['vp', 'subvp', 'flow'] as const) {
    for (const labels of ['sigma', '1-t', 't', 't*999', 'c-noise']) {
      const reading = { ...description(sde, 'x0', shape), labels: labelRule(labels) };
      const { findings } = await probe(network(times['D']!), reading);
      t.true(findings.length > 0, `${sde}, ${labels}`);
    }
  }
  const told = { ...description('ve', 'x0', shape), labels: labelRule('t*999') };
  t.like((await probe(network(times['D']!), told)).findings[0], {
    cause: 'labels',
    flag: "--labels 'sigma'",
  });
});

test('levels contradict one another under another process alone, whatever the Gaussian data', async (t) => {
  const of = (law: string, convention: Convention, change: Partial<ModelDescription> = {}) => {
    const read = { ...convention.reading, ...change };
    const { labels, parameterization } = read;
    return contradiction(new Trial(network(convention, law), read), { labels, parameterization, sign: 1 });
  };
  for (const law of ['greys', 'smooth', 'white', 'tight', 'bright']) {
    for (const convention of [ladders['cosine']!, times['songvp']!, times['F']!, others['cfm']!])
      t.true((await of(law, convention)) < 1e-6, law);
    t.true(
      (await of(law, ladders['linear']!, { ladder: ladderFromName({ name: 'scaled-linear' }) })) > 0.015,
    );
    t.true((await of(law, times['songvp']!, { sde: sdeFromName('vp', { beta1: 10 }) })) > 0.015, law);
  }
});

test('photographs on another ladder are told which, and cosine from sigmoid', async (t) => {
  const told = async (law: string, name: string, other: LadderName) => {
    const convention = ladders[name]!;
    const reading = { ...convention.reading, ladder: ladderFromName({ name: other }) };
    const [found] = (await probe(network(convention, law), reading)).findings;
    t.is(found?.flag, `--ladder ${name}`, `${law}: ${name} as ${other}`);
    t.is(found?.severity, 'warning');
  };
  for (const [name, other] of [
    ['linear', 'scaled-linear'],
    ['scaled-linear', 'linear'],
    ['cosine', 'sigmoid'],
  ] as const) {
    await told('smooth', name, other);
    if (name === 'cosine') await told('greys', name, other);
    const { reading } = ladders[name]!;
    t.deepEqual((await probe(network(ladders[name]!, 'smooth'), reading)).findings, []);
  }
});

test('constants that are not those of the network are told', async (t) => {
  const { reading } = times['songvp']!;
  const read = { ...reading, sde: sdeFromName('vp', { beta1: 10 }) };
  const { findings } = await probe(network(times['songvp']!, 'smooth'), read);
  t.like(findings[0], { cause: 'process', flag: '--sde-constants beta1=20' });
});
