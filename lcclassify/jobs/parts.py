"""Parts of a job and their records: what is there, whole and of this job."""

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lcclassify.digest import file_digest
from lcclassify.errors import OutputError, os_reason
from lcclassify.jobs.job import BOOKS, Job, is_finished
from lcclassify.sinks.folders import write_whole
from lcclassify.summary import Summary

ROUNDED = ".rounded"


def record_part(job: Job, number: int, folder: Path, summary: Summary) -> dict[str, Any]:
    """Write down, after a part, what it is, what it was made of and what it counts; returns it.

    The hashes of its ids lie beside, to tell repeats when all parts are there. OutputError
    """
    shard = job.shards[number]
    try:
        record = {
            "file": shard.file,
            "rows": summary.n_rows,
            "sha256": file_digest(folder / shard.file),
            **job.identity(shard),
            **summary.as_dict(),
        }
        write_whole(_ids(folder, number), summary.ids.astype("<i8").tobytes())
        if len(rounded := summary.rounded_ids):
            write_whole(_ids(folder, number, ROUNDED), rounded.astype("<i8").tobytes())
        write_whole(_record(folder, number), json.dumps(record).encode())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    return record


def read_record(folder: Path, number: int) -> dict[str, Any]:
    """What was written down of a part. OutputError if it was damaged since."""
    path = _record(folder, number)
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise OutputError(
            f"{path} is damaged: {error!r}; remove it to have its part made again"
        ) from None


def read_ids(folder: Path, number: int) -> np.ndarray:
    """Hashes of the ids of a part, in order of size, memory-mapped. int64"""
    return _read_ids(folder, number, "")


def read_rounded_ids(folder: Path, number: int) -> np.ndarray:
    """Likewise of those ids that went through a float; most parts have none."""
    if not _ids(folder, number, ROUNDED).exists():
        return np.empty(0, np.int64)
    return _read_ids(folder, number, ROUNDED)


def _read_ids(folder: Path, number: int, of: str) -> np.ndarray:
    path = _ids(folder, number, of)
    try:
        if not path.stat().st_size:
            return np.empty(0, np.int64)
        return np.memmap(path, "<i8", "r")
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path} is damaged: {error!r}; remove {_record(folder, number)} to have both made "
            "again"
        ) from None


def missing_parts(job: Job, folder: Path, numbers: Sequence[int]) -> list[int]:
    """Those of some parts that are not there, not whole, or of another job; in order.

    They are hashed.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        found = pool.map(lambda number: find_part(job, folder, number), numbers)
        return [number for number, part in zip(numbers, found, strict=True) if part is None]


def count_recorded(folder: Path, numbers: Sequence[int]) -> int:
    """How many of some parts were written down; the parts themselves are not looked at."""
    return sum(_record(folder, number).exists() for number in numbers)


def find_part(job: Job, folder: Path, number: int) -> dict[str, Any] | None:
    """The record of a part that is as it was written down, and of this job; None if it is not."""
    shard = job.shards[number]
    try:
        record = dict(json.loads(_record(folder, number).read_text("utf-8")))
        found = {key: record[key] for key in ("source", "model", "options", "sha256")}
        digest = file_digest(folder / shard.file)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    has_ids = is_finished(folder) or _ids(folder, number).exists()
    is_sound = has_ids and found == job.identity(shard) | {"sha256": digest}
    return record if is_sound else None


def remove_strays(job: Job, folder: Path) -> None:
    """Remove what killed writers left: files under temporary names."""
    parts = [folder / shard.file for shard in job.shards]
    stems = {path.name for path in parts}
    for parent in {path.parent for path in parts}:
        _remove(path for path in parent.glob(".*") if path.name[1:].rpartition(".")[0] in stems)
    _remove((folder / BOOKS).glob(".*.*.*"))


def remove_ids(folder: Path) -> None:
    """Remove the hashes of ids, which nobody needs once repeats are counted."""
    _remove((folder / BOOKS).glob("*.ids"))


def _record(folder: Path, number: int) -> Path:
    return folder / BOOKS / f"{number:05d}.json"


def _ids(folder: Path, number: int, of: str = "") -> Path:
    return folder / BOOKS / f"{number:05d}{of}.ids"


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
