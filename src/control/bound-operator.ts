import type { Device, Elements } from '../device/device.js';
import { elementCount } from '../shape.js';
import type { Known } from './measurement.js';
import { byRow, differentiable, isLinear, rowOf, type Operator, type Spectrum } from './operator.js';
import type { Steps } from './steps.js';

/** An operator on arrays of a device, double: samples [rows, ...shape] and measurements [rows, ...measuredShape]. */
export interface BoundOperator {
  /** out <- A(x). */
  images(out: Elements, x: Elements): void | Promise<void>;
  /** out <- (dA/dx)^T v at x. */
  products(out: Elements, x: Elements, v: Elements): void | Promise<void>;
}

/** By commands, where the operator has them; what a user wrote is awaited. */
function boundOperator(operator: Operator, device: Device, signal: AbortSignal | undefined): BoundOperator {
  if (isLinear(operator) && operator.bind) {
    const { apply, adjoint } = operator.bind(device);
    return {
      images: apply,
      products(out, _, v) {
        adjoint(out, v);
      },
    };
  }
  const own = differentiable(operator);
  const read = async (x: Elements) => (await device.read(x)) as Float64Array;
  return {
    async images(out, x) {
      device.write(out, await own.images(await read(x), signal));
    },
    async products(out, x, v) {
      device.write(out, await own.products(await read(x), await read(v), signal));
    },
  };
}

type SpectrumMap = 'coordinates' | 'measured' | 'sample';

type Map = (out: Elements, x: Elements) => void | Promise<void>;

/** The decomposition of an operator on arrays of a device, double: by commands, where it has them. */
export function boundSpectrum(spectrum: Spectrum, device: Device): Readonly<Record<SpectrumMap, Map>> {
  if (spectrum.bind) return spectrum.bind(device);
  const host =
    (name: SpectrumMap, coordinatesIn: (x: Elements, out: Elements) => number): Map =>
    async (out, x) => {
      const values = (await device.read(x)) as Float64Array;
      const rows = coordinatesIn(x, out) / spectrum.values.length;
      const images = byRow(rows, out.length / rows, (i) => spectrum[name](rowOf(values, i, x.length / rows)));
      device.write(out, images);
    };
  return {
    coordinates: host('coordinates', (_, out) => out.length),
    measured: host('measured', (_, out) => out.length),
    sample: host('sample', (u) => u.length),
  };
}

/** What the estimates of x_0 of a batch leave of its measurements. */
export class Residuals {
  readonly operator: BoundOperator;
  readonly #known: Known<Operator>;
  readonly #device: Device;
  /** y - A(x_0) of every row, [rows, ...measuredShape]. */
  #values: Elements | undefined;
  #y: Elements | undefined;

  /** @param known measurements of the rows, in order. */
  constructor(known: Known<Operator>, device: Device, signal?: AbortSignal) {
    this.operator = boundOperator(known.operator, device, signal);
    this.#known = known;
    this.#device = device;
  }

  /** y - A(x_0) of estimates [rows, ...shape], until the next ones. */
  *of(estimates: Elements, rows: number): Steps<Elements> {
    const device = this.#device;
    const m = elementCount(this.#known.operator.measuredShape);
    if (this.#y?.length !== rows * m) {
      this.#values = device.allocate(rows * m, 'double');
      this.#y = device.allocate(rows * m, 'double');
      for (let row = 0; row < rows; row++) device.write(device.rows(this.#y, m, row, 1), this.#known.of(row));
    }
    const values = this.#values!;
    yield this.operator.images(values, estimates);
    device.affine(values, [this.#y, values], Float64Array.of(1, -1, 0));
    return values;
  }
}
