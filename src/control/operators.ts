import { OptionError } from '../errors.js';
import { checkInteger, checkNumber } from '../options.js';
import { elementCount, isImageShape } from '../shape.js';
import { isArrayLike, matrixRows } from '../score/mixture/covariance.js';
import { productOperator, type DenseMatrix } from './kronecker.js';
import { checkShape, type DeviceMap, type LinearOperator } from './operator.js';

/**
 * What is known of a picture outside its hole: A is diagonal, 1 where the mask is not 0. A measurement has the shape of a sample,
 * and what it says elsewhere is ignored.
 *
 * @param mask an element for every one of a sample, or for every pixel.
 * @param shape of a sample.
 */
export function inpainting(mask: ArrayLike<number>, shape: readonly number[]): LinearOperator {
  checkShape('shape', shape);
  const d = elementCount(shape);
  const pixels = isImageShape(shape) ? shape[1] * shape[2] : d;
  if (!isArrayLike(mask) || (mask.length !== d && mask.length !== pixels)) {
    const each = pixels === d ? '' : `, or ${pixels}, one for each pixel`;
    throw new OptionError(
      'mask',
      mask,
      `${d} numbers, one for each element of a sample [${shape.join(', ')}]${each}`,
    );
  }
  for (let i = 0; i < mask.length; i++)
    if (!Number.isFinite(mask[i]))
      throw new OptionError(`mask[${i}]`, mask[i], 'a finite number: 0 is unknown');
  const known = Float32Array.from({ length: d }, (_, i) => (mask[i % mask.length] === 0 ? 0 : 1));
  const places = Int32Array.from([...known.keys()].filter((i) => known[i] === 1));
  if (places.length === 0) throw new OptionError('mask', mask, 'not 0 somewhere: nothing is known');
  const masked = (x: Float64Array) => {
    const out = new Float64Array(d);
    for (let i = 0; i < d; i++) if (known[i] === 1) out[i] = x[i]!;
    return out;
  };
  const taken = (x: Float64Array) => {
    const out = new Float64Array(places.length);
    for (let i = 0; i < out.length; i++) out[i] = x[places[i]!]!;
    return out;
  };
  return {
    name: 'inpainting',
    options: { known: places.length },
    shape,
    measuredShape: shape,
    apply: masked,
    adjoint: masked,
    bind(device) {
      const mask = device.allocate(d, 'double');
      device.write(mask, Float64Array.from(known));
      const map: DeviceMap = (out, x) => {
        device.copy(out, x);
        device.weigh(out, mask);
      };
      return { apply: map, adjoint: map };
    },
    spectrum: () => ({
      values: new Float64Array(places.length).fill(1),
      unreached: 0,
      coordinates: taken,
      deviations: taken,
      measured: taken,
      sample(u) {
        const x = new Float64Array(d);
        places.forEach((place, i) => (x[place] = u[i]!));
        return x;
      },
      bind(device) {
        // Elements as samples of one.
        const ofRows = (count: number) =>
          Int32Array.from(
            { length: count },
            (_, i) => Math.floor(i / places.length) * d + places[i % places.length]!,
          );
        const own: DeviceMap = (out, x) => {
          device.gather(out, x, ofRows(out.length));
        };
        return {
          coordinates: own,
          measured: own,
          sample(out, u) {
            device.write(out, new Float64Array(out.length));
            device.scatter(out, u, ofRows(u.length));
          },
        };
      },
    }),
    rows: { mask: known, place: (y) => Float32Array.from(masked(y)) },
  };
}

/** An orthonormal basis of the three channels: grey (its column 0) and two differences of colours. */
const greyBasis = (() => {
  const [a, b, c] = [1 / Math.sqrt(3), 1 / Math.sqrt(6), 1 / Math.sqrt(2)];
  return Float32Array.of(a, -2 * b, 0, a, b, c, a, b, -c);
})();

/**
 * The grey of colour pictures, (r + g + b) / sqrt(3) at every pixel, whose rows are orthonormal (Song et al. 2021, appendix I.3): a
 * measurement [1, height, width] is sqrt(3) times the mean of the channels.
 *
 * @param shape [3, height, width].
 */
export function colorization(shape: readonly number[]): LinearOperator {
  checkShape('shape', shape);
  const [channels, height = 0, width = 0] = shape;
  if (shape.length !== 3 || channels !== 3)
    throw new OptionError(
      'shape',
      shape,
      '[3, height, width]: pictures of one channel have no colours to find',
    );
  const grey = { rows: 1, columns: 3, values: new Float64Array(3).fill(1 / Math.sqrt(3)) };
  const pixels = height * width;
  const mask = new Float32Array(3 * pixels).fill(1, 0, pixels);
  return {
    ...productOperator('colorization', {}, [grey, height, width]),
    rows: {
      mask,
      basis: greyBasis,
      place(y) {
        const coordinates = new Float32Array(3 * pixels);
        coordinates.set(y);
        return coordinates;
      },
    },
  };
}

