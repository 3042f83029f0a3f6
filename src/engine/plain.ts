import { OptionError } from '../errors.js';
import { sdes } from '../sde/named.js';
import { solvers } from '../solvers/choice.js';
import { correctors, predictors } from '../solvers/named.js';
import { specificationOf, type Kind, type Specification } from '../specification.js';

/** What makes values that are not plain data, by kind and name. */
const makers: Readonly<Record<Kind, Readonly<Record<string, (options: never) => object>>>> = {
  sde: sdes,
  predictor: predictors,
  corrector: correctors,
  solver: solvers,
};

type TypedArray = Uint8Array | Float32Array | Float64Array | Int32Array;

/**
 * A copy of options that another thread can have: values that the library made become what they were made from.
 *
 * @throws OptionError with the path of a function, or of another value that is not plain data.
 */
export function plain(path: string, value: unknown): unknown {
  if (ArrayBuffer.isView(value) && 'length' in value) {
    // A Buffer's own slice would share its memory, and a clone would take all of the memory that a part belongs to.
    return value instanceof Uint8Array ? new Uint8Array(value) : (value as TypedArray).slice();
  }
  if (Array.isArray(value)) return value.map((entry, i) => plain(`${path}[${i}]`, entry));
  if (typeof value === 'object' && value !== null) {
    const specification = specificationOf(value);
    if (specification) return entriesOf(path, specification);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return entriesOf(path, value);
  } else if (typeof value !== 'function' && typeof value !== 'symbol') {
    return value;
  }
  throw new OptionError(
    path,
    value,
    'plain data, or made by a function of fastsde such as langevin(): engines are other threads, which your own functions and classes ' +
      'cannot enter (without engines, or in a thread of your own, they can be used)',
  );
}

function entriesOf(path: string, value: object): object {
  const entries = Object.entries(value).map(([key, entry]) => [
    key,
    plain(path === '' ? key : `${path}.${key}`, entry),
  ]);
  return Object.fromEntries(entries) as object;
}

/** The options that `plain` was given, in another thread. */
export function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored);
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  const entries = Object.entries(value).map(([key, entry]) => [key, restored(entry)]);
  const whole: unknown = Object.fromEntries(entries);
  return isSpecification(whole) ? makers[whole.kind][whole.name]!(whole.options as never) : whole;
}

function isSpecification(value: unknown): value is Specification {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    Object.hasOwn(makers, String(value.kind))
  );
}

/** The memory of all arrays in plain data, to be handed over instead of copied. */
export function buffersOf(value: unknown): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  const visit = (part: unknown): void => {
    if (ArrayBuffer.isView(part)) {
      if (part.buffer instanceof ArrayBuffer) buffers.add(part.buffer);
    } else if (typeof part === 'object' && part !== null) Object.values(part).forEach(visit);
  };
  visit(value);
  return [...buffers];
}
