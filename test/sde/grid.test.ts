import test from 'ava';
import { OptionError } from '../../src/errors.js';
import { customSde } from '../../src/sde/custom.js';
import { edm } from '../../src/sde/edm.js';
import { dataLevel, levelAt } from '../../src/sde/level.js';
import { ladderGrid, spacedTimes, timeGrid, type Step } from '../../src/sde/grid.js';
import { gridNames, type GridName } from '../../src/sde/names.js';
import { ddpmLadder, linearBetas, smldLadder } from '../../src/sde/ladder.js';
import { subvp } from '../../src/sde/subvp.js';
import { ve } from '../../src/sde/ve.js';
import { vp } from '../../src/sde/vp.js';

const near = (a: number, b: number, tolerance = 1e-12) =>
  Math.abs(a - b) <= tolerance * Math.max(1e-300, Math.abs(b));
const grids: GridName[] = gridNames.filter((name) => name !== 'reference');

test('uniform-lambda times of the VP SDE are the golden list', (t) => {
  // Computed with mpmath at 50 digits.
  const golden = [
    1, 0.89912293233690378, 0.78556807497458564, 0.65343850681640804, 0.49343953403327371,
    0.30463140976877485, 0.14063641351890311, 0.053604314809304012, 0.018095399839036196,
    0.0049919010334663782, 0.001,
  ];
  spacedTimes(vp(), { steps: 10, grid: 'uniform-lambda' }).forEach((time, i) => {
    t.true(near(time, golden[i]!));
  });
});

test('karras times of EDM are its 18 noise levels', (t) => {
  const golden = [
    80, 57.585984721248158, 40.785573796507958, 28.374584604156837, 19.352452980325221, 12.910082380757316,
    8.4009353090998212, 5.3151945217963789, 3.2568215197655383, 1.9233398370400499, 1.0881706365452794,
    0.5853481231945423, 0.29644228447915726, 0.13951646873101648, 0.059947311235471567, 0.022934518372333368,
    0.0075280199627840704, 0.002,
  ];
  spacedTimes(edm(), { steps: 17, grid: 'karras' }).forEach((time, i) => {
    t.true(near(time, golden[i]!));
  });
  // The noise level is the time of EDM, so that there the power law in t is the same rule.
  t.deepEqual(
    spacedTimes(edm(), { steps: 17, grid: 'karras' }).map((time) => Math.fround(time)),
    spacedTimes(edm(), { steps: 17, grid: 'power', rho: 7 }).map((time) => Math.fround(time)),
  );
});

test('DDIM on an arctan grid shrinks Gaussian data by the cosine of every step', (t) => {
  // Over n steps by cos(angle / n)^n: cos^7 from 80 to 0.002 at standard deviation 0.5 is 0.839112368584.
  const times = spacedTimes(edm(), { steps: 7, grid: 'arctan', sigmaData: 0.5 });
  let kept = 1;
  for (let i = 1; i <= 7; i++) {
    const [from, to] = [times[i - 1]!, times[i]!];
    const euler = 1 + ((to - from) * from) / (0.25 + from * from);
    kept *= euler / Math.sqrt((0.25 + to * to) / (0.25 + from * from));
  }
  t.true(near(kept, Math.cos((Math.atan(160) - Math.atan(0.004)) / 7) ** 7, 1e-13));
  t.true(near(kept, 0.839112368584, 1e-11));
});

test('a polyexponential grid follows a power of an even ramp in lambda', (t) => {
  const sde = vp();
  const [first, last] = [sde.lambda(1), sde.lambda(sde.epsilon)];
  spacedTimes(sde, { steps: 8, grid: 'polyexponential', rho: 2 }).forEach((time, i) => {
    t.true(near(sde.lambda(time), last + (first - last) * (1 - i / 8) ** 2, 1e-9));
  });
  t.deepEqual(
    spacedTimes(sde, { steps: 8, grid: 'polyexponential' }).map(Math.fround),
    spacedTimes(sde, { steps: 8, grid: 'exponential' }).map(Math.fround),
  );
});

test('times of the user are walked as they are', (t) => {
  const steps = timeGrid(vp(), { grid: [1, 0.3, 0.01] });
  t.deepEqual(
    steps.map(({ from, to }) => [from.t, to.t]),
    [
      [1, 0.3],
      [0.3, 0.01],
    ],
  );
});

