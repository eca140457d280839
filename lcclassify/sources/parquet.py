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
from lcclassify.sources.columns import as_text, number_table, text_type
from lcclassify.sources.curve_forms import DIA_SOURCE, IDS
from lcclassify.sources.ids import (
    Ids,
    add_strange,
    best_ids,
    check_id_kind,
    exact_ids,
    id_kind,
    read_ids,
)
from lcclassify.sources.part import whole_column, whole_columns
from lcclassify.sources.places import LOCAL, Place
from lcclassify.status import FEATURES_MISSING, Problem, Status

SUFFIXES = (".parquet", ".pq")
FEATURES = "features"  # a struct of features; null: the object has none
NO_FEATURES = Problem(Status.MISSING_FEATURES, FEATURES_MISSING)
HEADERS = ("diaObject", "diaobject")  # a struct of ELAsTiCC header values
Path = tuple[str, ...]  # (column,) or (struct, field)
Located = dict[str, tuple[Path, pa.DataType]]
BUFFER = 1 << 18  # bytes read ahead per column: memory stays flat however large a row group is
FAR_BUFFER = 1 << 20  # bytes of one request: each takes its time, whatever its size
ITEMS = 1 << 17  # of lists that are read at a time, about


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Layout:
    """Where columns lie in an Arrow schema: one for all files of equal schema."""

    names: Sequence[str]  # of the schema's own columns, of which one may be there twice
    places: Located
    types: Mapping[str, pa.DataType]
    groups: Sequence[Located]  # all places, those of ids that count first in front

    @classmethod
    def of(cls, schema: pa.Schema) -> Self:
        """The layout of a schema."""
        groups = _groups(schema)
        places = _places(groups)
        types = {name: kind for name, (_, kind) in places.items()}
        return cls(schema.names, places, types, groups)

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
    there as ``features.NAME``. Ids are looked for in all these places, for an exact one, and in the
    source of an alert packet. Bytes are text.
    """

    path: Place
    layout: Layout

    def id_type(self, name: str) -> pa.DataType:
        """The type of ids from a column. InputError if it can hold none."""
        return check_id_kind(self.path, name, [kind for _, kind in self.id_places(name)])

    def id_places(self, name: str) -> Sequence[tuple[Path, pa.DataType]]:
        """Where ids of a name lie, and their types."""
        found = [group[name] for group in self.layout.groups if name in group]
        return found or [self.layout.places[name]]

    def paths(self, id_name: str, names: Sequence[str], exact: Sequence[str] = ()) -> set[str]:
        """What to read for these columns, as Parquet calls it. InputError if one is there twice."""
        places = self.layout.places
        found = []
        if id_name in places:
            found += [(id_name, place) for place, _ in self.id_places(id_name)]
        found += [(name, places[name][0]) for name in names if name in places]
        for name in exact:
            whole = whole_column(name, places)
            if name in IDS:
                found += [(name, place) for place, _ in self.id_places(name)]
            elif name != whole and pa.types.is_struct(self.layout.types[whole]):
                found.append((name, (whole, name.removeprefix(f"{whole}."))))
            elif whole in places:
                found.append((whole, places[whole][0]))
        for name, place in found:
            if self.layout.names.count(place[0]) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")
        return {".".join(place) for _, place in found}

    def batch(
        self, rows: pa.RecordBatch, id_name: str, columns: Sequence[str], exact: Sequence[str]
    ) -> Batch:
        """Some rows as a batch."""
        problems: dict[int, Problem] = {}
        places = self.layout.places
        if any(len(places[n][0]) == 2 and places[n][0][0] == FEATURES for n in columns):
            no_features(rows[FEATURES], problems)
        object_id, rounded = pa.nulls(rows.num_rows), None
        if id_name in places:
            ids = self._ids(rows, id_name, self.id_type(id_name), problems)
            add_strange(ids, problems)
            object_id, rounded = ids.values, ids.rounded
        features = {name: self._text(rows, name, places[name][0], problems) for name in columns}
        context = {name: self._exact(rows, name) for name in whole_columns(exact, places)}
        return Batch(
            object_id=object_id,
            id_name=id_name,
            features=number_table(features, problems, rows.num_rows),
            problems=problems,
            context=pa.table(context),
            rounded=rounded,
        )

    def _ids(
        self, rows: pa.RecordBatch, name: str, kind: pa.DataType, problems: dict[int, Problem]
    ) -> Ids:
        places = [place for place, _ in self.id_places(name)]
        columns = [self._text(rows, name, place, problems) for place in places]
        return best_ids([read_ids(name, column, kind) for column in columns])

    def _exact(self, rows: pa.RecordBatch, name: str) -> pa.Array:
        """A column as it is; of the ids of alert packets those that are exact, wherever they lie"""
        places = self.id_places(name)
        kind = id_kind([kind for _, kind in places]) if name in IDS else None
        if kind is not None and len(places) > 1:
            return exact_ids(self._ids(rows, name, kind, {}))
        return as_text(_column(rows, self.layout.places[name][0]))[0]

    def _text(
        self, rows: pa.RecordBatch, name: str, place: Path, problems: dict[int, Problem]
    ) -> pa.Array:
        """A column with text in the place of bytes; adds the rows of bytes that are no text."""
        column, bad = as_text(_column(rows, place))
        for row in bad:
            reason = f"{name} = {column[row].as_py()!r:.60} is not UTF-8"
            problems.setdefault(row, Problem(Status.INVALID_RECORD, reason))
        return column


def _column(rows: pa.RecordBatch, place: Path) -> pa.Array:
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
        paths = self._columns.paths(id_name, columns, exact)
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

    def holders(self, id_name: str, names: Sequence[str]) -> set[str]:
        """The table's own columns, structs among them, in which ids and these columns lie."""
        places = self._columns.layout.places
        own = {places[name][0][0] for name in whole_columns(names, places) if name in places}
        ids = [name for name in (id_name, *names) if name in places and name in (id_name, *IDS)]
        return own | {place[0] for name in ids for place, _ in self._columns.id_places(name)}

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time."""
        self._columns.paths(id_name, columns, whole_columns(exact, self.columns))  # once each
        table = self._table.select(sorted(self.holders(id_name, (*columns, *exact))))
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


def _groups(schema: pa.Schema) -> list[Located]:
    """Where columns lie: in the source of an alert (ids alone), header, columns, and features."""
    source: Located = {}
    header: Located = {}
    flat: Located = {}
    features: Located = {}
    for field in schema:
        is_struct = pa.types.is_struct(field.type)
        inner = {
            child.name: ((field.name, child.name), text_type(child.type))
            for child in (field.type if is_struct else ())
        }
        if is_struct and field.name == FEATURES:
            features |= inner
        elif is_struct and field.name in HEADERS:
            header |= inner
        else:
            flat[field.name] = ((field.name,), text_type(field.type))
        if field.name == DIA_SOURCE:
            source |= {name: inner[name] for name in IDS if name in inner}
    return [source, header, flat, features]


def _places(groups: Sequence[Located]) -> Located:
    """Where each column is, and its type."""
    source, header, flat, features = groups
    named = {other: features[name] for name, other in homonyms(features)}
    return source | features | flat | header | named
