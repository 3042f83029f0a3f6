import { OptionError } from '../errors.js';
import type { TensorInfo } from '../onnx/file/model.js';
import { shownTensor } from '../onnx/file/sizes.js';
import { isRecord } from '../options.js';
import type { FedInput, Inputs, ScoreModel } from './model.js';

/**
 * A model whose network is fed these inputs: a view of the same network, made in no time and closed with it. Inputs that are not
 * named keep their values. A model that is guided takes those of the model that it guides.
 *
 * @throws OptionError for inputs that the network does not have, of another shape or of values that do not fit its type.
 */
export function withInputs(model: ScoreModel, inputs: Inputs): ScoreModel {
  if (!isRecord(inputs)) {
    throw new OptionError('inputs', inputs, 'an object of numbers and arrays { data, shape } by name');
  }
  if (model.inputs) return model.inputs.with(inputs);
  const [first] = Object.keys(inputs);
  if (first === undefined) return model;
  throw new OptionError(
    `inputs.${first}`,
    inputs[first],
    'absent: the model takes a state, a time and perhaps a class alone',
  );
}

/** The same with those of the inputs that the network has. */
export function withKnownInputs(model: ScoreModel, inputs: Inputs): ScoreModel {
  const { fed = [], missing = [] } = model.inputs ?? {};
  const names = [...fed, ...missing].map(({ name }) => name);
  const known = Object.entries(inputs).filter(([name]) => names.includes(name));
  return known.length > 0 ? withInputs(model, Object.fromEntries(known)) : model;
}

/** What the record of a run says of the inputs. */
export function recordOfInputs({ inputs }: Pick<ScoreModel, 'inputs'>): { inputs?: readonly FedInput[] } {
  return inputs ? { inputs: inputs.fed } : {};
}

/** @throws OptionError naming an input without a value. */
export function requireInputs({ inputs }: Pick<ScoreModel, 'inputs'>): void {
  const [missing] = inputs?.missing ?? [];
  if (!missing) return;
  throw missingInput(missing, 'inputs of loadModel and withInputs');
}

/** The error about an input that is fed nothing. @param where values are given in the library */
export function missingInput(info: Pick<TensorInfo, 'name' | 'type' | 'shape'>, where: string): OptionError {
  const { name } = info;
  return new OptionError(
    `inputs.${name}`,
    undefined,
    `a number or an array: the network takes ${shownTensor(info)} there, which is neither its state, its time nor a class ` +
      `(--input ${name}=FILE.npy, or ${where})`,
  );
}

// A row of a batch is known by one integer wherever rows are chosen, repeated or split: its class. Where inputs differ from sample to
// sample, that integer is negative and says the sample too.

/** The integer of a sample and its class. */
export function conditionOf(sample: number, label: number, samples: number): number {
  return -1 - (label * samples + sample);
}

/** The class in such an integer, or the class itself. */
export function classIn(condition: number, samples: number): number {
  return condition < 0 ? Math.floor((-1 - condition) / samples) : condition;
}

/** The sample in such an integer. */
export function sampleIn(condition: number, samples: number): number {
  return (-1 - condition) % samples;
}