test('quadratic times are squares of even steps', (t) => {
  const times = spacedTimes(vp({ epsilon: 0.01 }), { steps: 9, grid: 'quadratic' });
  times.forEach((time, i) => {
    t.true(near(time, (1 - 0.1 * i) ** 2));
  });
});

test('every grid falls from exactly T to exactly epsilon on every SDE', (t) => {
  const flow = customSde({ alpha: (s) => 1 - s, sigma: (s) => s, T: 0.999 });
  for (const sde of [vp(), subvp(), ve(), edm(), flow]) {
    for (const grid of grids) {
      for (const steps of [1, 2, 25]) {
        const times = spacedTimes(sde, { steps, grid });
        t.is(times.length, steps + 1);
        t.is(times[0], sde.T);
        t.is(times[steps], sde.epsilon);
        for (let i = 1; i <= steps; i++) t.true(times[i]! < times[i - 1]!, `${sde.name} ${grid} ${i}`);
      }
    }
  }
});

/** Mean and variance that the forward transitions of a grid give to data 0.3 + 0.5 z, from the last step up to the first. */
function forwardMoments(steps: Step[], mean: number, variance: number): [number, number] {
  for (const step of steps.toReversed()) {
    mean *= step.retain;
    variance = step.retain ** 2 * variance + step.spread;
  }
  return [mean, variance];
}

test('the transitions of an exact grid compose to the kernel from epsilon to T', (t) => {
  for (const sde of [vp(), subvp(), ve(), edm()]) {
    for (const grid of grids) {
      const steps = timeGrid(sde, { steps: 40, grid });
      const at = sde.epsilon;
      const [mean, variance] = forwardMoments(
        steps,
        0.3 * sde.alpha(at),
        (0.5 * sde.alpha(at)) ** 2 + sde.sigma(at) ** 2,
      );
      t.true(near(mean, 0.3 * sde.alpha(sde.T)), `${sde.name} ${grid} mean`);
      t.true(
        near(variance, (0.5 * sde.alpha(sde.T)) ** 2 + sde.sigma(sde.T) ** 2),
        `${sde.name} ${grid} variance`,
      );
      steps.forEach((step, k) => {
        t.is(step.k, k);
        t.is(step.to, steps[k + 1]?.from ?? step.to);
        t.is(step.h, step.from.t - step.to.t);
        t.deepEqual(step.from, levelAt({ sde }, step.from.t));
        t.is(step.to.alpha, sde.alpha(step.to.t));
      });
      t.is(steps.at(-1)!.to.t, sde.epsilon);
    }
  }
});

test('the reference grid visits linspace(T, epsilon, N) with steps of 1/N and carries the ladder index', (t) => {
  for (const sde of [vp(), ve()]) {
    const steps = timeGrid(sde, { steps: 1000, grid: 'reference' });
    t.is(steps.length, 1000);
    t.is(steps[0]!.from.t, 1);
    t.true(near(steps[999]!.from.t, sde.epsilon));
    t.true(near(steps[500]!.from.t, 1 - (500 / 999) * (1 - sde.epsilon)));
    steps.forEach((step, k) => {
      t.is(step.from.index, 999 - k);
      t.is(step.to.index, k < 999 ? 998 - k : undefined);
      t.is(step.h, 1e-3);
    });
    t.is(steps[999]!.to, dataLevel);
  }
});

test('the reference grid has the published transitions', (t) => {
  const vpSteps = timeGrid(vp(), { steps: 1000, grid: 'reference' });
  t.true(near(vpSteps[0]!.spread, 0.02));
  t.true(near(vpSteps[999]!.spread, 1e-4));
  t.true(near(vpSteps[998]!.retain, Math.sqrt(1 - 1.1991991991991992e-4)));
  t.true(near(vpSteps[0]!.from.sigma ** 2, 1 - 4.0358297653756833e-5));
  const veSteps = timeGrid(ve(), { steps: 1000, grid: 'reference' });
  t.true(near(Math.sqrt(veSteps[0]!.spread), 6.5013238715307266));
  t.true(near(veSteps[999]!.spread, 1e-4));
  t.true(near(veSteps[499]!.from.sigma, 0.71012751191542875));
  const sde = subvp();
  for (const step of timeGrid(sde, { steps: 500, grid: 'reference' })) {
    t.is(step.from.index, undefined);
    t.true(near(step.retain, 1 + sde.drift(step.from.t) / 500));
    t.true(near(step.spread, sde.diffusion(step.from.t) ** 2 / 500));
    t.is(step.from.sigma, sde.sigma(step.from.t));
  }
});

