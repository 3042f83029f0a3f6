import { OptionError } from '../errors.js';
import { checkKnown, isList } from '../options.js';
import { elementCount } from '../shape.js';
import { byRow, checkShape, rowOf, type DifferentiableOperator } from './operator.js';

/** A measurement by the functions of the caller. */
export interface DifferentiableOperatorOptions {
  /** For the record of a run. Default `differentiable`. */
  readonly name?: string | undefined;
  /** Shape of a sample. */
  readonly shape: readonly number[];
  /** Shape of a measurement. */
  readonly measuredShape: readonly number[];
  /** A(x), of one sample. */
  readonly apply: (x: Float64Array) => ArrayLike<number>;
  /** (dA/dx)^T v at a sample, for one vector of the shape of a measurement. */
  readonly vjp: (x: Float64Array, v: Float64Array) => ArrayLike<number>;
}

/**
 * A measurement that need not be linear, by functions of your own. That `vjp` belongs to `apply` is checked by differences wherever a
 * measurement is used.
 */
export function differentiableOperator(options: DifferentiableOperatorOptions): DifferentiableOperator {
  checkKnown(options, ['name', 'shape', 'measuredShape', 'apply', 'vjp']);
  const { name = 'differentiable', shape, measuredShape, apply, vjp } = options;
  checkShape('shape', shape);
  checkShape('measuredShape', measuredShape);
  for (const [option, value] of Object.entries({ apply, vjp }))
    if (typeof (value as unknown) !== 'function')
      throw new OptionError(option, value, 'a function of a Float64Array that returns numbers');
  const [d, m] = [elementCount(shape), elementCount(measuredShape)];
  return {
    name,
    shape,
    measuredShape,
    images: (x) =>
      Promise.resolve(byRow(x.length / d, m, (i) => numbersOf('apply', apply(rowOf(x, i, d)), m))),
    products: (x, v) =>
      Promise.resolve(
        byRow(x.length / d, d, (i) => numbersOf('vjp', vjp(rowOf(x, i, d), rowOf(v, i, m)), d)),
      ),
  };
}

/** What a user's function returned, checked. */
export function numbersOf(option: string, values: ArrayLike<number>, length: number): Float64Array {
  const isArray = ArrayBuffer.isView(values) || isList(values);
  if (!isArray || values.length !== length)
    throw new OptionError(option, values, `a function that returns an array of ${length} numbers`);
  return Float64Array.from(values);
}
