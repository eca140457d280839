"""How an input is divided into shards: by itself alone, never by who works on it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from lcclassify.errors import InputError
from lcclassify.jobs.job import Job, Shard, packages
from lcclassify.sources.file import FileSet
from lcclassify.sources.places import Place, find_catalogue
from lcclassify.table import Table, stamps
from lcclassify.task import Task

# What takes how long, in seconds on one core of 2024. They need not be exact: what takes less than
# SHARD_S is put together, so that planning, starting and recording a shard cost little beside it.
SHARD_S = 5.0
FILE_S = 0.003  # to open a file
ROW_S = 8e-6  # to answer a row of features
LIGHT_CURVE_S = 1.2e-3
BYTE_S = 2e-8  # of a file that is no Parquet: to read and to answer
Piece = tuple[tuple[str, ...], tuple[int, int] | None]


def plan_job(task: Task, table: Table, kind: str, folder: str | None = None) -> Job:
    """The job of a task on a table. InputError for files that are not on this machine.

    ``folder`` is that of the HATS catalogue which the table is and which the parts are made like.
    """
    files = table.files
    for place in files.places:
        if not place.is_here:
            raise InputError(f"{place}: results go into a folder from local files only")
    has_light_curves = task.light_curves is not None
    is_one = files.is_long or table.has_observation_rows(has_light_curves)  # an object anywhere
    if folder is not None and (catalogue := find_catalogue(folder)):
        shards = [
            Shard(leaf.path(), tuple(map(os.path.abspath, paths)), None)
            for leaf, paths in catalogue.files.items()
        ]
    else:
        pieces: Iterable[Piece] = [(tuple(place.path for place in files.places), None)]
        if not is_one:
            pieces = _pieces(files, LIGHT_CURVE_S if has_light_curves else ROW_S)
        shards = [
            Shard(f"part-{n:05d}.{kind}", tuple(map(os.path.abspath, paths)), groups)
            for n, (paths, groups) in enumerate(pieces)
        ]
    return Job(
        task=task.absolute(),
        inputs=stamps([os.path.abspath(place.path) for place in files.places]),
        kind=kind,
        shards=tuple(shards),
        packages=packages(torch=has_light_curves),
        catalogue=None if folder is None else os.path.abspath(folder),
    )


def _pieces(files: FileSet, row_s: float) -> Iterator[Piece]:
    """Large Parquet files by row groups; what is small, and all else, put together."""
    small: list[Place] = []
    time_s = 0.0
    sizes_of = {part.path: tuple(part.row_group_sizes) for part in files.parts}
    for place in files.places:
        sizes = sizes_of.get(place, ())
        cost_s = _cost(place, sizes, row_s)
        if (small and place.suffix != small[-1].suffix) or (cost_s >= SHARD_S and sizes):
            yield from _whole(small)
            small, time_s = [], 0.0
        if cost_s >= SHARD_S and sizes:
            groups = list(pairwise(_bounds(sizes, row_s)))
            yield from (((place.path,), g if groups[1:] else None) for g in groups)
            continue
        small.append(place)
        time_s += cost_s
        if time_s >= SHARD_S:
            yield from _whole(small)
            small, time_s = [], 0.0
    yield from _whole(small)


def _whole(places: list[Place]) -> Iterator[Piece]:
    if places:
        yield tuple(place.path for place in places), None


def _cost(place: Place, sizes: Sequence[int], row_s: float) -> float:
    """The time that a file takes, s; ``sizes`` are those of its row groups, if it has any."""
    work_s = sum(sizes) * row_s if sizes else os.stat(place.path).st_size * BYTE_S
    return FILE_S + work_s


def _bounds(sizes: Sequence[int], row_s: float) -> list[int]:
    """The row groups at which shards begin, and the end. A row group is never divided."""
    bounds, time_s = [0], 0.0
    for number, size in enumerate(sizes, 1):
        time_s += size * row_s
        if time_s >= SHARD_S:
            bounds.append(number)
            time_s = 0.0
    return bounds if bounds[-1] == len(sizes) else [*bounds, len(sizes)]
