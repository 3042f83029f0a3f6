import { join } from 'node:path';
import test from 'ava';
import { guide, type GuidanceOptions } from '../../src/control/guidance.js';
import { loadClassifier } from '../../src/control/classifier.js';
import { cpu } from '../../src/device/cpu.js';
import { Queue } from '../../src/device/queue.js';
import { likelihood } from '../../src/likelihood/likelihood.js';
import { createSession } from '../../src/onnx/run/runtime.js';
import { packageRoot } from '../../src/package-root.js';
import { sample, type SampleOptions } from '../../src/sampling/sample.js';
import { commandsOf, vjpCommandsOf } from '../../src/score/commands.js';
import type { ScoreModel } from '../../src/score/model.js';
import { embeddedModel } from '../../src/score/network/embedded.js';
import { loadModel } from '../../src/score/network/load.js';
import { levelAt } from '../../src/sde/level.js';

const classifierPath = join(packageRoot(), 'models', 'mnist-classifier.onnx');
const PIXELS = 784;

/** Every kind of guidance by networks, and the model without it; `batch` fixes the rows of every run. */
async function open(
  kind: GuidanceOptions['kind'],
  strength: { scale?: number; interval?: readonly [number, number]; rescale?: number },
  batch?: number,
): Promise<{ plain: ScoreModel; guided: ScoreModel }> {
  const forClassifier = { threads: 1, ...(batch !== undefined && { batch }) };
  const load = { ...forClassifier, probe: false };
  const plain = await loadModel(embeddedModel(kind === 'classifier-free' ? 'conditional' : 'vp'), load);
  const others: Record<GuidanceOptions['kind'], () => Promise<GuidanceOptions>> = {
    'classifier-free': () => Promise.resolve({ kind: 'classifier-free', ...strength }),
    classifier: async () => ({
      kind: 'classifier',
      classifier: await loadClassifier(classifierPath, forClassifier),
      ...strength,
    }),
    // A guide that says something else: the same network, told that its noise is less.
    autoguidance: async () => ({
      kind: 'autoguidance',
      guide: await loadModel(embeddedModel('vp'), { ...load, labels: 't*900' }),
      ...strength,
    }),
  };
  return { plain, guided: guide(plain, await others[kind]()) };
}

const kinds = ['classifier-free', 'classifier', 'autoguidance'] as const;
const vp = { T: 1 };

/** Rows of noise that are at these levels. */
function rowsAt(model: ScoreModel, times: readonly number[]) {
  const levels = times.map((t) => levelAt(model, t * vp.T));
  const x = new Float32Array(times.length * PIXELS);
  const v = new Float32Array(times.length * PIXELS);
  cpu.fill(x, times.length, 'normal', { seed: 5n, samples: 0, step: 0, stream: 16 });
  cpu.fill(v, times.length, 'rademacher', { seed: 6n, samples: 0, step: 0, stream: 16 });
  return { levels, x, v, labels: Int32Array.from(times, (_, i) => (3 * i) % 10) };
}

test.serial('the gradient of a classifier is that of its log-probability', async (t) => {
  const classifier = await loadClassifier(classifierPath, { threads: 1 });
  t.is(classifier.classes, 10);
  const { levels, x, v, labels } = rowsAt({ sde: classifier.sde! } as ScoreModel, [0.05, 0.3, 0.6]);
  const gradient = new Float32Array(x.length);
  await classifier.gradient(x, levels, gradient, labels);
  const session = await createSession(classifierPath, { threads: 1 });
  const logProbabilities = async (shift: number) => {
    const data = x.map((value, i) => value + shift * v[i]!);
    const logits = new Float32Array(30);
    const time = Float32Array.from(levels, (level) => 999 * level.t);
    await session.run(
      { x: { data, dims: [3, 1, 28, 28] }, t: { data: time, dims: [3] } },
      { logits: { data: logits, dims: [3, 10] } },
      {},
    );
    return Array.from(labels, (label, i) => {
      const row = logits.subarray(10 * i, 10 * (i + 1));
      return row[label]! - Math.log(row.reduce((sum, logit) => sum + Math.exp(logit), 0));
    });
  };
  const h = 1e-3;
  const [above, below] = [await logProbabilities(h), await logProbabilities(-h)];
  for (let i = 0; i < 3; i++) {
    let slope = 0;
    for (let e = i * PIXELS; e < (i + 1) * PIXELS; e++) slope += v[e]! * gradient[e]!;
    const difference = (above[i]! - below[i]!) / (2 * h);
    t.true(Math.abs(slope - difference) < 0.01 * Math.abs(slope) + 0.01, `${slope}, ${difference}`);
  }
  await session.release();
  await classifier.close();
});

