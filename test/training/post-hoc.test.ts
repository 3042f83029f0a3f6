import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DataError, FastsdeError, OptionError } from '../../src/errors.js';
import { buildNetwork } from '../../src/networks/build.js';
import { powerFunctionExponent } from '../../src/training/ema.js';
import { heldOutLoss } from '../../src/training/held-out.js';
import type { TrainOptions } from '../../src/training/options.js';
import { fitProfile, profileProduct, type AverageProfile } from '../../src/training/post-hoc.js';
import { postHocAverage } from '../../src/training/snapshots.js';
import { train, type Training } from '../../src/training/train.js';
import { planarData, planarNetwork, TRAINING, weightsOf } from '../support/training-runs.js';

const network = await planarNetwork();

interface Power {
  readonly gamma: number;
  readonly step: number;
}

const powerOf = ({ deviation, step }: AverageProfile): Power => ({
  gamma: powerFunctionExponent(deviation),
  step,
});

/** The density of a profile at a time. */
function density({ gamma, step }: Power, time: number): number {
  return time > step ? 0 : ((gamma + 1) * (time / step) ** gamma) / step;
}

/** Integral from 0 to the last of the places where a profile ends, by Gauss and Legendre on ten intervals between neighbours. */
function integral(f: (time: number) => number, ends: readonly number[]): number {
  const places = [0, ...new Set(ends)].toSorted((a, b) => a - b);
  const [root, middle, outer] = [Math.sqrt(3 / 5), 8 / 9, 5 / 9];
  let sum = 0;
  for (let k = 1; k < places.length; k++) {
    const half = (places[k]! - places[k - 1]!) / 20;
    for (let i = 0; i < 10; i++) {
      const centre = places[k - 1]! + (2 * i + 1) * half;
      const [before, after] = [f(centre - root * half), f(centre + root * half)];
      sum += half * (middle * f(centre) + outer * (before + after));
    }
  }
  return sum;
}

const kept: readonly AverageProfile[] = [0.05, 0.1].flatMap((deviation) =>
  Array.from({ length: 50 }, (_, k) => ({ deviation, step: 20 * (k + 1) })),
);
const normOf = (profile: AverageProfile): number => {
  const power = powerOf(profile);
  return Math.sqrt(profileProduct(power, power));
};
const powers = kept.map(powerOf);
const ends = kept.map(({ step }) => step);

test('products of profiles are integrals', (t) => {
  for (const [a, b] of [
    [
      { deviation: 0.05, step: 300 },
      { deviation: 0.1, step: 700 },
    ],
    [
      { deviation: 0.2, step: 900 },
      { deviation: 0.03, step: 400 },
    ],
    [
      { deviation: 0.1, step: 500 },
      { deviation: 0.1, step: 500 },
    ],
  ] as const) {
    const [p, q] = [powerOf(a), powerOf(b)];
    const steps = Array.from({ length: 10 }, (_, i) => (a.step * (i + 1)) / 10);
    const truth = integral((time) => density(p, time) * density(q, time), [...steps, b.step]);
    t.true(Math.abs(profileProduct(p, q) / truth - 1) < 1e-6, `${profileProduct(p, q)} for ${truth}`);
    t.is(profileProduct(p, q), profileProduct(q, p));
  }
});

test('a profile that is kept is found again, and later ones are left out', (t) => {
  for (const index of [7, 49, 60, 99]) {
    const { weights, error } = fitProfile(kept[index]!, kept);
    t.true(error < 1e-6);
    weights.forEach((weight, i) => {
      t.true(Math.abs(weight - (i === index ? 1 : 0)) < 1e-8, `${weight} of ${i}`);
      if (kept[i]!.step > kept[index]!.step) t.is(weight, 0);
    });
  }
});

test('the sum of profiles is the nearest one, and the error its distance', (t) => {
  for (const deviation of [0.015, 0.03, 0.07, 0.2]) {
    const { weights, error } = fitProfile({ deviation, step: 1000 }, kept);
    const target = powerOf({ deviation, step: 1000 });
    const rest = (time: number): number =>
      powers.reduce((sum, profile, i) => sum - weights[i]! * density(profile, time), density(target, time));
    const norm = Math.sqrt(integral((time) => density(target, time) ** 2, ends));
    const distance = Math.sqrt(integral((time) => rest(time) ** 2, ends)) / norm;
    t.true(Math.abs(distance / error - 1) < 1e-4, `${distance} for ${error}`);
    // Nothing can be added that would bring it nearer.
    for (const profile of powers.filter((_, i) => i % 9 === 0)) {
      const size = Math.sqrt(profileProduct(profile, profile));
      const cosine = integral((time) => rest(time) * density(profile, time), ends) / (norm * size);
      t.true(Math.abs(cosine) < 1e-7 + 1e-5 * error, `${cosine}`);
    }
  }
});

