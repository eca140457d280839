"""Large jobs: a folder of result shards that any number of workers fill, and that can be resumed.

The folder holds ``job.json`` (what is asked: task, inputs, shards), then per shard its result and,
written after it, its counts; and ``manifest.json`` when all shards are there. Every file appears
whole, by renaming. A shard's bytes depend on nothing but the job.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lcclassify import __version__
from lcclassify.errors import OutputError, os_reason
from lcclassify.shards import Shard, classify_shard, plan_shards, read_counts, read_ids
from lcclassify.sinks.folders import write_whole
from lcclassify.summary import Summary, count_repeated
from lcclassify.table import FileStamp, Table, stamps
from lcclassify.task import Task
from lcclassify.workers import call_all

JOB, MANIFEST = "job.json", "manifest.json"
LOCK = ".lock"
PARTIAL = ".part-*"  # what killed writers leave
WITHOUT_MEANING = ("model",)  # where it lies; its digest tells what it is


@dataclass(frozen=True, slots=True)
class Job:
    """All that decides the result, in plain values: it goes into ``job.json``."""

    task: Task
    inputs: tuple[FileStamp, ...]
    suffix: str  # of the shards
    shards: tuple[Shard, ...]
    lcclassify_version: str = __version__

    def differences(self, other: "Job") -> Iterator[str]:
        """In words, what another job has otherwise."""
        mine, its = _asked(self), _asked(other)
        for key in mine:
            yield from _changes(key, its[key], mine[key])


def _changes(key: str, old: Any, new: Any) -> Iterator[str]:
    """What differs, as deep as names go and the first of a list: a long value is cut."""
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for name in old:
            yield from _changes(f"{key}.{name}", old[name], new[name])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and old != new:
        before, now = next(pair for pair in zip(old, new, strict=True) if pair[0] != pair[1])
        yield f"{key} was {before!r:.200} and is {now!r:.200}"
    elif old != new:
        yield f"{key} was {old!r:.200} and is {new!r:.200}"


def _asked(job: Job) -> dict[str, Any]:
    values = plain(job)
    del values["shards"]  # they follow from the inputs
    task = {key: value for key, value in values.pop("task").items() if key not in WITHOUT_MEANING}
    return values | task


def plain(job: Job) -> dict[str, Any]:
    """A job as JSON has it: lists, not tuples."""
    return dict(json.loads(json.dumps(asdict(job))))


def plan_job(task: Task, table: Table, suffix: str) -> Job:
    """The job of a task on a table. InputError for files that are not on this machine."""
    files = table.files
    is_one = files.is_long or table.has_observation_rows(task.light_curves is not None)
    return Job(task, stamps(files.places), suffix, plan_shards(files, suffix, is_one=is_one))


def read_job(folder: Path) -> Job | None:
    """The job that a folder was made for; None if it is not there or empty.

    OutputError if it holds something else.
    """
    try:
        text = (folder / JOB).read_text("utf-8")
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty and holds no {JOB}: not one of ours"
            ) from None
        return None
    except OSError as error:
        raise OutputError(f"cannot read {folder / JOB}: {os_reason(error)}") from None
    try:
        values = json.loads(text)
        shards = tuple(
            Shard(s["file"], tuple(s["paths"]), s["row_groups"] and tuple(s["row_groups"]))
            for s in values.pop("shards")
        )
        inputs = tuple((path, size, time) for path, size, time in values.pop("inputs"))
        return Job(Task.of(values.pop("task")), inputs, shards=shards, **values)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{folder / JOB} is damaged: {error!r}; remove the folder") from None


def prepare(job: Job, folder: Path) -> None:
    """Make the folder, or find it as an interrupted run left it.

    OutputError if it was made for another input, model or option.
    """
    there = read_job(folder)
    if there is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / JOB, json.dumps(plain(job), indent=1).encode())
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    elif differences := list(job.differences(there)):
        raise OutputError(
            f"{folder} was made for another job: {'; '.join(differences)}. Choose another folder, "
            "or remove this one"
        )


def missing_shards(job: Job, folder: Path) -> list[Shard]:
    """The shards that are still to be done."""
    return [shard for shard in job.shards if not (folder / shard.counts_file).exists()]


def is_finished(folder: Path) -> bool:
    """Whether all of a job is there."""
    return (folder / MANIFEST).is_file()


def work(
    job: Job,
    missing: Sequence[Shard],
    folder: Path,
    n_workers: int,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda n_objects: None,
) -> None:
    """Classify the shards that are missing, each by so many threads.

    The first error ends the work; what is unfinished then is removed.
    """
    to_do = set(missing)
    for shard in job.shards:
        if shard not in to_do:
            progress(read_counts(folder, shard)["objects"])
    threads = threads or max(1, n_workers // max(1, len(missing)))
    calls = [(job.task, shard, str(folder), threads) for shard in missing]
    with _alone(folder):
        try:
            call_all(classify_shard, calls, n_workers, lambda counts: progress(counts["objects"]))
        finally:
            _remove(folder, PARTIAL)


def summarize(job: Job, folder: Path) -> Summary:
    """The counts of all shards together."""
    parts = (read_counts(folder, shard) for shard in job.shards)
    if is_finished(folder):
        n_repeated = _told_repeated(folder / MANIFEST)
    else:
        n_repeated = count_repeated([read_ids(folder, shard) for shard in job.shards])
    return Summary.of(parts, n_repeated)


def _told_repeated(manifest: Path) -> int:
    try:
        return int(json.loads(manifest.read_text("utf-8"))["repeated_ids"])
    except OSError as error:
        raise OutputError(f"cannot read {manifest}: {os_reason(error)}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{manifest} is damaged: {error!r}; remove the folder") from None


def finish(job: Job, folder: Path, summary: Summary) -> None:
    """Say in the folder that all of a job is there."""
    counts = (read_counts(folder, shard) for shard in job.shards)
    shards = [{key: each[key] for key in ("file", "sha256", "objects")} for each in counts]
    manifest = {"job": plain(job)} | summary.as_dict() | {"shards": shards}
    try:
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    _remove(folder, "part-*.ids")
    _remove(folder, PARTIAL)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; a killed one keeps nobody out. OutputError"""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"another run is working on {folder}; wait until it has ended") from None
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / LOCK).unlink()
        lock.release()


def _remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        with suppress(OSError):
            path.unlink()
