"""CSV files: read as text, so that ids stay exact and one bad value costs one row."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import number_table
from lcclassify.sources.places import Place
from lcclassify.status import Problem, Status

BLOCK = 1 << 22  # bytes parsed at a time


class CsvPart:
    """One CSV file with a line of names at its top."""

    n_rows = None

    def __init__(self, path: Place) -> None:
        self.path = path
        self._bad: list[pyarrow.csv.InvalidRow] = []  # in file order
        with self._open() as reader:
            self._names = reader.schema.names
            self.columns = {field.name: field.type for field in reader.schema}

    def id_type(self, name: str) -> pa.DataType:
        """Ids are kept as they are written."""
        if name not in self.columns:
            raise InputError(f"{self.path}: there is no column {name!r}")
        return pa.string()

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time. A row of another length is a problem."""
        for name in (id_name, *columns):
            if self._names.count(name) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")
        inside = [name for name in (id_name, *columns) if name in self.columns]
        wanted = list(dict.fromkeys(inside))
        first = 2  # number of the next row; the names are row 1
        with self._open(wanted) as reader:
            while True:
                try:
                    rows = reader.read_next_batch()
                except StopIteration:
                    rows = None
                except pa.ArrowException as error:
                    raise InputError(f"{self.path} from row {first} on: {error}") from None
                for start in range(0, rows.num_rows if rows else 0, size):
                    batch = self._batch(rows.slice(start, size), id_name, columns, first)
                    first += len(batch)
                    yield batch
                if rows is None:
                    break
            if self._bad:  # rows after the last good one
                yield self._batch(rows_of(wanted), id_name, columns, first)

    def _batch(
        self, rows: pa.RecordBatch, id_name: str, columns: Sequence[str], first: int
    ) -> Batch:
        """A batch with the unreadable rows put back, as rows of nulls, where they were."""
        problems: dict[int, Problem] = {}
        take: list[int | None] = list(range(rows.num_rows))
        while self._bad and (not rows.num_rows or self._bad[0].number < first + len(take)):
            bad = self._bad.pop(0)
            row = bad.number - first
            take.insert(row, None)
            problems[row] = Problem(
                Status.INVALID_RECORD,
                f"row {bad.number} has {bad.actual_columns} fields, not {bad.expected_columns}",
            )
        if problems:
            rows = rows.take(pa.array(take, pa.int64()))
        values = {name: rows[name] for name in columns}
        if id_name in self.columns:
            object_id = rows[id_name]
        else:
            object_id = self.path.key_column(id_name, rows.num_rows)
        return Batch(
            object_id=object_id,
            id_name=id_name,
            features=number_table(values, problems, rows.num_rows),
            problems=problems,
        )

    @contextmanager
    def _open(
        self, columns: Sequence[str] | None = None
    ) -> Iterator[pyarrow.csv.CSVStreamingReader]:
        """A reader: of the named columns as text, or of all columns with their likely types."""
        self._bad.clear()
        as_text = {name: pa.string() for name in columns or ()}
        with self.path.open_stream() as stream:
            try:
                reader = pyarrow.csv.open_csv(
                    stream,
                    read_options=pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False),
                    parse_options=pyarrow.csv.ParseOptions(
                        newlines_in_values=True, invalid_row_handler=self._skip
                    ),
                    convert_options=pyarrow.csv.ConvertOptions(
                        include_columns=columns, column_types=as_text
                    ),
                )
            except pa.ArrowException as error:
                raise InputError(f"{self.path} is not a CSV file: {error}") from None
            with reader:
                yield reader

    def _skip(self, row: pyarrow.csv.InvalidRow) -> str:
        self._bad.append(row)
        return "skip"


def rows_of(names: Sequence[str]) -> pa.RecordBatch:
    """No rows of text columns."""
    return pa.record_batch({name: pa.array([], pa.string()) for name in names})
