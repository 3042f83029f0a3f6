import { Stream, type NoiseAddress } from '../device/binding.js';
import { affine, clip, fill } from '../device/kernels.js';
import type { Queue } from '../device/queue.js';
import { ModelError, OptionError } from '../errors.js';
import type { Model } from '../onnx/file/model.js';
import type { Tensor } from '../onnx/run/runtime.js';
import { readMetadata } from '../score/network/metadata.js';
import { elementCount } from '../shape.js';
import { checkProbability, DROPOUT, type ConditionOptions } from './conditions.js';
import { placed } from './placed.js';
import type { TrainingAddress } from './times.js';

/**
 * The masks of dropout for some rows; those of step 0, which is none of training's, leave all as it is.
 * @param queue whose commands this is, in arrays of its own; here and now by default
 */
export function maskFeeds(
  model: Model,
  { dropout }: ConditionOptions,
  queue?: Queue,
): (rows: number, address: TrainingAddress) => Record<string, Tensor> {
  const inputs = model.inputs.filter(({ name }) => name.startsWith(DROPOUT));
  if (inputs.length === 0) {
    if (dropout) throw new OptionError('dropout', dropout, '0: the network has no mask inputs');
    return () => ({});
  }
  const probability = dropout ?? readMetadata(model.metadata).dropout ?? NaN;
  checkProbability('dropout', probability);
  const masks = inputs.map(({ name, shape }) => {
    const dims = shape?.slice(1);
    if (!dims?.every((size) => typeof size === 'number')) {
      throw new ModelError(`Its mask input "${name}" leaves its shape open beyond the batch.`, {
        value: name,
      });
    }
    return { name, dims, elements: elementCount(dims) };
  });
  const most = Math.max(...masks.map(({ elements }) => elements));
  const make = (rows: number) => ({
    ones: placed(new Float32Array(rows * most).fill(1), queue),
    values: masks.map(({ elements }) => placed(new Float32Array(rows * elements), queue)),
  });
  const places = new Map<number, ReturnType<typeof make>>();
  return (rows, { seed, step, first }) => {
    const { ones, values } = places.get(rows) ?? make(rows);
    places.set(rows, { ones, values });
    const dropped = step === 0 ? 0 : probability;
    return Object.fromEntries(
      masks.map(({ name, dims }, substep) => {
        const data = values[substep]!;
        const address = { seed, samples: first, step, stream: Stream.dropout, substep };
        fillMask(data, ones.subarray(0, data.length), rows, dropped, address, queue);
        return [name, { data, dims: [rows, ...dims] }];
      }),
    );
  };
}

/**
 * out <- 0 where uniform noise is below a probability p, else 1 / (1 - p).
 *
 * The noise consists of odd multiples of 2^-24. The even one between those below p and the others is taken from it, which leaves 2^-24 at least; that
 * is made longer than the bounds between which it is then kept. So all of it is exact.
 */
function fillMask(
  out: Float32Array,
  ones: Float32Array,
  rows: number,
  probability: number,
  address: NoiseAddress,
  queue: Queue | undefined,
): void {
  const kept = 1 / (1 - probability);
  const below = Math.max(0, Math.ceil((probability * 2 ** 24 - 1) / 2));
  const slope = 2 ** (25 + Math.floor(Math.log2(kept)));
  fill(out, rows, 'uniform', address, queue?.number);
  const row = Float64Array.of(slope, (-slope * below) / 2 ** 23, 0);
  affine(out, [out, ones], row, undefined, undefined, queue?.number);
  clip(out, 0, kept, queue?.number);
}
