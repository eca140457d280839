"""Worker processes: none of them outlives the run, however that ends."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Any, TypeVar

from lcclassify.errors import WorkerError

Result = TypeVar("Result")


def call_all(
    function: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    n_workers: int,
    done: Callable[[Result], None],
) -> None:
    """Call ``done`` with results as they come, from spawned workers with two calls each in hand.

    One worker is this process itself. The first error ends the work when what is begun is done, a
    signal ends it at once. WorkerError if a worker was killed.
    """
    n_workers = min(n_workers, len(arguments))
    if n_workers <= 1:
        for call in arguments:
            done(function(*call))
        return
    queue = iter(arguments)
    with ProcessPoolExecutor(n_workers, get_context("spawn"), _start) as pool:
        pending: set[Future[Result]] = set()
        try:
            while True:
                for call in queue:
                    pending.add(pool.submit(function, *call))
                    if len(pending) >= 2 * n_workers:
                        break
                if not pending:
                    return
                ended, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in ended:
                    done(future.result())
        except BrokenProcessPool:
            raise WorkerError(
                "a worker was killed, perhaps for want of memory; what is finished is kept: run "
                "the same command again to go on, with fewer --workers if need be"
            ) from None
        except (SystemExit, KeyboardInterrupt):
            for worker in active_children():
                worker.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _start() -> None:
    """Leave signals from the keyboard to the run itself, and end with it, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