/**
 * The mean over the `size` x `size` pixels around each, mirrored at the edges.
 *
 * @param size an odd number, at most the height and the width.
 */
export function blur(size: number, shape: readonly number[]): LinearOperator {
  const [channels, height, width] = imageShape('blur', shape);
  if (checkInteger('size', size, 1, Math.min(height, width)) % 2 === 0)
    throw new OptionError('size', size, 'an odd number, so that a pixel is in the middle');
  const kernel = new Float64Array(size).fill(1 / size);
  return separable('blur', { size }, kernel, [channels, height, width]);
}

/** The convolution with a Gaussian of this standard deviation in pixels, cut off at three of them and mirrored at the edges. */
export function gaussianBlur(std: number, shape: readonly number[]): LinearOperator {
  const [channels, height, width] = imageShape('gaussianBlur', shape);
  checkNumber('std', std, 0);
  const radius = Math.ceil(3 * std);
  if (radius > Math.min(height, width))
    throw new OptionError('std', std, `below a third of the height and the width (${height}, ${width})`);
  const weights = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-(((i - radius) / std) ** 2) / 2),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kernel = weights.map((weight) => weight / total);
  return separable('gaussian-blur', { std }, kernel, [channels, height, width]);
}

/** The convolution of rows and columns with one kernel. */
function separable(
  name: string,
  options: Readonly<Record<string, unknown>>,
  kernel: Float64Array,
  [channels, height, width]: readonly [number, number, number],
): LinearOperator {
  return productOperator(name, options, [channels, convolution(kernel, height), convolution(kernel, width)]);
}

/**
 * A smaller picture: the means of blocks of `factor` x `factor` pixels.
 *
 * @param factor divides the height and the width.
 */
export function downsample(factor: number, shape: readonly number[]): LinearOperator {
  const [channels, height, width] = imageShape('downsample', shape);
  checkInteger('factor', factor, 1);
  if (height % factor !== 0 || width % factor !== 0)
    throw new OptionError('factor', factor, `a divisor of the height ${height} and the width ${width}`);
  const means = (size: number): DenseMatrix => {
    const values = new Float64Array((size / factor) * size);
    for (let i = 0; i < size; i++) values[Math.floor(i / factor) * size + i] = 1 / factor;
    return { rows: size / factor, columns: size, values };
  };
  return productOperator('downsample', { factor }, [channels, means(height), means(width)]);
}

/**
 * A matrix, one row for every measured number.
 *
 * @param rows A; each as long as a sample.
 * @param shape of a sample. Default: [length of a row].
 */
export function matrixOperator(
  rows: readonly ArrayLike<number>[],
  shape?: readonly number[],
): LinearOperator {
  if (!isArrayLike(rows) || !isArrayLike(rows[0]))
    throw new OptionError('rows', rows, 'rows, one for every measured number');
  if (shape !== undefined) checkShape('shape', shape);
  const columns = shape === undefined ? rows[0].length : elementCount(shape);
  const matrix = matrixRows('rows', rows, columns);
  if (matrix.rows === 0 || columns === 0 || matrix.to1DArray().every((value) => value === 0))
    throw new OptionError('rows', rows, 'a matrix that measures something: this one is zero');
  const factor = { rows: matrix.rows, columns, values: Float64Array.from(matrix.to1DArray()) };
  const operator = productOperator('matrix', { rows: matrix.rows }, [factor]);
  return shape === undefined ? operator : { ...operator, shape };
}

function imageShape(name: string, shape: readonly number[]): readonly [number, number, number] {
  checkShape('shape', shape);
  if (isImageShape(shape)) return shape;
  throw new OptionError('shape', shape, `[1 or 3, height, width]: ${name} acts on pictures`);
}

/** The convolution with an odd kernel as a matrix; beyond the edges pixels are mirrored, the outermost one first. */
function convolution(kernel: Float64Array, size: number): DenseMatrix {
  const values = new Float64Array(size * size);
  const radius = (kernel.length - 1) / 2;
  for (let i = 0; i < size; i++) {
    kernel.forEach((weight, k) => {
      const at = i + k - radius;
      const inside = at < 0 ? -1 - at : at >= size ? 2 * size - 1 - at : at;
      values[i * size + inside]! += weight;
    });
  }
  return { rows: size, columns: size, values };
}
