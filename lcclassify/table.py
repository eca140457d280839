"""What a run reads: some files and the tables that are joined to them, under the names they get."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from lcclassify.errors import InputError, os_reason
from lcclassify.features import is_header
from lcclassify.sources.file import FileSet, open_files
from lcclassify.sources.join import JoinTable
from lcclassify.sources.names import Names, check_names, read_names
from lcclassify.urls import is_url

FileStamp = tuple[str, int, int]  # path, size in bytes, time of last change in ns


@dataclass(frozen=True, slots=True)
class Join:
    """A table whose columns are added by object id, in plain values."""

    path: str
    stamps: tuple[FileStamp, ...]  # as it is now
    id_name: str
    names: Mapping[str, str]  # what to call its columns: name -> column in the files
    columns: tuple[str, ...]  # what is read of it

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Join":
        """One that was written as JSON, which knows no tuples. TypeError or ValueError"""
        stamps = tuple((path, size, ns) for path, size, ns in values["stamps"])
        return cls(**{**values, "stamps": stamps, "columns": tuple(values["columns"])})

    def absolute(self) -> "Join":
        """The same, wherever a process stands that opens it."""
        path = self.path if is_url(self.path) else os.path.abspath(self.path)
        stamps = tuple((os.path.abspath(path), size, ns) for path, size, ns in self.stamps)
        return replace(self, path=path, stamps=stamps)

    def open(self) -> JoinTable:
        """The table in memory; a worker reads it once for all its shards. InputError"""
        names = tuple(self.names.items())
        return _join_table(self.path, self.stamps, self.id_name, names, tuple(self.columns))


@dataclass(frozen=True, slots=True)
class Joined:
    """A table to join that has been looked at."""

    path: str
    files: FileSet


@dataclass(frozen=True, slots=True)
class Table:
    """Files that have been looked at, and those joined to them."""

    files: FileSet
    joined: tuple[Joined, ...]

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """Every column, with the type that it has in the first table that has it."""
        tables = (self.files, *(one.files for one in self.joined))
        return {name: kind for table in reversed(tables) for name, kind in table.columns.items()}

    def has_observation_rows(self, light_curves: bool) -> bool:
        """Whether rows are observations, if light curves are read."""
        form = self.files.light_curves if light_curves else None
        return form is not None and form.kind == "rows"

    def n_objects(self, light_curves: bool) -> int | None:
        """Number of objects, where it is known; with ``light_curves`` if these are read."""
        return None if self.has_observation_rows(light_curves) else self.files.n_rows

    def joins(self, wanted: Sequence[str]) -> tuple[Join, ...]:
        """What is read of each joined table: what is wanted and no table before it has."""
        there = set(self.files.columns)
        joins = []
        for one in self.joined:
            columns = tuple(n for n in wanted if n in one.files.columns and n not in there)
            there.update(columns)
            here = [place.path for place in one.files.places if place.is_here]
            names = one.files.names.columns
            joins.append(Join(one.path, stamps(here), one.files.id_name, names, columns))
        return tuple(joins)


def open_table(
    inputs: Sequence[str], id_name: str | None, joins: Sequence[str], columns: Path | None
) -> Table:
    """Look at all files, and at the one, or the preset, that names their columns.

    Of a column in several tables the first counts; where its name is one of an alert's header, a
    later one is the feature of that name. InputError if a file is not there or unreadable.
    """
    names = Names() if columns is None else read_names(columns)
    files = open_files(inputs, id_name, names=names)
    there = set(files.columns)
    joined = []
    for path in joins:
        own = open_files([path], names=names)
        given = {
            f"features.{name}": names.columns[name] if name in own.renamed else name
            for name in own.columns
            if name in there and is_header(name)
        }
        if given:
            more = replace(names, columns={**names.columns, **given})
            own = open_files([path], own.id_name, names=more)
        there.update(own.columns)
        joined.append(Joined(path, own))
    if columns is not None:
        renamed = files.renamed.union(*(one.files.renamed for one in joined))
        check_names(columns, names.columns, renamed)
    return Table(files, tuple(joined))


def stamps(paths: Sequence[str]) -> tuple[FileStamp, ...]:
    """What tells a file from a changed one, of each. InputError if one is gone."""
    try:
        stats = [(path, os.stat(path)) for path in paths]
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {os_reason(error)}") from None
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)


@lru_cache(maxsize=8)
def _join_table(
    path: str,
    stamps: tuple[FileStamp, ...],
    id_name: str,
    names: tuple[tuple[str, str], ...],
    columns: tuple[str, ...],
) -> JoinTable:
    return JoinTable(path, open_files([path], id_name, names=Names(dict(names))), columns)