for (const kind of kinds) {
  test.serial(
    `${kind}: commands give the bits of the evaluation, and rows outside the interval those of the model`,
    async (t) => {
      const { plain, guided } = await open(kind, { scale: 2, interval: [0.2, 5] });
      // Below, within, above, within: two rows of four are guided.
      const { levels, x, v, labels } = rowsAt(guided, [0.01, 0.2, 0.9, 0.4]);
      const queue = new Queue();
      const [state, vector, output, product] = [1, 2, 3, 4].map(() => queue.allocate(x.length, 'single'));
      queue.write(state!, x);
      queue.write(vector!, v);
      const expected = new Float32Array(x.length);
      await guided.evaluate(x, levels, expected, labels);
      const commands = commandsOf(guided)!(queue, state!, output!);
      for (let repeat = 0; repeat < 2; repeat++) {
        queue.clip(output!, 0, 0);
        commands(levels, labels);
        t.deepEqual(await queue.read(output!), expected);
      }
      const alone = new Float32Array(x.length);
      await plain.evaluate(x, levels, alone, plain.classes === undefined ? undefined : labels);
      for (const [i, isGuided] of [false, true, false, true].entries()) {
        const rows = [i * PIXELS, (i + 1) * PIXELS] as const;
        const same = expected.subarray(...rows).every((value, e) => value === alone[rows[0] + e]);
        t.is(same, !isGuided, `row ${i}`);
      }
      t.deepEqual(
        levels.map((level) => Object.keys(guided.cost!(level)).length),
        [1, 2, 1, 2],
      );

      const vjp = await guided.differentiate!();
      const transposed = new Float32Array(x.length);
      await vjp(x, v, levels, alone, transposed, labels);
      vjpCommandsOf(vjp)!(queue, state!, vector!, output!, product!)(levels, labels);
      t.deepEqual(await queue.read(output!), alone);
      t.deepEqual(await queue.read(product!), transposed);
      const evaluate = await guided.linearize!();
      const [output2, product2] = [new Float32Array(x.length), new Float32Array(x.length)];
      const pull = await evaluate(x, levels, output2, labels);
      await pull(v, product2);
      for (const [found, truth] of [
        [output2, alone],
        [product2, transposed],
      ] as const) {
        const size = Math.max(...truth.map(Math.abs));
        t.true(found.every((value, i) => Math.abs(value - truth[i]!) < 1e-5 * size));
      }
      const h = 3e-3;
      const at = async (sign: number) => {
        const shifted = x.map((value, i) => value + sign * h * levels[Math.floor(i / PIXELS)]!.sigma * v[i]!);
        const out = new Float32Array(x.length);
        await guided.evaluate(shifted, levels, out, labels);
        return out;
      };
      const [above, below] = [await at(1), await at(-1)];
      levels.forEach(({ sigma }, i) => {
        let [found, difference] = [0, 0];
        for (let e = i * PIXELS; e < (i + 1) * PIXELS; e++) {
          found += v[e]! * transposed[e]!;
          difference += (v[e]! * (above[e]! - below[e]!)) / (2 * h * sigma);
        }
        t.true(Math.abs(found - difference) < 0.01 * Math.abs(difference) + 0.5, `${found}, ${difference}`);
      });
      await queue.close();
      await guided.close();
    },
  );

  test.serial(`${kind}: a sample has its bits alone and in any batch`, async (t) => {
    const { guided } = await open(kind, { scale: 2.5, interval: [0.1, 10], rescale: 0.5 }, 2);
    const labels = guided.classes === undefined ? undefined : Int32Array.of(3, 1, 4);
    const options: SampleOptions = { solver: 'unipc', steps: 5, grid: 'karras', seed: 9 };
    const own = labels && { classLabel: labels };
    const together = await sample(guided, { ...options, count: 3, batch: 3, ...own });
    const apart = await sample(guided, { ...options, count: 3, batch: 1, ...own });
    t.deepEqual(apart.samples, together.samples);
    const last = await sample(guided, {
      ...{ ...options, count: 1, first: 2 },
      ...(labels && { classLabel: labels.subarray(2) }),
    });
    t.deepEqual(last.samples, together.samples.subarray(2 * PIXELS));
    t.like(together.options, { guidance: { kind, scale: 2.5, interval: [0.1, 10], rescale: 0.5 } });
    await guided.close();
  });
}

