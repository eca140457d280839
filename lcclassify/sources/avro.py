"""Avro: object container files of flat records, or of the messages of ALeRCE's feature step."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from io import BufferedReader
from itertools import chain, count, islice
from typing import IO, Any, NamedTuple, cast

import fastavro
import pyarrow as pa

from lcclassify.avro.container import CODEC, MAGIC, MARK_SIZE, SCHEMA, read_header, write_header
from lcclassify.avro.schema import shown
from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import header_names, is_header
from lcclassify.sources.avro_schema import (
    NESTED,
    Named,
    bounded_schema,
    column_kind,
    common,
    fields,
    full_name,
    id_types,
    named_types,
    nested_fields,
)
from lcclassify.sources.blocks import CheckedBlocks
from lcclassify.sources.columns import number_table
from lcclassify.sources.context import CONTEXT
from lcclassify.sources.curve_forms import DETECTIONS, DIA_SOURCE, IDS
from lcclassify.sources.ids import Ids, add_strange, check_id_kind, exact_ids, id_kind
from lcclassify.sources.messages import context_of
from lcclassify.sources.opened import Opened, open_light_curve, open_message
from lcclassify.sources.part import whole_columns
from lcclassify.sources.places import Place
from lcclassify.sources.records import (
    Record,
    exact_array,
    flatten,
    id_array,
    id_places,
    number_array,
    struct_array,
)
from lcclassify.status import Problem

SAMPLE = 1000  # records that are looked at for the names in maps and headers
PYTHON_KINDS = {
    type(None): pa.null(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.string(),
    list: pa.list_(pa.null()),
    datetime: pa.int64(),  # as in the schema; each value is then read for what it is
}


class AvroPart:
    """One Avro file, or several of one folder as one table, which single messages need.

    Features and header have the precedence that Parquet's have. A message whose header cannot be
    read has a problem; damage to a file takes the records of its batch with it. Where detections
    are asked for, as for light curves, the header is that of the first one that has any, and a
    message without is a repaired one.
    """

    n_rows = None
    row_group_sizes = ()

    def __init__(self, path: Place, *others: Place) -> None:
        self.path = path
        self._paths = (path, *others)
        self.columns: dict[str, pa.DataType] = {}
        self._id_types: dict[str, set[str]] = {}  # Avro's, wherever ids of a name lie
        self.schema_name = ""
        nested: dict[str, pa.DataType] = {}
        left = SAMPLE
        for file in self._paths:
            with _open(file) as (schema, named, records):
                self._check_schema(file, schema)
                nested |= nested_fields(schema, named)
                self._add(fields(schema, named))
                for name, types in id_types(schema, named).items():
                    self._id_types.setdefault(name, set()).update(types)
                for record in islice(records, left):
                    left -= 1
                    values = flatten(open_message(record)[0])
                    self._add({k: PYTHON_KINDS.get(type(v), NESTED) for k, v in values.items()})
            if not left:
                break
        self.columns |= nested
        self._nested = nested
        self._has_context = DETECTIONS in self.columns

    def id_type(self, name: str) -> pa.DataType:
        """64-bit integers if no id can be text, otherwise text."""
        return check_id_kind(self.path, name, [self.columns[name], *self._id_kinds(name)])

    def _id_kinds(self, name: str) -> list[pa.DataType]:
        return [column_kind([each]) for each in sorted(self._id_types.get(name, ()))]

    def _ids(self, name: str, kind: pa.DataType, rows: "Sequence[_Row]") -> Ids:
        exact = 2**24 if "float" in self._id_types.get(name, ()) else 2**53
        return id_array(name, [row.ids[name] for row in rows], kind, exact)

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The records in order, at most ``size`` at a time, whichever file they are in."""
        records = chain.from_iterable(map(self._read, self._paths))
        exact = whole_columns(exact, self.columns)
        id_type = self.id_type(id_name) if id_name in self.columns else pa.string()
        ids = (id_name, *(name for name in exact if name in IDS))
        names = (*columns, *exact)
        open_one: Callable[[Record], Opened] = open_message
        if DETECTIONS in exact:
            others = [name for name in columns if not is_header(name)]
            header = [name for name in columns if name in header_names()]
            open_one = partial(open_light_curve, header=header, others=bool(others))
        while rows := [self._row(open_one(r), ids, names, r) for r in islice(records, size)]:
            problems = {row: r.problem for row, r in enumerate(rows) if r.problem is not None}
            objects = self._ids(id_name, id_type, rows)
            add_strange(objects, problems)
            values = list(zip(*(row.values for row in rows), strict=True))
            arrays = {
                name: number_array(name, column, problems)
                for name, column in zip(columns, values, strict=False)
            }
            context = {
                name: pa.concat_arrays(column) if name in self._nested else exact_array(column)
                for name, column in zip(exact, values[len(columns) :], strict=True)
            }
            for name in ids[1:]:
                if (kind := id_kind([self.columns[name], *self._id_kinds(name)])) is not None:
                    context[name] = exact_ids(self._ids(name, kind, rows))
            if self._has_context:
                table = pa.Table.from_pylist([row.context for row in rows], CONTEXT)
                context |= dict(zip(table.column_names, table.columns, strict=True))
            yield Batch(
                object_id=objects.values,
                id_name=id_name,
                features=number_table(arrays, problems, len(rows)),
                problems=problems,
                context=pa.table(context),
                repairs={row: r.repair for row, r in enumerate(rows) if r.repair is not None},
                rounded=objects.rounded,
            )

    def _row(
        self, opened: Opened, ids: Sequence[str], names: Sequence[str], record: Record
    ) -> "_Row":
        values, problem = flatten(opened.message), opened.problem
        for name in self._nested.keys() & set(names):
            values[name], misfit = struct_array(name, values.get(name), self._nested[name])
            problem = problem or misfit
        context = context_of(record) if self._has_context else {}
        places = {name: id_places(opened.message, name) for name in ids}
        return _Row(places, tuple(map(values.get, names)), context, problem, opened.repair)

    def _read(self, path: Place) -> Iterator[Record]:
        with _open(path) as (schema, _, records):
            self._check_schema(path, schema)
            yield from records

    def _check_schema(self, path: Place, schema: Any) -> None:
        """Refuse alerts of two schemas, which may have fluxes of two units."""
        name = full_name(schema)
        is_alert = any(field["name"] == DIA_SOURCE for field in schema["fields"])
        if is_alert and self.schema_name not in ("", name):
            raise InputError(
                f"{path} holds {name}, and {self.path} {self.schema_name}: classify them apart"
            )
        self.schema_name = name

    def _add(self, columns: Mapping[str, pa.DataType]) -> None:
        for name, kind in columns.items():
            self.columns[name] = common(self.columns.get(name, pa.null()), kind)


