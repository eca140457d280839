"""Job: what is asked of a large input, and the folder that its results go to.

The folder holds one file of results per shard, a part, and ``_manifest.json`` when all are there.
In ``_lcclassify`` lie ``job.json`` (task, inputs, shards) and, per part and written after it, its
record. Readers of tables pass over both names. Every file appears whole, by renaming. The bytes of
a part depend on nothing but the job.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lcclassify import __version__
from lcclassify.errors import OutputError, WorkerError, os_reason
from lcclassify.sinks.folders import write_whole
from lcclassify.table import FileStamp
from lcclassify.task import Task

BOOKS = "_lcclassify"  # the folder of records
JOB, MANIFEST = "job.json", "_manifest.json"
WITHOUT_MEANING = ("model",)  # where it lies; its digest tells what it is


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the input: some row groups of a Parquet file, or whole files."""

    file: str  # of the result, below the folder
    paths: tuple[str, ...]
    row_groups: tuple[int, int] | None  # of the only path: the first, and the one after the last

    def __str__(self) -> str:
        more = f" and {len(self.paths) - 1} more files" if self.paths[1:] else ""
        groups = ""
        if self.row_groups is not None:
            first, last = self.row_groups[0], self.row_groups[1] - 1
            groups = f", row group {first}" + (f" to {last}" if last > first else "")
        return f"{self.paths[0]}{more}{groups}"


@dataclass(frozen=True)
class Job:
    """All that decides the result, in plain values: it goes into ``job.json``."""

    task: Task
    inputs: tuple[FileStamp, ...]
    kind: str  # of the parts: parquet, avro or hats
    shards: tuple[Shard, ...]
    packages: Mapping[str, str]  # name -> version, of those whose version may change a byte
    catalogue: str | None = None  # folder of the HATS catalogue that the parts are made like

    @cached_property
    def text(self) -> bytes:
        """What ``job.json`` holds."""
        return json.dumps(asdict(self), indent=1).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of it, in hexadecimal."""
        return hashlib.sha256(self.text).hexdigest()

    @property
    def plain(self) -> dict[str, Any]:
        """The job as JSON has it: lists, not tuples."""
        return dict(json.loads(self.text))

    def identity(self, shard: Shard) -> dict[str, str]:
        """Digests of all that a part is made of: what it is read from, by what model, and how."""
        stamps = [self._stamps[path] for path in shard.paths]
        return {
            "source": _digest([stamps, shard.row_groups]),
            "model": self.task.model_digest,
            "options": self._options,
        }

    def changed(self, shard: Shard, now: tuple[FileStamp, ...]) -> str | None:
        """The first file of a shard that is another by now, by its size or time."""
        stamps = (self._stamps[path] for path in shard.paths)
        return next((old[0] for old, new in zip(stamps, now, strict=True) if old != new), None)

    def differences(self, other: "Job") -> Iterator[str]:
        """In words, what another job has otherwise."""
        mine, its = _asked(self), _asked(other)
        for key in mine:
            yield from _changes(key, its[key], mine[key])

    @cached_property
    def _stamps(self) -> dict[str, FileStamp]:
        return {stamp[0]: stamp for stamp in self.inputs}

    @cached_property
    def _options(self) -> str:
        asked = _asked(self)
        del asked["inputs"], asked["model_digest"]
        return _digest(asked)


def packages(*, torch: bool) -> dict[str, str]:
    """The versions that are installed here of all packages that decide bytes."""
    names = ("numpy", "pyarrow", *(("torch",) if torch else ()))
    return {"lcclassify": __version__} | {name: version(name) for name in names}


def read_job(folder: Path) -> Job | None:
    """The job that a folder was made for; None if it is not there or empty.

    OutputError if it holds something else.
    """
    path = folder / BOOKS / JOB
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if folder.is_dir() and any(entry.name != BOOKS for entry in folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty and holds no {BOOKS}/{JOB}: not one of ours"
            ) from None
        return None
    except OSError as error:
        raise OutputError(f"cannot read {path}: {os_reason(error)}") from None
    try:
        return _parse(text)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{path} is damaged: {error!r}; remove the folder") from None


@lru_cache(maxsize=2)
def open_job(folder: str, digest: str) -> Job:
    """The job of a folder, read once by each process that works on it.

    WorkerError if it is not there, or another one.
    """
    path = Path(folder) / BOOKS / JOB
    try:
        text = path.read_bytes()
    except OSError as error:
        raise WorkerError(
            f"cannot read {path}: {os_reason(error)}; all workers must see the same folder"
        ) from None
    if hashlib.sha256(text).hexdigest() != digest:
        raise WorkerError(f"{path} is of another job than the one that was handed out")
    return _parse(text)


def prepare(job: Job, folder: Path) -> None:
    """Make the folder, or find it as an interrupted run left it.

    OutputError if it was made for another input, model or option.
    """
    there = read_job(folder)
    if there is None:
        try:
            (folder / BOOKS).mkdir(parents=True, exist_ok=True)
            write_whole(folder / BOOKS / JOB, job.text)
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    elif differences := list(job.differences(there)):
        raise OutputError(
            f"{folder} was made for another job: {'; '.join(differences)}. Choose another folder, "
            "or remove this one"
        )


def is_finished(folder: Path) -> bool:
    """Whether all of a job is there."""
    return (folder / MANIFEST).is_file()


def _parse(text: bytes) -> Job:
    values = json.loads(text)
    shards = tuple(
        Shard(s["file"], tuple(s["paths"]), s["row_groups"] and tuple(s["row_groups"]))
        for s in values.pop("shards")
    )
    inputs = tuple((path, size, time) for path, size, time in values.pop("inputs"))
    return Job(Task.of(values.pop("task")), inputs, shards=shards, **values)


def _asked(job: Job) -> dict[str, Any]:
    values = job.plain
    del values["shards"]  # they follow from the inputs
    task = {key: value for key, value in values.pop("task").items() if key not in WITHOUT_MEANING}
    return values | task


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


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
