"""FileSource: features in Parquet, CSV, JSON Lines or Avro files, in their order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Self

import numpy as np
import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import some_of
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.columns import check_readable, is_number
from lcclassify.sources.context import CONTEXT, context_column
from lcclassify.sources.curve_forms import CurveForm, LightCurveOptions
from lcclassify.sources.curve_reader import CurveReader
from lcclassify.sources.delimited import CsvPart
from lcclassify.sources.ids import check_ids, id_remarks
from lcclassify.sources.jsonl import JsonLinesPart
from lcclassify.sources.long import LongPart, is_long
from lcclassify.sources.names import Names, rename
from lcclassify.sources.parquet import SUFFIXES, ParquetPart, TablePart
from lcclassify.sources.part import Part, distinct, id_type, read_part
from lcclassify.sources.places import Place, find_places

ID_NAMES = ("oid", "aid", "objectId", "object_id", "diaObjectId", "SNID", "id")
NO_NAMES = Names()
OPENED = 4  # Parquet files that are looked at side by side

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
    is_long: bool = False  # a row per feature: rows of one object may lie in any of the files
    renamed: frozenset[str] = frozenset()  # the names that columns were given
    names: Names = field(default_factory=Names)  # that were to be given

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns that every file has; the type is one that is no number, if a file has it."""
        first, *others = distinct(self.parts)
        return {
            name: next((k for k in kinds if not is_number(k)), kinds[0])
            for name, kind in first.columns.items()
            if len(kinds := [kind, *(p.columns[name] for p in others if name in p.columns)])
            == len(others) + 1
        }

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading them would tell."""
        counts = [part.n_rows for part in self.parts if part.n_rows is not None]
        return sum(counts) if len(counts) == len(self.parts) else None

    @property
    def light_curves(self) -> CurveForm | None:
        """How light curves lie in the first file; None if there are none. InputError"""
        return self.names.form_of(self.parts[0])

    @property
    def keys(self) -> list[str]:
        """The keys of ``key=value`` folders that every file lies in and no file has as a column."""
        return [
            key
            for key in self.parts[0].path.keys
            if all(key in part.path.keys and key not in part.columns for part in self.parts)
        ]


def open_files(
    inputs: Sequence[str],
    id_name: str | None = None,
    row_groups: Sequence[int] | None = None,
    names: Names = NO_NAMES,
) -> FileSet:
    """Look at files, folders, globs and URLs. InputError if there is none or one is unreadable.

    ``row_groups`` are those to read of the only input, a Parquet file; None: all of everything.
    """
    places = [place for pattern in inputs for place in find_places(pattern, FORMATS)]
    parts: tuple[Part, ...] = (
        tuple(_open(places)) if row_groups is None else (ParquetPart(places[0], row_groups),)
    )
    renamed = _found(names.columns, parts)
    parts = rename(parts, names.columns)
    if id_name is None:
        id_name = _find_id(parts, names)
    types = {part.path: id_type(part, id_name) for part in parts}
    if len(set(types.values())) > 1:
        found = ", ".join(f"{kind} in {path}" for path, kind in types.items())
        raise InputError(f"column {id_name!r} is not of one type: {found}")
    if long := [part for part in parts if is_long(part)]:
        late = {name: column for name, column in names.columns.items() if name not in renamed}
        wide = LongPart(long, id_name)
        renamed |= _found(late, [wide])
        parts = (*rename([wide], late), *(part for part in parts if part not in long))
    return FileSet(parts, id_name, tuple(places), bool(long), renamed, names)


def in_memory(table: pa.Table, id_name: str | None = None, names: Names = NO_NAMES) -> FileSet:
    """A table that is at hand, as files are. InputError if it has no ids."""
    given: list[Part] = [TablePart(table)]
    renamed = _found(names.columns, given)
    parts = rename(given, names.columns)
    found = id_name or _find_id(parts, names)
    id_type(parts[0], found)
    return FileSet(parts, found, renamed=renamed, names=names)


class FileSource:
    """The rows of a set of files, as batches of some of its columns.

    ``context`` names what an output schema asks for besides; of that, what is there is read.
    ``kept`` are further columns, which go into the context as they are. With ``light_curves``, each
    row is an object with its light curve, wherever its observations lie.
    InputError at once if a column can hold no numbers in one of the files, or if light curves are
    not there or of an unknown unit.
    """

    def __init__(
        self,
        files: FileSet,
        columns: Sequence[str],
        batch_size: int = 5000,
        context: Sequence[str] = (),
        light_curves: LightCurveOptions | None = None,
        kept: Sequence[str] = (),
    ) -> None:
        self.files = files
        self.context = context
        self.kept = kept
        self._keys = files.keys
        self.columns = list(dict.fromkeys(columns))
        self.batch_size = batch_size
        self._curves = (
            CurveReader(files.parts, files.id_name, files.names, light_curves)
            if light_curves
            else None
        )
        for part in distinct(files.parts):
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
        for batch in self._batches():
            empty = False
            yield replace(batch, remarks=id_remarks(batch, self._n_rows(batch)))
        if empty:
            name = self.files.id_name
            first = self.files.parts[0]
            curves = self._curves.none if self._curves else None
            none = Batch(
                object_id=pa.array([], id_type(first, name)),
                id_name=name,
                features=pa.table({column: pa.array([], pa.float64()) for column in self.columns}),
                context=pa.table({name: self._nothing(first, name) for name in self._exact(first)}),
                light_curves=curves,
            )
            yield self._complete(none, first)

    def _n_rows(self, batch: Batch) -> np.ndarray | None:
        """How many rows each object's id put together; None if each row is an object."""
        if self.files.is_long:
            return np.full(len(batch), 2)  # or more: there is one for each feature
        if self._curves is None or self._curves.form.kind != "rows" or batch.light_curves is None:
            return None
        return np.diff(batch.light_curves.offsets)

    def _batches(self) -> Iterator[Batch]:
        if self._curves:
            return self._curves.batches(self.columns, self.batch_size, self._exact, self._complete)
        return (
            self._complete(batch, part)
            for part in self.files.parts
            for batch in read_part(
                part, self.files.id_name, self.columns, self.batch_size, self._exact(part)
            )
        )

    def _complete(self, batch: Batch, part: Part) -> Batch:
        context = {
            name: column.combine_chunks()
            for name, column in zip(batch.context.column_names, batch.context.columns, strict=True)
        }
        context |= {key: part.path.key_column(key, len(batch)) for key in self._keys}
        context |= {
            name: context_column(name, context[name]) for name in self.context if name in context
        }
        problems = dict(batch.problems)
        check_ids(batch.object_id, problems)
        return replace(batch, context=pa.table(context), problems=problems)

    def _exact(self, part: Part) -> list[str]:
        asked = dict.fromkeys([*self.context, *self.kept])
        return [name for name in asked if name in part.columns]

    def _nothing(self, part: Part, name: str) -> pa.Array:
        kind = CONTEXT.field(name).type if name in self.context else part.columns[name]
        return pa.array([], kind)

    def commit(self) -> None:
        """Files stay as they are: there is nothing to acknowledge."""


def _open(places: Sequence[Place]) -> Iterator[Part]:
    """A part for each file; one for all the Avro files that follow each other in a folder.

    A file of Avro is often a single message, which need not have all the names that others have.
    """
    for (suffix, _), run in groupby(places, key=lambda place: (place.suffix, place.keys)):
        if suffix == ".avro":
            yield AvroPart(*run)
        elif suffix in SUFFIXES:  # thousands of footers, or some far away
            with ThreadPoolExecutor(OPENED) as pool:
                yield from pool.map(ParquetPart, run)
        else:
            yield from map(FORMATS[suffix], run)


def _found(names: Mapping[str, str], parts: Sequence[Part]) -> frozenset[str]:
    """The names whose column some part has."""
    columns = {column for part in distinct(parts) for column in part.columns}
    return frozenset(name for name, column in names.items() if column in columns)


def _find_id(parts: Sequence[Part], names: Names) -> str:
    for name in filter(None, (names.id_name, *ID_NAMES)):
        if all(name in part.columns or name in part.path.keys for part in parts):
            return name
    there = some_of(list(parts[0].columns))
    raise InputError(
        f"{parts[0].path}: no object id: none of the columns {', '.join(ID_NAMES)} is there "
        f"(there are: {there}); name it with --id"
    )
