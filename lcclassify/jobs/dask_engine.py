"""Shards on the workers of Dask: of a cluster that is there, or of one on this machine."""

import logging
import os
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lcclassify.errors import LcclassifyError, SettingsError, WorkerError
from lcclassify.jobs.allocator import mend_allocator
from lcclassify.jobs.score import Outcome, ShardDescriptor, attempt, check_worker

if TYPE_CHECKING:
    from distributed import Client, Future

# Futures in hand for each worker. Dask computes what is finished again if it is still held when
# its worker dies, so few are held, and each is dropped as soon as its outcome is known.
WINDOW = 4
LOGGERS = ("distributed", "distributed.client", "tornado", "tornado.application")
TIMEOUT_S = 30  # to reach a scheduler, and for its first worker


def require_dask() -> None:
    """SettingsError if Dask is not installed."""
    if find_spec("distributed") is None:
        raise SettingsError(
            "Dask is not installed: pip install 'lcclassify[dask]', or use --engine local"
        )


def run_dask(
    shards: Sequence[ShardDescriptor], scheduler: str | None, n_workers: int
) -> Generator[Outcome, None, None]:
    """The outcomes of all shards as they come, from the cluster of a scheduler.

    ``scheduler`` is its address or file; None: a cluster of so many processes on this machine.
    A shard whose worker is killed again and again, also when it is alone at work, is to blame.
    WorkerError if the scheduler is not there, or has gone, or if a worker cannot do the job.
    """
    if not shards:
        return
    with _connected(scheduler, n_workers) as client:
        try:
            _check_workers(client, shards[0], _name(scheduler))
            suspects = yield from _window(client, deque(shards))
            for shard in suspects:
                if (yield from _window(client, deque([shard]))):
                    reason = "its workers were killed, perhaps for want of memory"
                    yield Outcome(shard.number, None, f"{shard.source}: {reason}")
        except (OSError, CancelledError) as error:
            raise WorkerError(
                f"{_name(scheduler)} has gone ({type(error).__name__}); what is finished is kept: "
                "start a scheduler and run the same command again"
            ) from None


def _window(
    client: "Client", left: deque[ShardDescriptor]
) -> Generator[Outcome, None, list[ShardDescriptor]]:
    """Work on shards, some futures a worker at a time; returns those whose workers were killed."""
    from distributed import wait
    from distributed.scheduler import KilledWorker

    run = uuid4().hex[:8]  # keys are new: nothing that Dask remembers is taken for an answer
    pending: dict[Future[Outcome], ShardDescriptor] = {}
    suspects = []
    while left or pending:
        while left and len(pending) < WINDOW * max(1, len(client.nthreads())):
            shard = left.popleft()
            key = f"score_shard-{run}-{shard.number}"
            pending[client.submit(attempt_on_worker, shard, key=key, pure=False)] = shard
        for future in wait(list(pending), return_when="FIRST_COMPLETED").done:
            shard = pending.pop(future)
            try:
                outcome = future.result()
            except KilledWorker:
                suspects.append(shard)
            else:
                future.release()
                yield outcome
    return suspects


def attempt_on_worker(shard: ShardDescriptor) -> Outcome:
    """What a worker of Dask calls. Errors name the worker."""
    mend_allocator()
    try:
        return attempt(shard)
    except LcclassifyError as error:
        raise type(error)(f"worker {_worker()}: {error}") from None


def check_on_worker(shard: ShardDescriptor) -> str | None:
    """What keeps a worker of Dask from working on a job, in words."""
    try:
        check_worker(shard)
    except LcclassifyError as error:
        return str(error)
    return None


def _check_workers(client: "Client", shard: ShardDescriptor, name: str) -> None:
    """WorkerError, before anything is written, if a worker cannot do the job, or none is there."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
    except TimeoutError:
        raise WorkerError(f"{name} has no workers after {TIMEOUT_S} s; start some") from None
    answers: dict[str, Any] = client.run(check_on_worker, shard, on_error="return")
    unfit = {
        address: f"{type(answer).__name__}: {answer}" if isinstance(answer, Exception) else answer
        for address, answer in answers.items()
        if answer is not None
    }
    if unfit:
        address, reason = next(iter(unfit.items()))
        more = f" ({len(unfit)} of {len(answers)} workers)" if len(unfit) > 1 else ""
        raise WorkerError(f"worker {address} cannot do this job{more}: {reason}")


@contextmanager
def _connected(scheduler: str | None, n_workers: int) -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told by us
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            ) as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    where = {"scheduler_file": scheduler} if os.path.isfile(scheduler) else {"address": scheduler}
    try:
        client = Client(**where, timeout=TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise WorkerError(
            f"no Dask scheduler answers at {scheduler}: {error or type(error).__name__}; expected "
            "an address such as tcp://host:8786, or the file that it was told to write"
        ) from None
    with client:
        yield client


def _name(scheduler: str | None) -> str:
    return f"the Dask scheduler {scheduler or 'of this machine'}"


def _worker() -> str:
    from distributed import get_worker

    return str(get_worker().address)
