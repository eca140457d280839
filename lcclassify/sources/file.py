"""FileSource: features in Parquet, CSV, JSON Lines or Avro files, in their order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol, Self

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import some_of
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.columns import check_ids, check_readable, is_number
from lcclassify.sources.delimited import CsvPart
from lcclassify.sources.jsonl import JsonLinesPart
from lcclassify.sources.parquet import ParquetPart
from lcclassify.sources.places import Place, find_places

ID_NAMES = ("oid", "aid", "objectId", "object_id", "diaObjectId", "SNID", "id")


class Part(Protocol):
    """One file."""

    @property
    def path(self) -> Place:
        """Where the file is."""

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """Every column; the fields of structs under their own names."""

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading on would tell."""

    def id_type(self, name: str) -> pa.DataType:
        """The type that ``Batch.object_id`` has. InputError if no ids can be of that type."""

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time. InputError where the file is damaged."""


FORMATS: dict[str, Callable[[Place], Part]] = {
    ".parquet": ParquetPart,
    ".pq": ParquetPart,
    ".csv": CsvPart,
    ".jsonl": JsonLinesPart,
    ".ndjson": JsonLinesPart,
    ".avro": AvroPart,
}


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that hold one table between them, looked at but not yet read."""

    parts: tuple[Part, ...]
    id_name: str
    places: tuple[Place, ...] = ()  # of all files; several may be one part

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns that every file has; the type is one that is no number, if a file has it."""
        first, *others = self.parts
        return {
            name: next((k for k in kinds if not is_number(k)), kinds[0])
            for name, kind in first.columns.items()
            if len(kinds := [kind, *(p.columns[name] for p in others if name in p.columns)])
            == len(self.parts)
        }

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading them would tell."""
        counts = [part.n_rows for part in self.parts if part.n_rows is not None]
        return sum(counts) if len(counts) == len(self.parts) else None

    @property
    def keys(self) -> list[str]:
        """The keys of ``key=value`` folders that every file lies in and no file has as a column."""
        return [
            key
            for key in self.parts[0].path.keys
            if all(key in part.path.keys and key not in part.columns for part in self.parts)
        ]


def open_files(
    inputs: Sequence[str], id_name: str | None = None, row_groups: Sequence[int] | None = None
) -> FileSet:
    """Look at files, folders, globs and URLs. InputError if there is none or one is unreadable.

    ``row_groups`` are those to read of the only input, a Parquet file; None: all of everything.
    """
    places = [place for pattern in inputs for place in find_places(pattern, FORMATS)]
    parts: tuple[Part, ...] = (
        tuple(_open(places)) if row_groups is None else (ParquetPart(places[0], row_groups),)
    )
    if id_name is None:
        id_name = _find_id(parts)
    types = {part.path: _id_type(part, id_name) for part in parts}
    if len(set(types.values())) > 1:
        found = ", ".join(f"{kind} in {path}" for path, kind in types.items())
        raise InputError(f"column {id_name!r} is not of one type: {found}")
    return FileSet(parts, id_name, tuple(places))


class FileSource:
    """The rows of a set of files, as batches of some of its columns.

    InputError at once if one of these can hold no numbers in one of the files.
    """

    def __init__(self, files: FileSet, columns: Sequence[str], batch_size: int = 5000) -> None:
        self.files = files
        self._keys = files.keys
        self.columns = list(dict.fromkeys(columns))
        self.batch_size = batch_size
        for part in files.parts:
            for name in self.columns:
                if name in part.columns:  # a shard of messages may lack what others have
                    check_readable(part.path, name, part.columns[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing stays open between batches of different files."""

    def __iter__(self) -> Iterator[Batch]:
        """Every row, in order."""
        empty = True
        for part in self.files.parts:
            for batch in part.batches(self.files.id_name, self.columns, self.batch_size):
                empty = False
                yield self._complete(batch, part)
        if empty:
            name = self.files.id_name
            first = self.files.parts[0]
            none = Batch(
                object_id=pa.array([], _id_type(first, name)),
                id_name=name,
                features=pa.table({column: pa.array([], pa.float64()) for column in self.columns}),
            )
            yield self._complete(none, first)

    def _complete(self, batch: Batch, part: Part) -> Batch:
        context = {name: batch.context[name] for name in batch.context.column_names}
        context |= {key: part.path.key_column(key, len(batch)) for key in self._keys}
        problems = dict(batch.problems)
        check_ids(batch.object_id, problems)
        return replace(batch, context=pa.table(context), problems=problems)

    def commit(self) -> None:
        """Files stay as they are: there is nothing to acknowledge."""


def _open(places: Sequence[Place]) -> Iterator[Part]:
    """A part for each file; one for all the Avro files that follow each other in a folder.

    A file of Avro is often a single message, which need not have all the names that others have.
    """
    for (suffix, _), run in groupby(places, key=lambda place: (place.suffix, place.keys)):
        if suffix == ".avro":
            yield AvroPart(*run)
        else:
            yield from map(FORMATS[suffix], run)


def _id_type(part: Part, name: str) -> pa.DataType:
    in_folder = name in part.path.keys and name not in part.columns
    return pa.string() if in_folder else part.id_type(name)


def _find_id(parts: Sequence[Part]) -> str:
    for name in ID_NAMES:
        if all(name in part.columns or name in part.path.keys for part in parts):
            return name
    there = some_of(list(parts[0].columns))
    raise InputError(
        f"{parts[0].path}: no object id: none of the columns {', '.join(ID_NAMES)} is there "
        f"(there are: {there}); name it with --id"
    )
