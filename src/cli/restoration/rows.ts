import type { Operator } from '../../control/operator.js';
import type { ScoreModel } from '../../score/model.js';
import { elementCount } from '../../shape.js';
import type { DrawnRows } from '../shared/outputs.js';
import type { Measured } from './measured.js';

/** What stands in a row for each measurement: the original where there is one, what is known of it, and samples. */
export function shownRows(
  { shape, sde }: ScoreModel,
  { operator, values, originals }: Measured,
  count: number,
): Pick<DrawnRows, 'columns' | 'inRows'> {
  const d = elementCount(shape);
  const m = elementCount(operator.measuredShape);
  const pictures = values.length / m;
  const before = originals ? 2 : 1;
  const columns = count + before;
  const begun = (): Float32Array => {
    const rows = new Float32Array(pictures * columns * d);
    for (let n = 0; n < pictures; n++) {
      const at = n * columns * d;
      if (originals) rows.set(originals.subarray(n * d, (n + 1) * d), at);
      const y = Float64Array.from(values.subarray(n * m, (n + 1) * m));
      rows.set(shownOf(operator, y, sde.dataRange), at + (before - 1) * d);
    }
    return rows;
  };
  let rows: Float32Array | undefined;
  return {
    columns,
    inRows(samples) {
      const out = (rows ??= begun()).slice();
      for (let n = 0; n < pictures; n++)
        out.set(samples.subarray(n * count * d, (n + 1) * count * d), (n * columns + before) * d);
      return out;
    },
  };
}

/** A measurement as a picture: what is unknown is grey, as is what is no picture; a smaller picture is magnified. */
function shownOf(operator: Operator, y: Float64Array, [low, high]: readonly [number, number]): Float64Array {
  const isPicture = operator.measuredShape.join() === operator.shape.join();
  if (!('spectrum' in operator))
    return isPicture ? y : new Float64Array(elementCount(operator.shape)).fill((low + high) / 2);
  if (operator.name === 'inpainting') {
    const known = operator.apply(new Float64Array(y.length).fill(1));
    return y.map((value, i) => (known[i] === 1 ? value : (low + high) / 2));
  }
  if (isPicture) return y;
  const spectrum = operator.spectrum();
  return spectrum.sample(spectrum.measured(y).map((value, i) => value / spectrum.values[i]!));
}
