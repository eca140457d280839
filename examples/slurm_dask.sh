#!/usr/bin/env bash
# Classify files by Dask, in one SLURM job of many tasks; needs lcclassify[dask] on the PATH:
#
#   sbatch examples/slurm_dask.sh INPUT... --to RESULTS/
#
# Dask hands out the work: a worker that is killed costs the shard it was at, slow nodes do less, and
# nothing is left to finish by hand. INPUT, RESULTS and the model lie on a file system that all
# nodes see. The same command goes on where a job was cut off.
# With dask-jobqueue, SLURMCluster(...).scheduler_address is what --scheduler takes (not tried).
# Who reaches a Dask scheduler over the network can run code as you; Dask's documentation on TLS says
# how to keep others out where the nodes' network is not closed.
#
# Was run with SLURM 22.05, two workers on one node.

#SBATCH --job-name=lcclassify
#SBATCH --ntasks=16
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%j.log

set -euo pipefail
scheduler=$SLURM_SUBMIT_DIR/dask-$SLURM_JOB_ID.json # all nodes see it
trap 'kill $(jobs -p) || true; wait; rm -f "$scheduler"' EXIT
export DASK_LOGGING__DISTRIBUTED=error # or every connection that is made or closed is told

dask scheduler --scheduler-file "$scheduler" --port 0 --no-dashboard &
until [[ -s $scheduler ]]; do sleep 1; done
srun dask worker --scheduler-file "$scheduler" --nthreads 1 --no-dashboard --death-timeout 60 &

lcclassify classify-file "$@" --engine dask --scheduler "$scheduler" --quiet
