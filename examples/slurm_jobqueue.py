"""Classify files by Dask workers that dask-jobqueue asks SLURM for, each a job of its own.

    python examples/slurm_jobqueue.py 16 INPUT... --to RESULTS/

starts from a login node, or from a small job of its own; 16 is the number of workers, and the rest
is what classify-file takes. Needs lcclassify[dask] and dask-jobqueue; all nodes see the same files.
Workers that SLURM ends are asked for again, and the same command goes on where a run was cut off.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

WORKER = {"cores": 1, "processes": 1, "memory": "2GB", "walltime": "04:00:00"}  # for a forest


def main(n_workers: int, arguments: list[str]) -> int:
    """Run classify-file on so many workers; returns its exit code."""
    with SLURMCluster(**WORKER) as cluster:
        cluster.adapt(minimum_jobs=n_workers, maximum_jobs=n_workers)  # replaces those that end
        command = [sys.executable, "-m", "lcclassify", "classify-file", *arguments]
        command += ["--engine", "dask", "--scheduler", cluster.scheduler_address]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
