"""The parts of a large job, decided by its input alone, and the one function that does a part."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lcclassify.digest import file_digest
from lcclassify.errors import InputError, OutputError, os_reason
from lcclassify.sinks import open_sink
from lcclassify.sinks.folders import write_whole
from lcclassify.sources.file import FileSet, open_files
from lcclassify.sources.parquet import row_groups
from lcclassify.task import Task, open_task

SHARD_ROWS = 250_000
SHARD_BYTES = 1 << 28  # of files that cannot be divided


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the input: some row groups of a Parquet file, or whole files of another kind."""

    file: str  # name of the result
    paths: tuple[str, ...]
    row_groups: tuple[int, ...] | None  # of the only path

    @property
    def counts_file(self) -> str:
        """Name of what is counted; it is written last."""
        return f"{Path(self.file).stem}.json"

    @property
    def ids_file(self) -> str:
        """Name of the hashes of its ids: they tell repeats across shards when all are done."""
        return f"{Path(self.file).stem}.ids"


def plan_shards(files: FileSet, suffix: str, *, is_one: bool) -> tuple[Shard, ...]:
    """Divide Parquet files by row groups and put other files together. InputError for URLs.

    All files are one shard if an object may have rows in each of them.
    """
    pieces: list[tuple[tuple[str, ...], tuple[int, ...] | None]] = []
    small: list[str] = []
    n_bytes = 0

    def together() -> None:
        if small:
            pieces.append((tuple(small), None))
            small.clear()

    for place in files.places:
        if not place.is_here:
            raise InputError(f"{place}: results go into a folder from local files only")
        if not is_one and (groups := row_groups(place, SHARD_ROWS)):
            together()
            n_bytes = 0
            pieces += [((place.path,), group) for group in groups]
            continue
        size = os.stat(place.path).st_size
        other = small and Path(small[-1]).suffix != place.suffix
        if not is_one and (other or n_bytes + size > SHARD_BYTES):
            together()
            n_bytes = 0
        small.append(place.path)
        n_bytes += size
    together()
    return tuple(Shard(f"part-{n:05d}{suffix}", *piece) for n, piece in enumerate(pieces))


def classify_shard(task: Task, shard: Shard, folder: str, threads: int = 1) -> dict[str, Any]:
    """Classify one shard into the folder; returns its counts. What workers and clusters call.

    Its result is there whole or not at all, and its counts after it.
    """
    files = open_files(shard.paths, task.id_name, shard.row_groups, task.names)
    opened = open_task(task, files, threads=threads)
    result = Path(folder) / shard.file
    with open_sink(str(result), force=True) as sink:
        summary = opened.run(sink)
    counts = {"file": result.name, "sha256": file_digest(result)} | summary.as_dict()
    try:
        write_whole(result.with_name(shard.ids_file), summary.ids.astype("<i8").tobytes())
        write_whole(result.with_name(shard.counts_file), json.dumps(counts).encode())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    return counts


def read_counts(folder: Path, shard: Shard) -> dict[str, Any]:
    """What ``classify_shard`` returned. OutputError if it was damaged since."""
    path = folder / shard.counts_file
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} is damaged: {error!r}; remove it to have it made again"
        ) from None


def read_ids(folder: Path, shard: Shard) -> np.ndarray:
    """Hashes of the ids of a shard that was classified, memory-mapped. int64"""
    path = folder / shard.ids_file
    try:
        if not path.stat().st_size:
            return np.empty(0, np.int64)
        return np.memmap(path, "<i8", "r")
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} is damaged: {error!r}; remove {shard.counts_file} to have both made again"
        ) from None
