"""CSV files: read as text, so that ids stay exact and one bad value costs one row."""

import io
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import decode_text, is_number, number_table
from lcclassify.sources.ids import read_ids
from lcclassify.sources.places import Place
from lcclassify.status import Problem, Status

BLOCK = 1 << 22  # bytes parsed at a time


class CsvPart:
    """One CSV file with a line of names at its top."""

    n_rows = None
    schema_name = ""
    row_group_sizes = ()

    def __init__(self, path: Place) -> None:
        self.path = path
        self._bad: deque[pyarrow.csv.InvalidRow] = deque()  # in file order
        check_encoding(path)
        with self._open() as reader:
            self._names = reader.schema.names
            self.columns = {field.name: _kind(field.type) for field in reader.schema}

    def id_type(self, name: str) -> pa.DataType:
        """Ids are text, as they are written but for those that went through a float."""
        return pa.string()

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time. A row of another length is a problem."""
        inside = [name for name in (id_name, *columns, *exact) if name in self.columns]
        wanted = list(dict.fromkeys(inside))
        for name in wanted:
            if self._names.count(name) > 1:
                raise InputError(f"{self.path}: column {name!r} is there twice")
        first = 2  # number of the next row; the names are row 1
        with self._open(wanted) as reader:
            for rows in self._blocks(reader):
                start = 0
                while start < rows.num_rows or (self._bad and self._bad[0].number == first):
                    n_bad = self._count_bad(first, size)
                    good = 0
                    if not n_bad:
                        good = min(size, rows.num_rows - start, self._good_before_bad(first))
                    batch = self._batch(rows.slice(start, good), n_bad, id_name, columns, exact)
                    start, first = start + good, first + len(batch)
                    yield batch

    def _blocks(self, reader: pyarrow.csv.CSVStreamingReader) -> Iterator[pa.RecordBatch]:
        """The readable rows, and at the end none, for the unreadable ones that come last."""
        empty = reader.schema.empty_table().to_batches() or [
            pa.record_batch(
                [pa.array([], kind) for kind in reader.schema.types], reader.schema.names
            )
        ]
        try:
            yield from reader
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: {_first_line(error)}") from None
        yield empty[0]

    def _count_bad(self, first: int, size: int) -> int:
        """How many unreadable rows come next, at most ``size``."""
        count = 0
        while count < min(size, len(self._bad)) and self._bad[count].number == first + count:
            count += 1
        return count

    def _good_before_bad(self, first: int) -> int:
        return self._bad[0].number - first if self._bad else sys.maxsize

    def _batch(
        self,
        rows: pa.RecordBatch,
        n_bad: int,
        id_name: str,
        columns: Sequence[str],
        exact: Sequence[str],
    ) -> Batch:
        """A batch of readable rows, or of as many nulls as there are unreadable ones."""
        problems = {row: self._problem(self._bad.popleft()) for row in range(n_bad)}
        if n_bad:
            rows = rows.take(pa.nulls(n_bad, pa.int64()))
        values = {}
        for name in rows.schema.names:
            values[name], undecoded = decode_text(rows[name])
            for row in undecoded:
                reason = f"{name} = {values[name][row].as_py()!r:.60} is not UTF-8"
                problems.setdefault(row, Problem(Status.INVALID_RECORD, reason))
        features = {name: values[name] for name in columns}
        ids = read_ids(id_name, values.get(id_name, pa.nulls(rows.num_rows)), pa.string())
        return Batch(
            object_id=ids.values,
            id_name=id_name,
            features=number_table(features, problems, rows.num_rows),
            problems=problems,
            context=pa.table({name: values[name] for name in exact}),
            rounded=ids.rounded,
        )

    def _problem(self, row: pyarrow.csv.InvalidRow) -> Problem:
        if "\n" in row.text:  # a quote that swallows the lines after it would lose their answers
            raise InputError(
                f"{self.path}: row {row.number} has {row.actual_columns} fields, not "
                f"{row.expected_columns}, over several lines: a quote is opened and not closed"
            )
        reason = f"row {row.number} has {row.actual_columns} fields, not {row.expected_columns}"
        return Problem(Status.INVALID_RECORD, reason)

    @contextmanager
    def _open(
        self, columns: Sequence[str] | None = None
    ) -> Iterator[pyarrow.csv.CSVStreamingReader]:
        """A reader: of the named columns as bytes, or of all columns with their likely types."""
        self._bad.clear()
        as_bytes = {name: pa.binary() for name in columns or ()}
        with _whole_line(self.path) as stream:
            try:
                reader = pyarrow.csv.open_csv(
                    stream,
                    read_options=pyarrow.csv.ReadOptions(block_size=BLOCK, use_threads=False),
                    parse_options=pyarrow.csv.ParseOptions(
                        newlines_in_values=True, invalid_row_handler=self._skip
                    ),
                    convert_options=pyarrow.csv.ConvertOptions(
                        include_columns=columns, column_types=as_bytes
                    ),
                )
            except (pa.ArrowException, UnicodeDecodeError) as error:
                raise InputError(f"{self.path} is not a CSV file: {_first_line(error)}") from None
            with reader:
                yield reader

    def _skip(self, row: pyarrow.csv.InvalidRow) -> str:
        self._bad.append(row)
        return "skip"


def check_encoding(path: Place) -> None:
    """Refuse what cannot be text in UTF-8: compressed, binary or UTF-16 files. InputError."""
    with path.open_stream() as file:
        start = file.read(4096)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path} is UTF-16; save it as UTF-8")
    if start.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd")):
        raise InputError(f"{path} is compressed; decompress it first")
    if b"\0" in start:
        raise InputError(f"{path} is not text: it holds zero bytes")


@contextmanager
def _whole_line(path: Place) -> Iterator[pa.NativeFile | io.BytesIO]:
    """The file; one line of names without an end, which Arrow refuses, gets one."""
    with path.open_stream() as stream:
        start = stream.read(BLOCK)
    if start and len(start) < BLOCK and b"\n" not in start:
        yield io.BytesIO(start + b"\n")
    else:
        with path.open_stream() as stream:
            yield stream


def _kind(kind: pa.DataType) -> pa.DataType:
    """A likely type as far as it matters: what is no number is read as text, value by value."""
    return kind if is_number(kind) else pa.string()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
