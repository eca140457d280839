"""Dask clusters as an operator starts them: schedulers and workers from Dask's command line."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

DASK = str(Path(sys.executable).with_name("dask"))
DEADLINE_S = 60

# What a worker of the tests does besides: it writes down which shards it starts and which models it
# loads, takes its time, and dies of a shard whose source is called poison.
PRELOAD = """
import os, signal, time
from lcclassify.jobs import score
from lcclassify.predictors import kept

def note(what):
    with open({journal!r}, "a") as file:
        file.write(f"{{what}} {{os.getpid()}}\\n")

def score_shard(descriptor, score_shard=score.score_shard):
    note(f"start {{descriptor.number}}")
    if "poison" in descriptor.source:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep({pause_s})
    return score_shard(descriptor)

def load_predictor(*args, load=kept.load_predictor, **kwargs):
    note("load model")
    return load(*args, **kwargs)

if not hasattr(score, "noted"):  # Dask may run this twice in a process
    score.noted = True
    score.score_shard, kept.load_predictor = score_shard, load_predictor
"""


class Cluster:
    """A scheduler and its workers, each a process with children, all gone in the end."""

    def __init__(self, folder: Path, pause_s: float = 0.0) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "scheduler.json"
        self.journal = folder / "journal"
        self.pause_s = pause_s  # of workers that are started from now on, before each shard
        self.processes = []
        self.scheduler = self.start_scheduler()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for process in reversed(self.processes):
            kill(process)

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler = self._start("scheduler", "--scheduler-file", self.file, *options)
        wait_for(self.file.exists)
        return scheduler

    def start_worker(self, *options, nanny=True, preload="", env=None):
        path = self.folder / f"preload{len(self.processes)}.py"
        usual = PRELOAD.format(journal=str(self.journal), pause_s=self.pause_s)
        path.write_text(preload or usual)
        argv = ["--scheduler-file", self.file, "--nthreads", "1", "--no-dashboard"]
        argv += ["--preload", path, "--local-directory", self.folder, *options]
        return self._start("worker", *argv, *([] if nanny else ["--no-nanny"]), env=env)

    def _start(self, *argv, env=None):
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                [DASK, *map(str, argv)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | (env or {}),
            )
        self.processes.append(process)
        return process

    def noted(self, what):
        """What workers wrote down of this kind, with their process ids: [(rest, pid), ...]."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        found = [line.split() for line in lines]
        return [(words[1], int(words[2])) for words in found if words[0] == what]


def kill(process):
    """The process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(is_so):
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
