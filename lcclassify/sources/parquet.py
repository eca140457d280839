"""Parquet files: flat columns, or features and header in structs."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import check_id_type, check_ids, number_table
from lcclassify.status import Problem, Status

FEATURES = "features"  # a struct of features; null: the object has none
HEADERS = ("diaObject", "diaobject")  # a struct of ELAsTiCC header values
Places = dict[str, tuple[tuple[str, ...], pa.DataType]]
BUFFER = 1 << 18  # bytes read ahead per column: memory stays flat however large a row group is


class ParquetPart:
    """One Parquet file.

    The header's struct wins over a column of the same name, that over the features' struct.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with pq.ParquetFile(path) as file:
                self._schema, self.n_rows = file.schema_arrow, file.metadata.num_rows
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is not a Parquet file: {error}") from None
        self._places = _places(self._schema)
        self.columns = {name: kind for name, (_, kind) in self._places.items()}

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return check_id_type(self.path, name, self.columns.get(name))

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time."""
        places = {name: self._places[name][0] for name in columns}
        self._check_once([id_name, *columns])
        paths = {".".join(place) for place in (self._places[id_name][0], *places.values())}
        id_type = self.id_type(id_name)
        try:
            with pq.ParquetFile(self.path, buffer_size=BUFFER, pre_buffer=False) as file:
                for rows in file.iter_batches(size, columns=sorted(paths)):
                    problems: dict[int, Problem] = {}
                    values = {name: _field(rows, place) for name, place in places.items()}
                    if any(len(place) == 2 and place[0] == FEATURES for place in places.values()):
                        no_features(rows[FEATURES], problems)
                    ids = _field(rows, self._places[id_name][0]).cast(id_type)
                    check_ids(ids, problems)
                    yield Batch(
                        object_id=ids,
                        id_name=id_name,
                        features=number_table(values, problems, rows.num_rows),
                        problems=problems,
                    )
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} is damaged: {error}") from None

    def _check_once(self, columns: Sequence[str]) -> None:
        for name in columns:
            if self._schema.names.count(self._places[name][0][0]) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")


def no_features(struct: pa.Array, problems: dict[int, Problem]) -> None:
    """Add the rows whose struct of features is null."""
    for row in pc.indices_nonzero(pc.is_null(struct)).to_pylist():
        problems[row] = Problem(Status.MISSING_FEATURES, "the object has no features")


def _places(schema: pa.Schema) -> Places:
    """Where each column is: (column,) or (struct, field); and its type."""
    flat: Places = {}
    features: Places = {}
    header: Places = {}
    for field in schema:
        if not pa.types.is_struct(field.type):
            flat[field.name] = ((field.name,), field.type)
        elif field.name == FEATURES:
            features |= {child.name: ((field.name, child.name), child.type) for child in field.type}
        elif field.name in HEADERS:
            header |= {child.name: ((field.name, child.name), child.type) for child in field.type}
    return features | flat | header


def _field(rows: pa.RecordBatch, place: tuple[str, ...]) -> pa.Array:
    column = rows[place[0]]
    return column if len(place) == 1 else pc.struct_field(column, place[1])
