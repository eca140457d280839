"""Worker processes of this machine: none of them outlives the run, however that ends."""

import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process

from lcclassify.jobs.score import Outcome, ShardDescriptor, attempt

IN_HAND = 2  # shards that a worker has, the one that it works on among them


def run_processes(
    shards: Sequence[ShardDescriptor], n_workers: int
) -> Generator[Outcome, None, None]:
    """The outcomes of all shards as they come, from spawned workers.

    One worker is this process itself. When a worker is killed, what was in hand is done again, one
    shard at a time: the one that kills its worker again is to blame. The first error that is no
    shard's own ends the work when what is begun is done, a signal ends it at once.
    """
    if min(n_workers, len(shards)) <= 1:
        yield from map(attempt, shards)
        return
    left = deque(shards)
    while left:
        suspects = yield from _pool(left, n_workers)
        for suspect in suspects:
            if (yield from _pool(deque([suspect]), 1)):
                reason = "its worker was killed, perhaps for want of memory"
                yield Outcome(suspect.number, None, f"{suspect.source}: {reason}")


def _pool(
    left: deque[ShardDescriptor], n_workers: int
) -> Generator[Outcome, None, list[ShardDescriptor]]:
    """Work on shards, which are taken away; returns those in hand when a worker was killed."""
    with ProcessPoolExecutor(min(n_workers, len(left)), get_context("spawn"), _start) as pool:
        pending: dict[Future[Outcome], ShardDescriptor] = {}
        try:
            while left or pending:
                while left and len(pending) < IN_HAND * n_workers:
                    pending[pool.submit(attempt, left[0])] = left[0]
                    left.popleft()  # now: a pool that is broken takes nothing
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    outcome = future.result()
                    del pending[future]
                    yield outcome
        except BrokenProcessPool:
            return list(pending.values())
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            for worker in active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return []


def _start() -> None:
    """Leave signals from the keyboard to the run itself, and end with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
