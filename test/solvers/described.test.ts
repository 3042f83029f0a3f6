import test from 'ava';
import { samplersIn } from '../../src/solvers/described.js';

test('text describes samplers', (t) => {
  t.deepEqual(samplersIn('heun, unipc:order=3,lower-order-final=true,euler'), [
    { label: 'heun', choice: { solver: { name: 'heun' } } },
    {
      label: 'unipc:order=3,lowerOrderFinal=true',
      choice: { solver: { name: 'unipc', order: 3, lowerOrderFinal: true } },
    },
    { label: 'euler', choice: { solver: { name: 'euler' } } },
  ]);
  t.deepEqual(samplersIn('predictor-corrector:snr=0.16,predictor=ancestral,clip=true')[0]!.choice, {
    snr: 0.16,
    solver: 'predictor-corrector',
    predictor: { name: 'ancestral', clip: true },
  });
  t.deepEqual(samplersIn('heun:grid=1;0.5;0.1')[0]!.choice, {
    solver: { name: 'heun' },
    grid: [1, 0.5, 0.1],
  });
  t.deepEqual(samplersIn('sa:tau=1;0.1;2')[0]!.choice, {
    solver: { name: 'sa', tau: { value: 1, least: 0.1, most: 2 } },
  });
  t.deepEqual(samplersIn('restart:intervals=0.1;0.3;2;1')[0]!.choice, {
    solver: { name: 'restart', intervals: [{ least: 0.1, most: 0.3, steps: 2, times: 1 }] },
  });
  t.deepEqual(samplersIn('rk45:epsilon=0.01')[0]!.choice, { solver: { name: 'rk45', epsilon: 0.01 } });
  t.deepEqual(
    samplersIn('dpmpp-?s').map(({ label, pattern }) => [label, pattern]),
    [
      ['dpmpp-2s', 'dpmpp-?s'],
      ['dpmpp-3s', 'dpmpp-?s'],
    ],
  );
});
