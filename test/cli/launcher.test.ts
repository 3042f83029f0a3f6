import test from 'ava';
import { partOfLauncher } from '../../src/cli/shared/launcher.js';

const array = { SLURM_ARRAY_TASK_ID: '7', SLURM_ARRAY_TASK_MIN: '3', SLURM_ARRAY_TASK_COUNT: '5' };

for (const [name, environment, part] of [
  ['an array of Slurm that begins at 3', array, { index: 4, of: 5 }],
  ['an array in steps of 2', { ...array, SLURM_ARRAY_TASK_STEP: '2' }, { index: 2, of: 5 }],
  ['a task of a job of Slurm', { SLURM_PROCID: '1', SLURM_NTASKS: '4' }, { index: 1, of: 4 }],
  [
    'a task of a member of an array',
    { ...array, SLURM_PROCID: '1', SLURM_NTASKS: '4' },
    { index: 17, of: 20 },
  ],
  ['Open MPI', { OMPI_COMM_WORLD_RANK: '2', OMPI_COMM_WORLD_SIZE: '3' }, { index: 2, of: 3 }],
  ['MPICH', { PMI_RANK: '0', PMI_SIZE: '3' }, { index: 0, of: 3 }],
  ['torchrun', { RANK: '5', WORLD_SIZE: '6' }, { index: 5, of: 6 }],
  ['an Indexed Job', { JOB_COMPLETION_INDEX: '2', FASTSDE_SHARDS: '8' }, { index: 2, of: 8 }],
  ['an Indexed Job without its number', { JOB_COMPLETION_INDEX: '2' }, undefined],
  ['a rank that there is not', { RANK: '6', WORLD_SIZE: '6' }, undefined],
  ['words', { RANK: 'first', WORLD_SIZE: 'six' }, undefined],
  ['nothing', {}, undefined],
] as const) {
  test(`--shard auto under ${name}`, (t) => {
    t.deepEqual(partOfLauncher(environment), part);
  });
}

test('all tasks of all members of an array have parts of their own', (t) => {
  const indices = [3, 4, 5, 6, 7].flatMap((id) =>
    [0, 1].map((task) => {
      const environment = {
        ...{ ...array, SLURM_ARRAY_TASK_ID: String(id) },
        ...{ SLURM_PROCID: String(task), SLURM_NTASKS: '2' },
      };
      return partOfLauncher(environment)!.index;
    }),
  );
  t.deepEqual(indices, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