test('averages of weights that are polynomials of time add up to that of another width', (t) => {
  // The average of (t / T)^k with the exponent gamma is (gamma + 1) / (gamma + k + 1) (step / T)^k.
  const average = ({ deviation, step }: AverageProfile, k: number): number => {
    const gamma = powerFunctionExponent(deviation);
    return ((gamma + 1) / (gamma + k + 1)) * (step / 1000) ** k;
  };
  for (const deviation of [0.03, 0.07, 0.15]) {
    const target = { deviation, step: 1000 };
    const { weights, error } = fitProfile(target, kept);
    t.true(error < 0.01);
    for (const k of [0, 1, 2, 5, 12]) {
      const sum = kept.reduce((total, profile, i) => total + weights[i]! * average(profile, k), 0);
      // Cauchy and Schwarz; what rounding does is far below.
      const bound = error * normOf(target) * Math.sqrt(1000 / (2 * k + 1));
      t.true(Math.abs(sum - average(target, k)) < bound + 1e-9, `${sum} for ${average(target, k)}`);
    }
  }
});

test('profiles that are alike do no harm', (t) => {
  const twice = [...kept, ...kept, { deviation: 0.05, step: 1000 - 1e-9 }];
  const { weights, error } = fitProfile({ deviation: 0.03, step: 1000 }, twice);
  t.true(Math.abs(error - fitProfile({ deviation: 0.03, step: 1000 }, kept).error) < 1e-6);
  t.true(weights.every((weight) => Math.abs(weight) < 100));
});

const data = planarData(50);

async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fastsde-snapshots-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

function run(folder: string, steps: number, options: Partial<TrainOptions> = {}): Training {
  const snapshots = { folder: join(folder, 'snapshots'), every: 5 };
  return train(network, data, { ...TRAINING, steps, snapshots, ...options });
}

test('snapshots of a run add up to the averages of its weights', async (t) => {
  const folder = await temporaryFolder(t);
  const steps = 62;
  const training = run(folder, steps, { ema: { kind: 'constant', decay: 0 }, modelEvery: 1 });
  const path: number[][] = [];
  for await (const { model } of training) path.push(weightsOf(model!));
  const { model, averages } = await training;
  t.is(averages.length, 1);
  t.deepEqual(weightsOf(model), path.at(-1));

  const snapshots = join(folder, 'snapshots');
  t.is((await readdir(snapshots)).length, 13);
  for (const [deviation, step] of [
    [0.05, steps],
    [0.1, 40],
    [0.03, steps],
    [0.14, steps],
  ] as const) {
    const made = await postHocAverage(model, snapshots, { deviation, step });
    t.deepEqual([made.deviation, made.step, made.snapshots], [deviation, step, Math.ceil(step / 5)]);
    t.is(made.model.metadata.get('fastsde.training.steps'), String(step));
    const exponent = powerFunctionExponent(deviation) + 1;
    const share = (k: number): number => (k ** exponent - (k - 1) ** exponent) / step ** exponent;
    const norm = normOf(made);
    let difference = 0;
    for (const [i, weight] of weightsOf(made.model).entries()) {
      let [truth, squares] = [0, 0];
      for (let k = 1; k <= step; k++) {
        truth += share(k) * path[k - 1]![i]!;
        squares += path[k - 1]![i]! ** 2;
      }
      const excess = Math.abs(weight - truth) - made.error * norm * Math.sqrt(squares);
      difference = Math.max(difference, excess);
    }
    t.true(difference < 3e-6, `${difference} at ${deviation}, ${made.error}`);
    t.true(made.error < (deviation === 0.03 ? 0.1 : 0.03), `${made.error}`);
  }
});

test('a run that was broken off leaves the snapshots of one that was not', async (t) => {
  const [whole, parts] = [await temporaryFolder(t), await temporaryFolder(t)];
  const snapshotsOf = async (folder: string): Promise<Record<string, string>> => {
    const place = join(folder, 'snapshots');
    const files = await readdir(place);
    return Object.fromEntries(
      await Promise.all(
        files.map(async (name) => [name, (await readFile(join(place, name))).toString('base64')]),
      ),
    ) as Record<string, string>;
  };
  const first = await run(whole, 20);
  const checkpoints = { folder: join(parts, 'checkpoints'), every: 4 };
  await run(parts, 12, { checkpoints });
  // What is of steps that are made again, and what a killed process left.
  await writeFile(join(parts, 'snapshots', 'step-00000017.safetensors'), 'x');
  await writeFile(join(parts, 'snapshots', '.step-00000015.safetensors.0badcafe.tmp'), 'x');
  const second = await run(parts, 20, { checkpoints });
  t.is(second.resumedFrom, 12);
  t.deepEqual(second.averages.map(weightsOf), first.averages.map(weightsOf));
  const found = await snapshotsOf(parts);
  delete found['step-00000012.safetensors'];
  t.deepEqual(found, await snapshotsOf(whole));

  const other = run(parts, 20, { checkpoints, snapshots: undefined });
  t.regex((await t.throwsAsync(async () => await other)).message, /snapshots/);
});

