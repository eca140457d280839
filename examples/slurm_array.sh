#!/usr/bin/env bash
# Classify files by an array of SLURM jobs, each of which does its share, and end the folder:
#
#   job=$(sbatch --parsable examples/slurm_array.sh INPUT... --to RESULTS/)
#   sbatch --dependency=afterok:"$job" --kill-on-invalid-dep=yes --wrap 'lcclassify finish RESULTS/'
#
# What follows the script is what classify-file takes. INPUT, RESULTS and the model lie on a file
# system that all nodes see, and lcclassify is on the PATH (activate its environment before sbatch).
# A task that failed or was cut off goes on where it was; finish once more after that:
#
#   sbatch --array=3,7 examples/slurm_array.sh INPUT... --to RESULTS/
#
# Was run with SLURM 22.05 on one node, one task cancelled and run again. Memory and time were never
# reached there: ask for what your model takes.

#SBATCH --job-name=lcclassify
#SBATCH --array=0-15
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%A_%a.log

set -euo pipefail
shares=16 # as many as --array has above; not $SLURM_ARRAY_TASK_COUNT, which is less for a few again

exec lcclassify classify-file "$@" \
    --shard "$SLURM_ARRAY_TASK_ID/$shares" \
    --workers "$SLURM_CPUS_PER_TASK" \
    --quiet