test.serial(
  'scale 1 has the bits of the model with its class, and the second network does not run',
  async (t) => {
    const options: SampleOptions = {
      count: 2,
      classLabel: 7,
      predictor: 'ancestral',
      corrector: 'langevin',
      steps: 4,
    };
    const { plain, guided } = await open('classifier-free', {});
    const expected = await sample(plain, options);
    const found = await sample(guided, options);
    t.deepEqual(found.samples, expected.samples);
    t.deepEqual(found.counts, expected.counts);
    const double = guide(plain, { kind: 'classifier-free', scale: 2, interval: [0.3, 2] });
    const { counts } = await sample(double, {
      ...options,
      solver: 'dpmpp-2m',
      steps: 20,
      grid: 'uniform-lambda',
      predictor: undefined,
      corrector: undefined,
    });
    const inside = 20;
    t.is(counts.networks['network'], 21);
    t.true(counts.networks['unconditional']! > 0 && counts.networks['unconditional']! < inside / 2);
    await guided.close();
  },
);

test.serial('rescaling gives estimates of x_0 the spread of scale 1, in its share', async (t) => {
  const { plain, guided: none } = await open('classifier-free', { scale: 4 });
  const { levels, x, labels } = rowsAt(none, [0.9, 0.5]);
  const estimatesOf = async (model: ScoreModel) => {
    const output = new Float32Array(x.length);
    await model.evaluate(x, levels, output, labels);
    // F is eps.
    return output.map((eps, i) => {
      const { alpha, sigma } = levels[Math.floor(i / PIXELS)]!;
      return (x[i]! - sigma * eps) / alpha;
    });
  };
  const spread = (values: Float32Array, row: number) => {
    const own = Float64Array.from(values.subarray(row * PIXELS, (row + 1) * PIXELS));
    const mean = own.reduce((sum, value) => sum + value, 0) / PIXELS;
    return Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / PIXELS);
  };
  const [conditional, wide] = [await estimatesOf(plain), await estimatesOf(none)];
  for (const rescale of [0.3, 1]) {
    const found = await estimatesOf(guide(plain, { kind: 'classifier-free', scale: 4, rescale }));
    for (const row of [0, 1]) {
      const factor = 1 + rescale * (spread(conditional, row) / spread(wide, row) - 1);
      t.true(Math.abs(factor - 1) > 0.01);
      for (let e = row * PIXELS; e < (row + 1) * PIXELS; e++)
        t.true(Math.abs(found[e]! - factor * wide[e]!) < 1e-4 * (1 + Math.abs(wide[e]!)));
    }
  }
  await plain.close();
});

test.serial('counts of a likelihood are those of its networks', async (t) => {
  const { guided } = await open('classifier-free', { scale: 2, interval: [0.3, 2] });
  const data = new Float32Array(PIXELS).fill(-1);
  const options = { classLabel: 0, rtol: 1e-2, atol: 1e-2, variable: 'lambda' } as const;
  const { counts, evaluations, warnings } = await likelihood(guided, data, options);
  t.is(counts.networks['network'], evaluations[0]);
  t.true(counts.networks['unconditional']! > 0 && counts.networks['unconditional']! < evaluations[0]!);
  t.regex(warnings.join(' '), /law which the ODE with guidance of scale 2 draws/);
  await guided.close();
});