class _Row(NamedTuple):
    """What is kept of a record, which is far larger, until its batch is full."""

    ids: Mapping[str, tuple[Any, ...]]  # name -> what lies in each place of ids
    values: tuple[Any, ...]
    context: Mapping[str, int | float | None]
    problem: Problem | None
    repair: str | None


@contextmanager
def _open(path: Place) -> Iterator[tuple[Any, Named, Iterator[Record]]]:
    """The schema of a file, the types that it names, and the records. InputError, at any time"""
    with path.open_buffered() as file:
        codec, text, mark = file_header(path, file)
        try:
            schema = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path} is not an Avro file: its schema is no JSON: {error}"
            ) from None
        safe = bounded_schema(path, schema)
        try:
            # What was looked at is what fastavro reads, and not bytes that it may read otherwise.
            entries = {"avro.codec": codec.encode(), "avro.schema": json.dumps(safe).encode()}
            blocks = CheckedBlocks(file, write_header(entries, mark), codec)
            reader = fastavro.reader(cast(IO[bytes], blocks), handle_unicode_errors="replace")
        except Exception as error:  # of whatever kind the schema leads to
            reason = f"its schema is none: {shown(_reason(error), 200)}"
            raise InputError(f"{path} cannot be read: {reason}") from None
        schema = reader.writer_schema
        yield schema, named_types(path, schema), _records(path, iter(reader))


class FileHeader(NamedTuple):
    """The header of an Avro file."""

    codec: str
    schema: bytes  # JSON
    mark: bytes


def file_header(path: Place, file: BufferedReader) -> FileHeader:
    """Read the header of a file. InputError"""
    if not file.peek(len(MAGIC)).startswith(MAGIC):
        raise InputError(f"{path} is not an Avro file")
    try:
        entries = read_header(file)
        mark = file.read(MARK_SIZE)
        if len(mark) != MARK_SIZE:
            raise ValueError("it ends too early")
        return FileHeader(entries.get(CODEC, b"null").decode(), entries[SCHEMA], mark)
    except ValueError as error:
        reason = f"its header is damaged: {error}"
        raise InputError(f"{path} is not an Avro file: {reason}") from None


def _records(path: Place, reader: Iterator[Any]) -> Iterator[Record]:
    for number in count(1):
        try:
            record = next(reader)
        except StopIteration:
            return
        except OSError:  # the place knows what it means
            raise
        except Exception as error:  # EOFError, IndexError, zlib.error: whatever the bytes lead to
            reason = f"cannot be read from record {number} on: {_reason(error)}"
            raise InputError(f"{path} {reason}") from None
        yield record


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