test('the grid of a trained ladder walks its levels, or evenly over them', (t) => {
  const ladder = ddpmLadder(linearBetas(1000));
  const all = ladderGrid(vp(), ladder);
  t.deepEqual(
    all.map((step) => step.from.index),
    [...Array(1000).keys()].reverse(),
  );
  t.true(near(all[999]!.spread, 1e-4));
  for (const steps of [1, 7, 50]) {
    const some = ladderGrid(vp(), ladder, { steps });
    t.is(some.length, steps);
    t.is(some[0]!.from.index, 999);
    t.is(some.at(-1)!.to, dataLevel);
    const [mean, variance] = forwardMoments(some, 0.3, 0.25);
    t.true(near(mean, 0.3 * ladder.alpha[999]!));
    t.true(near(variance, 0.25 * ladder.alpha[999]! ** 2 + ladder.sigma[999]! ** 2));
    t.true(
      near(
        some.reduce((sum, step) => sum + step.h, 0),
        1,
      ),
    );
  }
});

test('grids that cannot be are refused with the option named', (t) => {
  const refused: [() => unknown, string, RegExp][] = [
    [() => timeGrid(vp(), { steps: 0 }), 'steps', /from 1 to 1000000/],
    [() => timeGrid(vp(), { steps: 2.5 }), 'steps', /integer/],
    [() => timeGrid(vp(), { steps: 1e9 }), 'steps', /to 1000000/],
    [() => timeGrid(vp(), { steps: 20, grid: 'reference' }), 'steps', /more than beta1 \(20\)/],
    [() => timeGrid(ve(), { steps: 1, grid: 'reference' }), 'steps', /from 2 to/],
    [() => timeGrid(vp(), { steps: 30, grid: 'reference', rho: 2 }), 'rho', /left out/],
    [() => timeGrid(vp(), { steps: 30, grid: 'published' as 'karras' }), 'grid', /reference/],
    [() => timeGrid(edm(), { steps: 30, grid: 'reference' }), 'grid', /another for the edm SDE/],
    [() => timeGrid(vp(), { steps: 30, grid: 'cosine' as GridName }), 'grid', /uniform-lambda/],
    [() => timeGrid(vp(), { steps: 30, grid: 'karras', rho: 0 }), 'rho', /above 0/],
    [() => timeGrid(vp(), { steps: 30, epsilon: 1 }), 'epsilon', /between 0 and T/],
    [() => ladderGrid(ve(), smldLadder([1, 2]), { steps: 3 }), 'steps', /trained levels \(2\)/],
    [() => timeGrid(vp(), {}), 'steps', /a number of steps/],
    [() => timeGrid(vp(), { steps: 3, grid: 'karras', rho: 1e-3 }), 'rho', /told apart/],
    [() => timeGrid(vp(), { grid: [1, 0.3, 0.3] }), 'grid', /descending.*times\[2\] is 0.3/],
    [() => timeGrid(vp(), { grid: [2, 1] }), 'grid', /at most 1; times\[0\] is 2/],
    [() => timeGrid(vp(), { grid: [1] }), 'grid', /at least 2 times/],
    [() => timeGrid(vp(), { grid: [1, 0.1], steps: 3 }), 'steps', /left out, or 1/],
    [() => timeGrid(vp(), { grid: [1, 0.1], epsilon: 0.1 }), 'epsilon', /left out/],
    [() => timeGrid(vp(), { steps: 3, grid: 'karras', sigmaData: 0 }), 'sigmaData', /above 0/],
  ];
  for (const [make, option, message] of refused) {
    const error = t.throws(make, { instanceOf: OptionError, message });
    t.is(error.option, option);
  }
});
