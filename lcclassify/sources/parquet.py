"""Parquet files: flat columns, or features and header in structs."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from weakref import WeakValueDictionary

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import header_names
from lcclassify.sources.columns import check_id_type, number_table
from lcclassify.sources.part import whole_column, whole_columns
from lcclassify.sources.places import LOCAL, Place
from lcclassify.status import FEATURES_MISSING, Problem, Status

SUFFIXES = (".parquet", ".pq")
FEATURES = "features"  # a struct of features; null: the object has none
NO_FEATURES = Problem(Status.MISSING_FEATURES, FEATURES_MISSING)
HEADERS = ("diaObject", "diaobject")  # a struct of ELAsTiCC header values
Located = dict[str, tuple[tuple[str, ...], pa.DataType]]
BUFFER = 1 << 18  # bytes read ahead per column: memory stays flat however large a row group is
FAR_BUFFER = 1 << 20  # bytes of one request: each takes its time, whatever its size
ITEMS = 1 << 17  # of lists that are read at a time, about


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Layout:
    """Where columns lie in an Arrow schema: one for all files of equal schema."""

    names: Sequence[str]  # of the schema's own columns, of which one may be there twice
    places: Located
    types: Mapping[str, pa.DataType]

    @classmethod
    def of(cls, schema: pa.Schema) -> Self:
        """The layout of a schema."""
        places = _places(schema)
        return cls(schema.names, places, {name: kind for name, (_, kind) in places.items()})

    @classmethod
    def shared(cls, schema: pa.Schema) -> "Layout":
        """Likewise; the very same for an equal schema, as long as that is in use."""
        key = schema.remove_metadata().serialize().to_pybytes()
        return _LAYOUTS.get(key) or _LAYOUTS.setdefault(key, cls.of(schema))


_LAYOUTS: WeakValueDictionary[bytes, Layout] = WeakValueDictionary()


@dataclass(frozen=True, slots=True)
class ArrowColumns:
    """How rows of an Arrow table become batches.

    The header's struct wins over a column of the same name, that over the features' struct; any
    other struct is a column as a whole. A feature that is called like a value of the header is also
    there as ``features.NAME``.
    """

    path: Place
    layout: Layout

    def id_type(self, name: str) -> pa.DataType:
        """The type of ids from a column. InputError if it can hold none."""
        return check_id_type(self.path, name, self.layout.types[name])

    def paths(self, names: Sequence[str], exact: Sequence[str] = ()) -> set[str]:
        """What to read for these columns, as Parquet calls it. InputError if one is there twice."""
        places = self.layout.places
        found = {name: places[name][0] for name in names if name in places}
        for name in exact:
            whole = whole_column(name, places)
            if name != whole and pa.types.is_struct(self.layout.types[whole]):
                found[name] = (whole, name.removeprefix(f"{whole}."))
            elif whole in places:
                found[whole] = places[whole][0]
        for name, place in found.items():
            if self.layout.names.count(place[0]) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")
        return {".".join(place) for place in found.values()}

    def batch(
        self, rows: pa.RecordBatch, id_name: str, columns: Sequence[str], exact: Sequence[str]
    ) -> Batch:
        """Some rows as a batch."""
        problems: dict[int, Problem] = {}
        places = self.layout.places
        if any(len(places[n][0]) == 2 and places[n][0][0] == FEATURES for n in columns):
            no_features(rows[FEATURES], problems)
        object_id = pa.nulls(rows.num_rows)
        if id_name in places:
            object_id = self._column(rows, id_name).cast(self.id_type(id_name))
        features = {name: self._column(rows, name) for name in columns}
        whole = whole_columns(exact, places)
        return Batch(
            object_id=object_id,
            id_name=id_name,
            features=number_table(features, problems, rows.num_rows),
            problems=problems,
            context=pa.table({name: self._column(rows, name) for name in whole}),
        )

    def _column(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        place = self.layout.places[name][0]
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
                layout = Layout.shared(file.schema_arrow)
                metadata = file.metadata
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is not a Parquet file: {error}") from None
        self._columns = ArrowColumns(path, layout)
        self.columns = layout.types
        self.n_rows = metadata.num_rows
        self.row_group_sizes = tuple(
            metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)
        )

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return self._columns.id_type(name)

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time; fewer where their lists are long."""
        paths = self._columns.paths((id_name, *columns), exact)
        try:
            with (
                self.path.open_file() as opened,
                pq.ParquetFile(
                    opened,
                    buffer_size=BUFFER if self.path.is_local else FAR_BUFFER,
                    pre_buffer=False,
                ) as file,
            ):
                if items := _items_per_row(file.metadata, paths):
                    size = min(size, max(1, int(ITEMS / items)))
                # Threads take memory each and were no faster, for 178 flat columns as for lists.
                for rows in file.iter_batches(
                    size, self._row_groups, columns=sorted(paths), use_threads=False
                ):
                    yield self._columns.batch(rows, id_name, columns, exact)
        except pa.ArrowException as error:
            raise InputError(f"{self.path} is damaged: {error}") from None


class TablePart:
    """A table in memory."""

    schema_name = ""
    row_group_sizes = ()

    def __init__(self, table: pa.Table) -> None:
        self.path = Place("the table", LOCAL, "")
        self.n_rows = table.num_rows
        self._table = table
        self._columns = ArrowColumns(self.path, Layout.of(table.schema))
        self.columns = self._columns.layout.types

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return self._columns.id_type(name)

    def holders(self, names: Sequence[str]) -> set[str]:
        """The table's own columns, structs among them, in which these columns lie."""
        places = self._columns.layout.places
        return {places[name][0][0] for name in whole_columns(names, places) if name in places}

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time."""
        names = (id_name, *columns, *exact)
        self._columns.paths((id_name, *columns), whole_columns(exact, self.columns))  # once each
        table = self._table.select(sorted(self.holders(names)))
        for start in range(0, self.n_rows, size):
            rows = table.slice(start, size).combine_chunks()
            arrays = [column.combine_chunks() for column in rows.columns]
            batch = pa.record_batch(arrays, schema=rows.schema)
            yield self._columns.batch(batch, id_name, columns, exact)


def _items_per_row(metadata: pq.FileMetaData, paths: Collection[str]) -> float:
    """Items of the longest lists, on average over the row group where that is most; 0: no lists."""
    leaves = [
        number
        for number in range(metadata.num_columns)
        if (leaf := metadata.schema.column(number)).max_repetition_level
        and any(f"{leaf.path}.".startswith(f"{path}.") for path in paths)
    ]
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    means = (
        float(group.column(leaf).num_values / group.num_rows)
        for group in groups
        for leaf in leaves
        if group.num_rows
    )
    return max(means, default=0.0)


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
