import { readFileSync } from 'node:fs';
import test from 'ava';
import { IntegrationError, OptionError } from '../../../src/errors.js';
import { mixtureModel } from '../../../src/score/mixture/model.js';
import { vp } from '../../../src/sde/vp.js';
import { integrateAdaptively } from '../../../src/solvers/ode/adaptive-step.js';
import {
  ERROR,
  interpolant,
  interpolantSlope,
  NODES,
  STAGES,
} from '../../../src/solvers/ode/dormand-prince.js';
import type { Ode } from '../../../src/solvers/ode/ode.js';
import { ProbabilityFlow } from '../../../src/solvers/ode/probability-flow-ode.js';
import { planar } from '../../support/planar-mixture.js';

interface Reference {
  name: string;
  rtol: number;
  atol: number;
  from: number;
  to: number;
  start: number[];
  nfev: number;
  times: number[];
  middle: number[];
  end: number[];
}

const references = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/scipy-rk45.json', import.meta.url), 'utf8'),
) as Reference[];

/** Blocks as they are on the CPU. */
type Doubles = readonly Float64Array[];

/** An ODE of one block, the same for every sample. */
function odeOf(width: number, f: (t: number, y: Float64Array) => number[]): Ode {
  return {
    widths: [width],
    derivative(t: Float64Array, [y]: Doubles, [out]: Doubles) {
      t.forEach((time, i) => {
        out!.set(f(time, y!.subarray(i * width, (i + 1) * width)), i * width);
      });
    },
  };
}

const problems: Record<string, () => Ode> = {
  exp: () => odeOf(1, (_, [y]) => [y!]),
  oscillator: () => odeOf(2, (_, [x, v]) => [v!, -x!]),
  'van der Pol': () => odeOf(2, (_, [x, v]) => [v!, 5 * (1 - x! ** 2) * v! - x!]),
  mixture: () => new ProbabilityFlow(mixtureModel(planar, vp())),
};
problems['exp backwards'] = problems['exp']!;

/** Times at which the right-hand side is asked for its value at the end of an attempted step. */
function watched(ode: Ode, starts: number[]): Ode {
  let calls = 0;
  return {
    widths: ode.widths,
    derivative(t, y, out, rows) {
      if (calls++ > 1 && (calls - 2) % 6 === 0) starts.push(t[0]!);
      return ode.derivative(t, y, out, rows);
    },
  };
}

for (const reference of references) {
  const { name, rtol, atol, from, to, nfev, times } = reference;
  test(`takes the steps of SciPy on ${name} at rtol ${rtol}, atol ${atol}`, async (t) => {
    const ode = problems[name]!();
    const y = Float64Array.from(reference.start);
    const ends: number[] = [];
    const middle: number[] = [];
    const half = (from + to) / 2;
    const { evaluations, rejected } = await integrateAdaptively(watched(ode, ends), [y], {
      from,
      to,
      rtol,
      atol,
      coupling: 'batch',
      output: {
        times: [half],
        visit(_, state: Float64Array) {
          middle.push(...state);
        },
      },
    });
    t.is(evaluations[0], nfev);
    t.is(rejected[0], nfev - 2 - 6 * (times.length - 1));
    // Every accepted step ends where SciPy's does.
    const near = (a: number, b: number) => Math.abs(a - b) <= 1e-6 * Math.abs(to - from);
    t.true(times.slice(1).every((time) => ends.some((end) => near(end, time))));
    const scale = 100 * (rtol + atol);
    y.forEach((value, i) => {
      t.true(Math.abs(value - reference.end[i]!) <= 1e-4 * scale, `${value} against ${reference.end[i]}`);
    });
    middle.forEach((value, i) => {
      t.true(Math.abs(value - reference.middle[i]!) <= 1e-4 * scale);
    });
  });
}

test('the tableau is consistent, and its interpolant ends in the step', (t) => {
  STAGES.forEach((row, s) => {
    t.true(Math.abs(row.reduce((sum, weight) => sum + weight, 0) - NODES[s]!) < 1e-14);
  });
  t.true(Math.abs(ERROR.reduce((sum, weight) => sum + weight)) < 1e-15);
  interpolant(1).forEach((weight, j) => {
    t.true(Math.abs(weight - (STAGES[6]![j] ?? 0)) < 1e-14);
  });
  const h = 1e-6;
  interpolantSlope(0.3).forEach((weight, j) => {
    const slope = (interpolant(0.3 + h)[j]! - interpolant(0.3 - h)[j]!) / (2 * h);
    t.true(Math.abs(weight - slope) < 1e-8);
  });
});

