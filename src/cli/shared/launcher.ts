import type { Part } from '../../shards/parts.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables with the number of a process, from 0, and how many there are. */
const launchers: readonly (readonly [rank: string, size: string])[] = [
  // Open MPI, then MPICH and Intel MPI, then torchrun and its kin.
  ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'],
  ['PMI_RANK', 'PMI_SIZE'],
  ['RANK', 'WORLD_SIZE'],
  // Of an Indexed Job, Kubernetes tells the index alone: its manifest has to tell the number.
  ['JOB_COMPLETION_INDEX', 'FASTSDE_SHARDS'],
];

/**
 * Which part of a run this process is to do, as the variables of its launcher say: an array of Slurm, the tasks of one job there, or
 * both; MPI; an Indexed Job of Kubernetes. Undefined where they say nothing.
 */
export function partOfLauncher(environment: Environment): Part | undefined {
  const number = (name: string): number | undefined => {
    const text = environment[name];
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const parts = [slurmArray(number), slurmTask(number)].filter((part) => part !== undefined);
  // Every task of every member of an array does a part of its own.
  if (parts.length > 0)
    return parts.reduce((outer, inner) => ({
      index: outer.index * inner.of + inner.index,
      of: outer.of * inner.of,
    }));
  for (const [rank, size] of launchers) {
    const [index, of] = [number(rank), number(size)];
    if (index !== undefined && of !== undefined && index < of) return { index, of };
  }
  return undefined;
}

type Read = (name: string) => number | undefined;

function slurmArray(number: Read): Part | undefined {
  const [id, least, of] = ['ID', 'MIN', 'COUNT'].map((name) => number(`SLURM_ARRAY_TASK_${name}`));
  if (id === undefined || least === undefined || of === undefined) return undefined;
  const index = (id - least) / (number('SLURM_ARRAY_TASK_STEP') ?? 1);
  return Number.isInteger(index) && index >= 0 && index < of ? { index, of } : undefined;
}

function slurmTask(number: Read): Part | undefined {
  const [index, of] = [number('SLURM_PROCID'), number('SLURM_NTASKS')];
  return index !== undefined && of !== undefined && index < of ? { index, of } : undefined;
}
