/**
 * The embedded Runge-Kutta pair of orders 5 and 4 of Dormand and Prince (1980), with the interpolant of order 4 of
 * Shampine (1986) for values between the steps.
 */

/** Nodes: stage s is taken at t + NODES[s] h. The seventh stage is the first one of the next step. */
export const NODES: readonly number[] = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1];

/** Weights of the earlier stages in the state of each stage; the last row is the step of order 5. */
export const STAGES: readonly (readonly number[])[] = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
];

/** Weights of the difference between the steps of order 5 and 4. */
export const ERROR: readonly number[] = [
  -71 / 57600,
  0,
  71 / 16695,
  -71 / 1920,
  17253 / 339200,
  -22 / 525,
  1 / 40,
];

/** Weights of the stages as polynomials in the position theta in [0, 1] inside the step: theta^1 to theta^4. */
const INTERPOLANT: readonly (readonly number[])[] = [
  [1, -8048581381 / 2820520608, 8663915743 / 2820520608, -12715105075 / 11282082432],
  [0, 0, 0, 0],
  [0, 131558114200 / 32700410799, -68118460800 / 10900136933, 87487479700 / 32700410799],
  [0, -1754552775 / 470086768, 14199869525 / 1410260304, -10690763975 / 1880347072],
  [0, 127303824393 / 49829197408, -318862633887 / 49829197408, 701980252875 / 199316789632],
  [0, -282668133 / 205662961, 2019193451 / 616988883, -1453857185 / 822651844],
  [0, 40617522 / 29380423, -110615467 / 29380423, 69997945 / 29380423],
];

/** Weights w with y(t + theta h) = y(t) + h sum_j w_j k_j. */
export function interpolant(theta: number): number[] {
  return INTERPOLANT.map((row) => row.reduceRight((sum, weight) => (sum + weight) * theta, 0));
}

/** Weights w with y'(t + theta h) = sum_j w_j k_j. */
export function interpolantSlope(theta: number): number[] {
  return INTERPOLANT.map((row) =>
    row.reduceRight((sum, weight, power) => sum * theta + (power + 1) * weight, 0),
  );
}
