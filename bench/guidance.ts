// npm run bench -- guidance: what a guided evaluation of 64 digits costs, and what of it is no network.
import { Combining, type Blend } from '../src/control/blend.js';
import { loadClassifier } from '../src/control/classifier.js';
import { embeddedClassifier } from '../src/control/describe.js';
import { guide } from '../src/control/guidance.js';
import type { Elements } from '../src/device/device.js';
import { Queue } from '../src/device/queue.js';
import { commandsOf } from '../src/score/commands.js';
import type { ScoreModel } from '../src/score/model.js';
import { embeddedModel } from '../src/score/network/embedded.js';
import { loadModel } from '../src/score/network/load.js';
import { levelAt, type Level } from '../src/sde/level.js';
import { printTable } from './measure.js';

const ROWS = 64;
const PIXELS = 784;

export async function run(): Promise<void> {
  const conditional = await loadModel(embeddedModel('conditional'), { probe: false });
  const plain = await loadModel(embeddedModel('vp'), { probe: false });
  const classifier = await loadClassifier(embeddedClassifier());
  const queue = new Queue();
  const arrays = (rows: number) =>
    [1, 2].map((seed) => {
      const array = queue.allocate(rows * PIXELS, 'single');
      queue.fill(array, rows, 'normal', { seed: BigInt(seed), samples: 0, step: 0, stream: 16 });
      return array;
    });
  const [x, output] = arrays(ROWS) as [Elements, Elements];
  const level = levelAt(conditional, 0.4);
  const levels = new Array<Level>(ROWS).fill(level);

  /** Best time of a call in milliseconds. */
  const best = async (rounds: number, calls: number, call: () => void) => {
    let least = Infinity;
    for (let round = 0; round < rounds; round++) {
      await queue.settled();
      const start = performance.now();
      for (let i = 0; i < calls; i++) call();
      await queue.settled();
      least = Math.min(least, (performance.now() - start) / calls);
    }
    return least;
  };
  const evaluation = (model: ScoreModel, rows = ROWS) => {
    const [state, out] = arrays(rows);
    const commands = commandsOf(model)!(queue, state!, out!);
    const labels = new Int32Array(rows).fill(3);
    const at = new Array<Level>(rows).fill(level);
    return best(15, 1, () => {
      commands(at, model.classes === undefined ? undefined : labels);
    });
  };
  const combination = (rescale: number) => {
    const blend: Blend = {
      weights: () => ({ state: 0, first: 2, second: -1 }),
      reference: () => ({ state: 0, first: 1, second: 0 }),
      coefficients: (at) => conditional.coefficients(at),
      isOfOutputs: true,
      rescale,
    };
    const combining = new Combining(blend, queue, [x], [output]);
    return best(100, 20, () => {
      combining.begin(levels)!.mix();
    });
  };
  const rows: [string, number][] = [
    ['network with classes', await evaluation(conditional)],
    ['the same on twice the rows', await evaluation(conditional, 2 * ROWS)],
    ['classifier-free', await evaluation(guide(conditional, { kind: 'classifier-free', scale: 2 }))],
    ['network without classes', await evaluation(plain)],
    ['classifier', await evaluation(guide(plain, { kind: 'classifier', classifier, scale: 2 }))],
    ['combination alone', await combination(0)],
    ['with rescaling', await combination(0.7)],
  ];
  printTable(
    [`evaluation of ${ROWS} digits`, '', 'ms'],
    rows.map(([name, ms]) => [name, '', ms.toPrecision(3)]),
  );
  await queue.close();
  await Promise.all([conditional.close(), plain.close(), classifier.close()]);
}
