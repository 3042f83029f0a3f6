import { OptionError } from '../errors.js';
import type { ScoreModel } from '../score/model.js';
import type { Sde } from '../sde/sde.js';

/** Shares of T at which two processes are compared. */
const COMPARED = [0.001, 0.03, 0.2, 0.6, 1];

/**
 * Scores add up where they are of one process and of data in one form.
 * @throws OptionError that names what differs, such as `classifier.dataRange`.
 */
export function requireSameProcess(
  option: string,
  other: Partial<Pick<ScoreModel, 'shape' | 'sde' | 'ladder'>>,
  { shape, sde, ladder }: ScoreModel,
): void {
  if (other.shape && other.shape.join() !== shape.join()) {
    throw new OptionError(
      `${option}.shape`,
      other.shape,
      `[${shape.join(', ')}], the shape of the model's samples`,
    );
  }
  // A function that a user wrote takes levels as they come.
  if (!other.sde) return;
  if (!isSameLaw(other.sde, sde)) {
    throw new OptionError(
      `${option}.sde`,
      processOf(other.sde),
      `${processOf(sde)}, the process of the model`,
    );
  }
  const levels = [other.ladder?.levels, ladder?.levels];
  if (levels[0] !== levels[1]) {
    const expected =
      levels[1] === undefined ? 'absent: the model is of continuous time' : `of ${levels[1]} levels`;
    throw new OptionError(`${option}.ladder`, levels[0], expected);
  }
  if (other.sde.dataRange.join() !== sde.dataRange.join()) {
    const range = sde.dataRange.join(', ');
    throw new OptionError(
      `${option}.dataRange`,
      other.sde.dataRange,
      `[${range}], the data range of the model`,
    );
  }
}

function isSameLaw(a: Sde, b: Sde): boolean {
  const close = (x: number, y: number) => Math.abs(x - y) <= 1e-6 * Math.abs(y);
  return (
    a.T === b.T &&
    COMPARED.every((share) => {
      const t = share * b.T;
      return close(a.alpha(t), b.alpha(t)) && close(a.sigma(t), b.sigma(t));
    })
  );
}

function processOf({ name, constants }: Sde): string {
  const values = Object.entries(constants).map(([key, value]) => `${key} ${value}`);
  return values.length > 0 ? `${name} (${values.join(', ')})` : name;
}
