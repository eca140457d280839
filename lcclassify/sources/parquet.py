"""Parquet files: flat columns, or features and header in structs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import header_names
from lcclassify.sources.columns import check_id_type, number_table
from lcclassify.sources.places import LOCAL, Place
from lcclassify.status import Problem, Status

SUFFIXES = (".parquet", ".pq")
FEATURES = "features"  # a struct of features; null: the object has none
NO_FEATURES = Problem(Status.MISSING_FEATURES, "the object has no features")
HEADERS = ("diaObject", "diaobject")  # a struct of ELAsTiCC header values
Located = dict[str, tuple[tuple[str, ...], pa.DataType]]
BUFFER = 1 << 18  # bytes read ahead per column: memory stays flat however large a row group is
FAR_BUFFER = 1 << 20  # bytes of one request: each takes its time, whatever its size


@dataclass(frozen=True)
class ArrowColumns:
    """Where the columns of an Arrow schema lie, and how rows of it become batches.

    The header's struct wins over a column of the same name, that over the features' struct; any
    other struct is a column as a whole. A feature that is called like a value of the header is also
    there as ``features.NAME``.
    """

    path: Place
    schema: pa.Schema

    @cached_property
    def places(self) -> Located:
        """Where each column is."""
        return _places(self.schema)

    @property
    def types(self) -> dict[str, pa.DataType]:
        """Every column."""
        return {name: kind for name, (_, kind) in self.places.items()}

    def id_type(self, name: str) -> pa.DataType:
        """The type of ids from a column. InputError if it can hold none."""
        return check_id_type(self.path, name, self.places[name][1])

    def paths(self, names: Sequence[str]) -> set[str]:
        """What to read for these columns, as Parquet calls it. InputError if one is there twice."""
        found = {name: self.places[name][0] for name in names if name in self.places}
        for name, place in found.items():
            if self.schema.names.count(place[0]) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")
        return {".".join(place) for place in found.values()}

    def batch(
        self, rows: pa.RecordBatch, id_name: str, columns: Sequence[str], exact: Sequence[str]
    ) -> Batch:
        """Some rows as a batch."""
        problems: dict[int, Problem] = {}
        if any(len(self.places[n][0]) == 2 and self.places[n][0][0] == FEATURES for n in columns):
            no_features(rows[FEATURES], problems)
        object_id = pa.nulls(rows.num_rows)
        if id_name in self.places:
            object_id = self._column(rows, id_name).cast(self.id_type(id_name))
        features = {name: self._column(rows, name) for name in columns}
        return Batch(
            object_id=object_id,
            id_name=id_name,
            features=number_table(features, problems, rows.num_rows),
            problems=problems,
            context=pa.table({name: self._column(rows, name) for name in exact}),
        )

    def _column(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        place = self.places[name][0]
        column = rows[place[0]]
        return column if len(place) == 1 else pc.struct_field(column, place[1])


class ParquetPart:
    """One Parquet file."""

    schema_name = ""

    def __init__(self, path: Place, row_groups: Sequence[int] | None = None) -> None:
        self.path = path
        self._row_groups = row_groups  # None: all
        try:
            with path.open_file() as opened, pq.ParquetFile(opened) as file:
                self._columns = ArrowColumns(path, file.schema_arrow)
                self.n_rows = file.metadata.num_rows
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is not a Parquet file: {error}") from None
        self.columns = self._columns.types

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return self._columns.id_type(name)

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time."""
        paths = self._columns.paths((id_name, *columns, *exact))
        try:
            with (
                self.path.open_file() as opened,
                pq.ParquetFile(
                    opened,
                    buffer_size=BUFFER if self.path.is_local else FAR_BUFFER,
                    pre_buffer=False,
                ) as file,
            ):
                for rows in file.iter_batches(size, self._row_groups, columns=sorted(paths)):
                    yield self._columns.batch(rows, id_name, columns, exact)
        except pa.ArrowException as error:
            raise InputError(f"{self.path} is damaged: {error}") from None


class TablePart:
    """A table in memory."""

    schema_name = ""

    def __init__(self, table: pa.Table) -> None:
        self.path = Place("the table", LOCAL, "")
        self.n_rows = table.num_rows
        self._table = table
        self._columns = ArrowColumns(self.path, table.schema)
        self.columns = self._columns.types

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return self._columns.id_type(name)

    def holders(self, names: Sequence[str]) -> set[str]:
        """The table's own columns, structs among them, in which these columns lie."""
        places = self._columns.places
        return {places[name][0][0] for name in names if name in places}

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time."""
        names = (id_name, *columns, *exact)
        self._columns.paths(names)  # each is there once
        table = self._table.select(sorted(self.holders(names)))
        for start in range(0, self.n_rows, size):
            rows = table.slice(start, size).combine_chunks()
            arrays = [column.combine_chunks() for column in rows.columns]
            batch = pa.record_batch(arrays, schema=rows.schema)
            yield self._columns.batch(batch, id_name, columns, exact)


def row_group_sizes(place: Place) -> tuple[int, ...]:
    """The number of rows of each row group of a Parquet file; none for a file of another kind."""
    if place.suffix not in SUFFIXES:
        return ()
    with place.open_file() as opened, pq.ParquetFile(opened) as file:
        return tuple(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))


def no_features(struct: pa.Array, problems: dict[int, Problem]) -> None:
    """Add the rows whose struct of features is null."""
    for row in pc.indices_nonzero(pc.is_null(struct)).to_pylist():
        problems[row] = NO_FEATURES


def homonyms(features: Iterable[str]) -> list[tuple[str, str]]:
    """The features that are called like a value of the header, and the names they have besides."""
    names = header_names()
    return [(name, f"{FEATURES}.{name}") for name in features if name in names]


def _places(schema: pa.Schema) -> Located:
    """Where each column is: (column,) or (struct, field); and its type."""
    flat: Located = {}
    features: Located = {}
    header: Located = {}
    for field in schema:
        if not pa.types.is_struct(field.type) or field.name not in (FEATURES, *HEADERS):
            flat[field.name] = ((field.name,), field.type)
        elif field.name == FEATURES:
            features |= {child.name: ((field.name, child.name), child.type) for child in field.type}
        elif field.name in HEADERS:
            header |= {child.name: ((field.name, child.name), child.type) for child in field.type}
    named = {other: features[name] for name, other in homonyms(features)}
    return features | flat | header | named