test('the step has order 5', (t) => {
  const error = (steps: number) => {
    // x' = y, y' = -x, in plain arithmetic.
    let y: readonly [number, number] = [1, 0];
    const h = 3 / steps;
    for (let k = 0; k < steps; k++) {
      const slopes: (readonly [number, number])[] = [];
      const at = (row: readonly number[]): readonly [number, number] => [
        row.reduce((sum, weight, s) => sum + h * weight * (slopes[s]?.[0] ?? 0), y[0]),
        row.reduce((sum, weight, s) => sum + h * weight * (slopes[s]?.[1] ?? 0), y[1]),
      ];
      for (let s = 0; s < 6; s++) {
        const [x, v] = at(STAGES[s]!);
        slopes.push([v, -x]);
      }
      y = at(STAGES[6]!);
    }
    return Math.hypot(y[0] - Math.cos(3), y[1] + Math.sin(3));
  };
  const order = Math.log2(error(32) / error(64));
  t.true(Math.abs(order - 5) < 0.2, `order ${order}`);
});

test('a trajectory does not depend on its companions, and finished samples leave the batch', async (t) => {
  const sizes: number[] = [];
  const flow = new ProbabilityFlow(mixtureModel(planar, vp()));
  const counted: Ode = {
    widths: flow.widths,
    derivative(time, y, out, rows) {
      sizes.push(rows.length);
      return flow.derivative(time, y, out, rows);
    },
  };
  const start = references.find(({ name }) => name === 'mixture')!.start;
  const options = { from: 1, to: 1e-3, rtol: 1e-5, atol: 1e-5 };
  const all = Float64Array.from(start);
  const together = await integrateAdaptively(counted, [all], options);
  for (let i = 0; i < start.length / 2; i++) {
    const own = Float64Array.from(start.slice(2 * i, 2 * i + 2));
    const alone = await integrateAdaptively(flow, [own], options);
    t.deepEqual(own, all.slice(2 * i, 2 * i + 2));
    t.is(alone.evaluations[0], together.evaluations[i]);
    t.is(alone.rejected[0], together.rejected[i]);
  }
  t.is(
    sizes.reduce((a, b) => a + b),
    together.evaluations.reduce((a, b) => a + b),
  );
  t.true(sizes.at(-1)! < sizes[0]!);
});

test('every block is held to the tolerance on its own', async (t) => {
  // A second block that varies fast beside a first of a thousand quiet elements, of which the norm of all is drowned.
  const run = async (width: number) => {
    const ode: Ode = {
      widths: [width, 1],
      derivative(time: Float64Array, _: Doubles, [still, fast]: Doubles) {
        still!.fill(0);
        time.forEach((at, i) => (fast![i] = Math.cos(at)));
      },
    };
    const y: Doubles = [new Float64Array(width).fill(1), new Float64Array(1)];
    await integrateAdaptively(ode, y, { from: 0, to: 10, rtol: 1e-6, atol: 1e-6 });
    return Math.abs(y[1]![0]! - Math.sin(10));
  };
  t.true((await run(1000)) < 1e-5);
  t.is(await run(1000), await run(1));
});

test('dense output comes in order, at the start and the end too', async (t) => {
  const seen: [number, number][] = [];
  const y = Float64Array.of(1, 2, 3);
  await integrateAdaptively(problems['exp']!(), [y], {
    from: 1,
    to: 0,
    rtol: 1e-8,
    atol: 1e-8,
    output: {
      times: [1, 0.5, 0.25, 0],
      visit(k: number, state: Float64Array, slope: Float64Array) {
        seen.push([k, state[2]!]);
        state.forEach((value, i) => {
          t.true(Math.abs(value - slope[i]!) < 1e-5);
        });
      },
    },
  });
  t.deepEqual(
    seen.map(([k]) => k),
    [0, 1, 2, 3],
  );
  [1, 0.5, 0.25, 0].forEach((time, k) => {
    t.true(Math.abs(seen[k]![1] - 3 * Math.exp(time - 1)) < 1e-7);
  });
});

test('a singularity ends in an error that names the sample and the time', async (t) => {
  // y' = y^2 from 1 reaches infinity at t = 1; the second sample starts at -1 and stays finite.
  const ode = odeOf(1, (_, [y]) => [y! ** 2]);
  const error = await t.throwsAsync(
    integrateAdaptively(ode, [Float64Array.of(-1, 1)], { from: 0, to: 2, first: 7 }),
    { instanceOf: IntegrationError },
  );
  t.is(error.sample, 8);
  t.true(Math.abs(error.time - 1) < 1e-3);
  t.is(error.code, 'ERR_FASTSDE_INTEGRATION');
});

test('tolerances that cannot be used are refused', async (t) => {
  const run = (options: object) =>
    integrateAdaptively(problems['exp']!(), [Float64Array.of(1)], { from: 0, to: 1, ...options });
  for (const [options, name] of [
    [{ rtol: 0 }, 'rtol'],
    [{ atol: -1 }, 'atol'],
    [{ coupling: 'bach' }, 'coupling'],
  ] as const) {
    const error = await t.throwsAsync(run(options), { instanceOf: OptionError });
    t.is(error.option, name);
  }
});
