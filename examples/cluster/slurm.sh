#!/bin/bash
# 50,000 digits by an array of Slurm: sbatch slurm.sh. A member that is killed or runs out of time loses one batch; started again
# (sbatch --array=3 slurm.sh) it goes on. Without --shard, members would share the batches among themselves as they come.
#SBATCH --job-name=fastsde
#SBATCH --array=0-7
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
set -euo pipefail

# On a file system that all nodes see.
output=${OUTPUT:-digits/}

srun --cpu-bind=cores npx fastsde sample --count 50000 --batch 64 --threads "${SLURM_CPUS_PER_TASK:-4}" \
  --shard auto --output "$output" --quiet
