import * as classes from './errors.js';
import { describe } from './errors.js';

/** An error as plain data. */
export interface Failure {
  /** Name of the class. */
  readonly of: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Its own properties, such as `code`, `option` and `value`. */
  readonly properties: Readonly<Record<string, unknown>>;
  readonly cause?: Failure;
}

/** What was thrown, for another thread. A value that cannot go there is described. */
export function failureOf(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const properties = Object.entries(error).map(([name, value]) => [name, cloneable(value)]);
  return {
    of: error.constructor.name,
    message: error.message,
    stack: error.stack,
    properties: Object.fromEntries(properties) as Record<string, unknown>,
    ...(error.cause !== undefined && { cause: failureOf(error.cause) }),
  };
}

/** The error again, of its class where that is one of fastsde or of JavaScript. */
export function errorOf({ of, message, stack, properties, cause }: Failure): Error {
  const known: Readonly<Record<string, unknown>> = { ...classes, RangeError, TypeError };
  const error = new Error(message, cause && { cause: errorOf(cause) });
  const type = known[of];
  if (typeof type === 'function') Object.setPrototypeOf(error, type.prototype as object);
  if (stack !== undefined) error.stack = stack;
  return Object.assign(error, properties);
}

function cloneable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return describe(value);
  }
}
