import { OptionError } from '../errors.js';
import { checkKnown } from '../options.js';
import { elementCount } from '../shape.js';
import { numbersOf } from './differentiable-operator.js';
import { productSpectrum } from './kronecker.js';
import { checkShape, type LinearOperator, type Spectrum } from './operator.js';

/** A linear measurement by the functions of the caller. */
export interface LinearOperatorOptions {
  /** For the record of a run. Default `linear`. */
  readonly name?: string | undefined;
  /** Shape of a sample. */
  readonly shape: readonly number[];
  /** Shape of a measurement. */
  readonly measuredShape: readonly number[];
  /** A x, of one sample. */
  readonly apply: (x: Float64Array) => ArrayLike<number>;
  /** A^T y, of one measurement. */
  readonly adjoint: (y: Float64Array) => ArrayLike<number>;
}

/** Elements of a matrix that is made of an operator's adjoint, one measured number after the other. */
const MOST_ELEMENTS = 2 ** 22;

/**
 * An operator of the user's own. That `adjoint` is the transpose of `apply` is checked by products with random vectors wherever a
 * measurement is used. Methods that decompose it apply the adjoint once for every measured number.
 */
export function linearOperator(options: LinearOperatorOptions): LinearOperator {
  checkKnown(options, ['name', 'shape', 'measuredShape', 'apply', 'adjoint']);
  const { name = 'linear', shape, measuredShape, apply, adjoint } = options;
  checkShape('shape', shape);
  checkShape('measuredShape', measuredShape);
  for (const [option, value] of Object.entries({ apply, adjoint }))
    if (typeof (value as unknown) !== 'function')
      throw new OptionError(option, value, 'a function of a Float64Array that returns numbers');
  const [d, m] = [elementCount(shape), elementCount(measuredShape)];
  // A user's function may keep or change what it is given.
  const transposed = (y: Float64Array) => numbersOf('adjoint', adjoint(y.slice()), d);
  let spectrum: Spectrum | undefined;
  return {
    name,
    shape,
    measuredShape,
    apply: (x) => numbersOf('apply', apply(x.slice()), m),
    adjoint: transposed,
    spectrum: () =>
      (spectrum ??= productSpectrum([{ rows: m, columns: d, values: matrixOf(name, transposed, m, d) }])),
  };
}

/** The matrix of an operator, row-major [m, d], from its transpose. */
function matrixOf(
  name: string,
  adjoint: (y: Float64Array) => Float64Array,
  m: number,
  d: number,
): Float64Array {
  if (m * d > MOST_ELEMENTS) {
    const expected = `one of at most ${MOST_ELEMENTS} numbers as a matrix (here ${m} x ${d}), for a method that decomposes it; 'mmps' and 'dps' do not`;
    throw new OptionError('measurement.operator', name, expected);
  }
  const rows = new Float64Array(m * d);
  const unit = new Float64Array(m);
  for (let j = 0; j < m; j++) {
    unit.fill(0)[j] = 1;
    rows.set(adjoint(unit), j * d);
  }
  return rows;
}
