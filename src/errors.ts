/** What an error names beside its message: the option's path and the value that was refused. */
export interface ErrorDetail {
  /** Path of the option, such as `solver.snr`. */
  option?: string;
  /** What it was given. */
  value?: unknown;
  /** The error that led to this one. */
  cause?: unknown;
}

/** Base of every error that fastsde throws on purpose; `code` is stable across versions. */
export class FastsdeError extends Error {
  /** `ERR_FASTSDE_...`, the same in every version. */
  readonly code: string;
  /** Path of the option that is refused, where it is one. */
  readonly option?: string;
  /** What it was given. */
  readonly value?: unknown;

  constructor(code: string, message: string, detail: ErrorDetail = {}) {
    super(message, 'cause' in detail ? { cause: detail.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    if (detail.option !== undefined) this.option = detail.option;
    if ('value' in detail) this.value = detail.value;
  }
}

/** An option or argument that cannot be used; names the option, its value and what was expected. */
export class OptionError extends FastsdeError {
  /** Path of the option, such as `solver.snr`. */
  declare readonly option: string;
  /** What was expected: the message says that the option "must be" that. */
  readonly expected: string;

  constructor(option: string, value: unknown, expected: string) {
    super('ERR_FASTSDE_OPTION', `${option} must be ${expected}; got ${describe(value)}.`, { option, value });
    this.expected = expected;
  }
}

/** A model file that is missing, damaged, or does not fit what was asked of it. */
export class ModelError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_MODEL', message, detail);
  }
}

/** Input data (files, arrays) that cannot be read or has the wrong shape. */
export class DataError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_DATA', message, detail);
  }
}

/** A file or folder that cannot be written. */
export class OutputError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_OUTPUT', message, detail);
  }
}

/** A score that is NaN or infinite, with the solver step and the global index of the sample. */
export class NonFiniteScoreError extends FastsdeError {
  /** Position of the step in the run, from 0. */
  readonly step: number;
  /** Index of the sample in the run. */
  readonly sample: number;
  /** Time of the level at which the score was asked for. */
  readonly time: number;

  constructor(step: number, sample: number, time: number) {
    super(
      'ERR_FASTSDE_NON_FINITE',
      `The score of sample ${sample} is not finite at step ${step} (t = ${time}). ` +
        'Check the parameterization, the time labels and the data range, or use more steps.',
    );
    this.step = step;
    this.sample = sample;
    this.time = time;
  }
}

/** An adaptive integration whose steps became too small to go on, with the global index of the sample. */
export class IntegrationError extends FastsdeError {
  /** Index of the sample in the run. */
  readonly sample: number;
  /** Time that was reached. */
  readonly time: number;
  /** What the error had to meet. */
  readonly tolerances: { readonly rtol: number; readonly atol: number };

  constructor(sample: number, time: number, tolerances: { readonly rtol: number; readonly atol: number }) {
    const { rtol, atol } = tolerances;
    super(
      'ERR_FASTSDE_INTEGRATION',
      `The integration of sample ${sample} cannot go on from t = ${time}: its step size fell to rounding before the error ` +
        `met rtol ${rtol} and atol ${atol}. Use larger tolerances (float32 networks reach about 1e-6), or a larger epsilon.`,
    );
    this.sample = sample;
    this.time = time;
    this.tolerances = tolerances;
  }
}

/** A training run that cannot go on: a loss that is NaN or infinite, or a network that fails. */
export class TrainingError extends FastsdeError {
  /** The step that was not made. */
  readonly step: number;
  /** Times of the rows whose loss is not finite. */
  readonly times: readonly number[];
  /** The last checkpoint, whose state is good. */
  readonly checkpoint?: string;

  constructor(
    message: string,
    detail: { step: number; times?: readonly number[]; checkpoint?: string | undefined; cause?: unknown },
  ) {
    const { step, times = [], checkpoint } = detail;
    const last =
      checkpoint === undefined ? 'There is no checkpoint.' : `The last checkpoint is ${checkpoint}.`;
    super('ERR_FASTSDE_TRAINING', `${message} ${last}`, 'cause' in detail ? { cause: detail.cause } : {});
    this.step = step;
    this.times = times;
    if (checkpoint !== undefined) this.checkpoint = checkpoint;
  }
}

/** The native addon, or a library that fastsde needs at run time, cannot be loaded. */
export class LoadError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_LOAD', message, detail);
  }
}

/** An engine that ended in the middle of a request, or engines that are closed. */
export class EngineError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_ENGINE', message, detail);
  }
}

/** A request that is refused because as many as are allowed wait already. */
export class QueueFullError extends FastsdeError {
  constructor(waiting: number) {
    super(
      'ERR_FASTSDE_QUEUE_FULL',
      `All engines are busy and ${waiting} requests wait, as many as queue allows. ` +
        'Try again later, await engines.room() before a request, or give more engines or a longer queue.',
    );
  }
}

/** The server that keeps a queue of jobs cannot be reached or used, or a run in the queue failed. */
export class QueueError extends FastsdeError {
  constructor(message: string, detail: ErrorDetail = {}) {
    super('ERR_FASTSDE_QUEUE', message, detail);
  }
}

/** A value as an error message shows it: short, and never a page of array elements. */
export function describe(value: unknown): string {
  return describeWithin(value, 2);
}

/** `levels` of arrays in arrays are shown: an array can hold itself. */
function describeWithin(value: unknown, levels: number): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (ArrayBuffer.isView(value)) {
    const length = 'length' in value ? `(${String(value.length)})` : '';
    return `${typeName(value)}${length}`;
  }
  if (Array.isArray(value)) {
    if (value.length > 8 || levels === 0) return `an array of ${value.length}`;
    return `[${value.map((element) => describeWithin(element, levels - 1)).join(', ')}]`;
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) {
    const name = typeName(value);
    return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
  }
  const told = String(value);
  return told === 'undefined' ? 'nothing' : told;
}

/** The name of an object's class; an object need not have one. */
function typeName(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'Object';
}