test('the loss on held-out data is that of the training', async (t) => {
  const folder = await temporaryFolder(t);
  const validation = planarData(33);
  const checkpoints = { folder: join(folder, 'checkpoints'), every: 6 };
  for (const objective of [{}, { weighting: 'likelihood', times: 'importance' }] as const) {
    await rm(checkpoints.folder, { recursive: true, force: true });
    const { model, best } = await run(folder, 6, { checkpoints, validation, objective });
    const loss = await heldOutLoss(model, validation, { objective, seed: TRAINING.seed, batch: 10 });
    t.true(Math.abs(loss / best!.loss - 1) < 1e-5, `${loss} for ${best!.loss}`);
    t.true(Math.abs((await heldOutLoss(model, validation, { objective })) / best!.loss - 1) > 1e-4);
  }
  const model = network;
  const refused = async (given: object, option: string): Promise<void> => {
    const error = await t.throwsAsync(heldOutLoss(model, validation, given), { instanceOf: OptionError });
    t.is(error.option, option);
  };
  await refused({ batch: 0 }, 'batch');
  await refused({ rows: 3 }, 'rows');
  await refused({ objective: { kind: 'score' } }, 'kind');
  await t.throwsAsync(heldOutLoss(model, { ...validation, shape: [11, 6] }), { instanceOf: DataError });
});

test('what cannot be averaged is refused by name', async (t) => {
  const folder = await temporaryFolder(t);
  const { model } = await run(folder, 10);
  const place = join(folder, 'snapshots');
  const refused = async (given: object, option: string): Promise<void> => {
    const error = await t.throwsAsync(postHocAverage(model, place, given as never), {
      instanceOf: OptionError,
    });
    t.is(error.option, option);
  };
  await refused({ deviation: 0.29 }, 'deviation');
  await refused({ deviation: 0 }, 'deviation');
  await refused({}, 'deviation');
  await refused({ deviation: 0.1, step: 11 }, 'step');
  await refused({ deviation: 0.1, step: 4 }, 'step');
  await refused({ deviation: 0.1, sigma: 4 }, 'sigma');
  for (const [snapshots, option] of [
    [{ folder: place, every: 0 }, 'snapshots.every'],
    [{ folder: place, every: 5, deviations: [] }, 'snapshots.deviations'],
    [{ folder: place, every: 5, deviations: [0.1, 0.1] }, 'snapshots.deviations'],
    [{ folder: place, every: 5, deviations: [0.1, 0.5] }, 'snapshots.deviations[1]'],
    [{ folder: place, every: 5, keep: 5 }, 'snapshots.keep'],
  ] as const) {
    const thrown = t.throws(() => run(folder, 10, { snapshots: snapshots as never }), {
      instanceOf: OptionError,
    });
    t.is(thrown.option, option);
  }

  const message = async (): Promise<string> =>
    (await t.throwsAsync(postHocAverage(model, place, { deviation: 0.1 }), { instanceOf: FastsdeError }))
      .message;
  const file = join(place, 'step-00000005.safetensors');
  const bytes = await readFile(file);
  await writeFile(file, bytes.subarray(0, bytes.length / 2));
  t.regex(await message(), /step-00000005\.safetensors cannot be used: .*Remove it/);
  await writeFile(file, Buffer.from(bytes.toString('latin1').replace('[0.05,0.1]', '[0.05,0.2]'), 'latin1'));
  t.regex(await message(), /it has/);
  await writeFile(file, bytes);
  const other = buildNetwork({ kind: 'mlp', shape: [2], sde: 'vp', parameterization: 'eps', sigmaData: 1, precondition: { mean: 0, std: 1 } }); // prettier-ignore
  await t.throwsAsync(postHocAverage(other, place, { deviation: 0.1 }), {
    message: /"head.weight" has 256 elements, not 32/,
  });
  await rm(place, { recursive: true });
  t.regex(await message(), /no such file or folder/);
  t.regex((await t.throwsAsync(postHocAverage(model, folder, { deviation: 0.1 }))).message, /no snapshots/);
});
