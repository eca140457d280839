"""Work on a job: its missing shards to an engine, what comes of them to the caller."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lcclassify.errors import InputError, OutputError, WorkerError, os_reason
from lcclassify.jobs.job import BOOKS, Job
from lcclassify.jobs.parts import read_record, remove_strays
from lcclassify.jobs.score import Outcome, ShardDescriptor, describe

Engine = Callable[[Sequence[ShardDescriptor]], Generator[Outcome, None, None]]


@dataclass(frozen=True, slots=True)
class Share:
    """Every n-th shard of a job, from one on: what one task of an array does."""

    index: int = 0
    n: int = 1

    @classmethod
    def of(cls, text: str) -> "Share":
        """The share I/N, I from 0 to N-1. ValueError"""
        index, slash, n = text.partition("/")
        share = cls(int(index), int(n)) if slash else cls(-1)
        if not 0 <= share.index < share.n:
            raise ValueError(f"{text!r} is no share")
        return share

    def __str__(self) -> str:
        return f"{self.index}/{self.n}"

    @property
    def is_all(self) -> bool:
        """Whether nobody else has a share."""
        return self.n == 1

    def numbers(self, job: Job) -> list[int]:
        """The shards of a job that it has."""
        return list(range(self.index, len(job.shards), self.n))


def work(
    job: Job,
    folder: Path,
    share: Share,
    missing: Sequence[int],
    engine: Engine,
    threads: int = 1,
    progress: Callable[[int], None] = lambda n_objects: None,
) -> None:
    """Classify the missing shards of a share, each by so many threads.

    A shard that fails by its own fault leaves the others to be done and is told at the end:
    InputError or WorkerError. Any other error ends the work; what is unfinished then is removed.
    """
    to_do = set(missing)
    failed = []
    with _alone(folder, share):
        for number in share.numbers(job):
            if number not in to_do:
                progress(read_record(folder, number)["objects"])
        try:
            with closing(engine([describe(job, n, folder, threads) for n in missing])) as outcomes:
                for outcome in outcomes:
                    if outcome.record is None:
                        failed.append(outcome)
                    else:
                        progress(outcome.record["objects"])
        finally:
            if share.is_all:  # else they may be somebody else's, who is at work
                remove_strays(job, folder)
    if failed:
        raise _error(failed, len(missing))


def _error(failed: Sequence[Outcome], n_shards: int) -> InputError | WorkerError:
    kind = InputError if all(outcome.is_input for outcome in failed) else WorkerError
    causes = "; ".join(outcome.error for outcome in failed)
    if n_shards == 1:
        return kind(causes)
    return kind(f"{len(failed)} of {n_shards} shards failed, the others are done: {causes}")


@contextmanager
def _alone(folder: Path, share: Share) -> Iterator[None]:
    """Keep other runs out of a folder or share; a killed one keeps nobody out. OutputError

    On a file system without locks it keeps nobody out either: then work is done twice, no worse.
    """
    name = "lock" if share.is_all else f"lock-{share.index}-{share.n}"
    lock = FileLock(folder / BOOKS / name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"another run is working on {folder}; wait until it has ended") from None
    except NotImplementedError:
        yield
        return
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / BOOKS / name).unlink()
        lock.release()
