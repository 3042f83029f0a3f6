// Dropout masks and projections, made by commands where a batch is: as their definitions say, on every device.
import test from 'ava';

import { Stream } from '../../src/device/binding.js';
import { fill, fillUniform } from '../../src/device/kernels.js';
import { Queue } from '../../src/device/queue.js';
import { objective } from '../../src/training/objective.js';
import { Draws } from '../support/draws.js';
import { useEmulatedGpu } from '../support/emulated-gpu.js';
import { Sketch } from '../support/training-networks.js';

useEmulatedGpu();

/** A network with two mask inputs, of 3 elements and of one a row. */
function network() {
  const g = new Sketch();
  const scaled = g.op('Mul', 'x', g.tensor([1], [0.5], 'a.weight'));
  const first = g.op('Mul', scaled, 'dropout.first');
  const out = g.op('Mul', first, 'dropout.second');
  const inputs = { 'dropout.first': [3], 'dropout.second': [1] };
  return g.model(out, [3], { sde: 'vp', parameterization: 'eps', labels: 't' }, { inputs });
}

for (const where of ['here', 'cpu', 'cuda'] as const)
  test(`masks are 0 below a probability and else 1 / (1 - p): ${where}`, async (t) => {
    const model = network();
    const queue = where === 'here' ? undefined : new Queue(undefined, where);
    // Between two numbers of the noise, at one, just above one, and next to 0 and 1.
    const edges = [0, 2 ** -24, 2 ** -24 + 2 ** -60, 3 * 2 ** -24, 2 ** -23, 0.5, 1 - 2 ** -24, 1 - 2 ** -53];
    for (let number = 0; number < 120; number++) {
      const draw = new Draws(number);
      const dropout = number < edges.length ? edges[number]! : draw.uniform();
      const [rows, first, step, seed] = [1 + draw.below(40), draw.below(9), draw.below(5), BigInt(number)];
      const x0 = new Float32Array(3 * rows);
      const { tensors } = objective(model, { dropout }, {}, queue).feeds({ x0, first, step, seed });
      const sizes = [
        ['first', 3],
        ['second', 1],
      ] as const;
      for (const [substep, [name, elements]] of sizes.entries()) {
        const data = tensors[`dropout.${name}`]!.data as Float32Array;
        const mask = queue ? await queue.read(data) : data;
        const u = new Float32Array(rows * elements);
        const address = { seed, samples: first, step, stream: Stream.dropout, substep };
        fillUniform(u, rows, address);
        const expected = u.map((value) =>
          value < dropout && step > 0 ? 0 : step > 0 ? 1 / (1 - dropout) : 1,
        );
        t.deepEqual(mask, expected, `${dropout} ${name}`);
      }
    }
    await queue?.close();
  });

for (const probe of ['normal', 'rademacher'] as const)
  test(`projections of sliced score matching are those of their addresses: ${probe}`, async (t) => {
    const g = new Sketch();
    const out = g.op('Mul', 'x', g.tensor([1], [0.5], 'a.weight'));
    const model = g.model(out, [3], { sde: 'vp', parameterization: 'eps', labels: 't' });
    const aim = { kind: 'sliced', probes: 2, probe } as const;
    for (const where of ['here', 'cpu', 'cuda'] as const) {
      const queue = where === 'here' ? undefined : new Queue(undefined, where);
      const goal = objective(model, aim, {}, queue);
      for (const [rows, step] of [
        [5, 1],
        [70, 2],
        [5, 3],
      ] as const) {
        const { tensors } = goal.feeds({ x0: new Float32Array(3 * rows), first: 4, step, seed: 7n });
        for (const substep of [0, 1]) {
          const data = tensors[`probe.${substep}`]!.data as Float32Array;
          const expected = new Float32Array(3 * rows);
          const stream = probe === 'normal' ? Stream.probeNormal : Stream.probeRademacher;
          fill(expected, rows, probe, { seed: 7n, samples: 4, step, stream, substep });
          t.deepEqual(queue ? await queue.read(data) : data, expected, where);
        }
      }
      await queue?.close();
    }
  });
