import test, { type ExecutionContext } from 'ava';

import { Queue } from '../../../src/device/queue.js';
import { ModelError } from '../../../src/errors.js';
import { commandsOf, vjpCommandsOf } from '../../../src/score/commands.js';
import { loadModel, type LoadOptions } from '../../../src/score/network/load.js';
import { withEvaluate } from '../../../src/score/wrapped.js';
import { levelAt } from '../../../src/sde/level.js';
import { fixture } from '../../support/gaussian-image.js';
import { elementCount } from '../../../src/shape.js';

const networks: [string, LoadOptions][] = [
  ['vp-eps', {}],
  ['vp-eps', { batch: 2 }],
  ['vp-batch4', {}],
  ['vp-class', {}],
  ['vp-float16', {}],
  ['vp-float16', { batch: 4 }],
  ['edm', {}],
  ['edm', { batch: 2 }],
  ['smld', {}],
];

/** Up to the rounding of another order of sums. */
function near(t: ExecutionContext, found: Float32Array, truth: Float32Array): void {
  const size = Math.max(...truth.map(Math.abs));
  const most = Math.max(...found.map((value, i) => Math.abs(value - truth[i]!)));
  t.true(most <= 1e-5 * size, `${most} of ${size}`);
}

for (const [name, options] of networks) {
  test(`commands give the bits of the evaluation itself: ${name} ${JSON.stringify(options)}`, async (t) => {
    const model = await loadModel(fixture(name), { probe: false, threads: 1, ...options });
    const rows = 3;
    const length = rows * elementCount(model.shape);
    const levels = [0.9, 0.2, 0.2].map((share, i) => {
      const { ladder } = model;
      if (!ladder) return levelAt(model, share * model.sde.T);
      const index = Math.max(1, Math.round(share * ladder.levels) - i);
      return levelAt(model, (index + 1) / ladder.levels, index);
    });
    const labels = model.classes === undefined ? undefined : Int32Array.of(0, 1, 1);
    const queue = new Queue();
    const [x, v, output, product] = [1, 2, 3, 4].map(() => queue.allocate(length, 'single'));
    queue.fill(x!, rows, 'normal', { seed: 1n, samples: 0, step: 0, stream: 16 });
    queue.fill(v!, rows, 'normal', { seed: 2n, samples: 0, step: 0, stream: 16 });
    const [state, vector] = [await queue.read(x!), await queue.read(v!)] as [Float32Array, Float32Array];

    const commands = commandsOf(model)!(queue, x!, output!);
    const expected = new Float32Array(length);
    await model.evaluate(state, levels, expected, labels);
    for (let repeat = 0; repeat < 2; repeat++) {
      queue.clip(output!, 0, 0);
      commands(levels, labels);
      t.deepEqual(await queue.read(output!), expected);
    }

    const vjp = await model.differentiate().catch(() => undefined);
    if (vjp) {
      const transposed = new Float32Array(length);
      await vjp(state, vector, levels, expected, transposed, labels);
      vjpCommandsOf(vjp)!(queue, x!, v!, output!, product!)(levels, labels);
      t.deepEqual(await queue.read(output!), expected);
      t.deepEqual(await queue.read(product!), transposed);

      // Linearized, at other states first, of fewer rows.
      const evaluate = await model.linearize!();
      const width = length / rows;
      const other = state.subarray(0, width).map((value) => value + 0.5);
      await evaluate(other, levels.slice(0, 1), new Float32Array(width), labels?.slice(0, 1));
      const [again, result] = [new Float32Array(length), new Float32Array(length)];
      const pull = await evaluate(state.slice(), levels, again, labels);
      near(t, again, expected);
      for (const scale of [1, 2]) {
        await pull(
          vector.map((value) => scale * value),
          result,
        );
        near(
          t,
          result,
          transposed.map((value) => scale * value),
        );
      }
    }
    t.deepEqual(await queue.read(x!), state, 'the state stays as it is');
    await model.close();
    t.throws(
      () => {
        commands(levels, labels);
      },
      { instanceOf: ModelError, message: /is closed and cannot be evaluated/ },
    );
    await queue.close();
  });
}

test('a model that evaluates otherwise has no commands of the one that it is made of', async (t) => {
  const model = await loadModel(fixture('vp-eps'), { probe: false });
  t.truthy(commandsOf(model));
  t.falsy(commandsOf(withEvaluate(model, (x, levels, output) => model.evaluate(x, levels, output))));
  t.truthy(commandsOf({ evaluate: model.evaluate }));
  await model.close();
});
