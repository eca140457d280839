"""Avro: object container files of flat records, or of the messages of ALeRCE's feature step."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import reduce
from itertools import chain, count, islice
from typing import IO, Any, NamedTuple, cast

import fastavro
import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.legacy.records import RefusedError
from lcclassify.sources.blocks import CheckedBlocks
from lcclassify.sources.columns import check_id_type, is_number, is_text, number_table
from lcclassify.sources.messages import CONTEXT, context_of, with_header
from lcclassify.sources.parquet import FEATURES, HEADERS
from lcclassify.sources.places import Place
from lcclassify.sources.records import (
    Record,
    exact_array,
    flatten,
    id_array,
    lacks_features,
    number_array,
)
from lcclassify.status import Problem, Status

MAGIC = b"Obj\x01"
MAX_DEPTH = 64  # of types inside types; fastavro follows data down the C stack, without a limit
SAMPLE = 1000  # records that are looked at for the names in maps and headers
Named = Mapping[str, Any]  # full name of a type -> its schema
NESTED = pa.struct([])
KINDS = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
    "array": pa.list_(pa.null()),
}
PYTHON_KINDS = {
    type(None): pa.null(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    list: pa.list_(pa.null()),
    datetime: pa.int64(),  # as in the schema; each value is then read for what it is
}


class AvroPart:
    """One Avro file, or several of one folder as one table, which single messages need.

    Features and header have the precedence that Parquet's have. A message whose header cannot be
    read has a problem; damage to a file takes the records of its batch with it.
    """

    n_rows = None

    def __init__(self, path: Place, *others: Place) -> None:
        self.path = path
        self._paths = (path, *others)
        self.columns: dict[str, pa.DataType] = {}
        left = SAMPLE
        for file in self._paths:
            with _open(file) as (schema, named, records):
                self._add(_fields(schema, named))
                for record in islice(records, left):
                    left -= 1
                    values = flatten(_open_message(record)[0])
                    self._add({k: PYTHON_KINDS.get(type(v), NESTED) for k, v in values.items()})
            if not left:
                break
        self._has_context = "detections" in self.columns

    def id_type(self, name: str) -> pa.DataType:
        """64-bit integers if no id can be text, otherwise text."""
        return check_id_type(self.path, name, self.columns[name])

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The records in order, at most ``size`` at a time, whichever file they are in."""
        records = chain.from_iterable(map(_read, self._paths))
        id_type = self.id_type(id_name) if id_name in self.columns else pa.null()
        names = (id_name, *columns, *exact)
        while rows := [self._row(record, names) for record in islice(records, size)]:
            problems = {row: r.problem for row, r in enumerate(rows) if r.problem is not None}
            object_id, *values = zip(*(row.values for row in rows), strict=True)
            arrays = {
                name: number_array(name, column, problems)
                for name, column in zip(columns, values, strict=False)
            }
            context = {
                name: exact_array(column)
                for name, column in zip(exact, values[len(columns) :], strict=True)
            }
            if self._has_context:
                table = pa.Table.from_pylist([row.context for row in rows], CONTEXT)
                context |= dict(zip(table.column_names, table.columns, strict=True))
            yield Batch(
                object_id=id_array(object_id, id_type, problems),
                id_name=id_name,
                features=number_table(arrays, problems, len(rows)),
                problems=problems,
                context=pa.table(context),
            )

    def _row(self, record: Record, names: Sequence[str]) -> "_Row":
        message, problem = _open_message(record)
        values = flatten(message)
        context = context_of(record) if self._has_context else {}
        return _Row(tuple(map(values.get, names)), context, problem)

    def _add(self, columns: Mapping[str, pa.DataType]) -> None:
        for name, kind in columns.items():
            self.columns[name] = _common(self.columns.get(name, pa.null()), kind)


class _Row(NamedTuple):
    """What is kept of a record, which is far larger, until its batch is full."""

    values: tuple[Any, ...]
    context: Mapping[str, int | float | None]
    problem: Problem | None


def _open_message(record: Record) -> tuple[Record, Problem | None]:
    """A record with its header opened; and what is wrong with it."""
    try:
        return with_header(record), lacks_features(record)
    except RefusedError as refusal:
        reason = f"the header of the message cannot be read: {refusal}"
        return record, Problem(Status.INVALID_RECORD, reason)


def _read(path: Place) -> Iterator[Record]:
    with _open(path) as (*_, records):
        yield from records


@contextmanager
def _open(path: Place) -> Iterator[tuple[Any, Named, Iterator[Record]]]:
    """The schema of a file, the types that it names, and the records. InputError, at any time"""
    with path.open_buffered() as file:
        if not file.peek(len(MAGIC)).startswith(MAGIC):
            raise InputError(f"{path} is not an Avro file")
        try:
            blocks = CheckedBlocks(file)
            reader = fastavro.reader(cast(IO[bytes], blocks), handle_unicode_errors="replace")
        except Exception as error:  # of whatever kind the bytes lead to
            raise InputError(f"{path} is not an Avro file: {_reason(error)}") from None
        blocks.codec, schema = reader.codec, reader.writer_schema
        yield schema, _named_types(path, schema), _records(path, iter(reader))


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


def _fields(schema: Any, named: Named) -> dict[str, pa.DataType]:
    """The columns that a schema names, of the type that each can hold."""
    columns: dict[str, pa.DataType] = {}
    for field in schema["fields"]:
        branches = [named.get(b, b) if isinstance(b, str) else b for b in _branches(field["type"])]
        if field["name"] in (FEATURES, *HEADERS):
            records = [branch for branch in branches if _type(branch) == "record"]
            inner = [child for record in records for child in record["fields"]]
            columns |= {child["name"]: _kind(_branches(child["type"])) for child in inner}
        else:
            columns[field["name"]] = _kind(branches)
    return columns


def _named_types(path: Place, schema: Any) -> Named:
    """The types that a schema names. InputError if it is not that of records of a known depth."""
    named: dict[str, Any] = {}
    try:
        _collect(schema, named, set(), ())
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if _type(schema) != "record":
        raise InputError(f"{path} holds no records, but {_type(schema)}")
    return named


def _collect(schema: Any, named: dict[str, Any], empty: set[str], around: tuple[str, ...]) -> bool:
    """Add the types that a schema names, and those whose values take no bytes. ValueError

    ``around`` the schema are these types. True if its own values take no bytes: of them, an array
    of any length fits a few bytes, which is refused.
    """
    if len(around) > MAX_DEPTH:
        raise ValueError("its schema is too deep")
    if isinstance(schema, str):
        if schema in around:
            raise ValueError(f"its type {schema:.60} contains itself")
        return schema == "null" or schema in empty
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, named, empty, (*around, ""))
        return False  # which branch it is takes a byte
    name, kind = "", schema["type"]
    if kind in ("record", "error", "enum", "fixed"):
        name = schema["name"]
        named[name] = schema

    def collect(child: Any) -> bool:
        return _collect(child, named, empty, (*around, name))

    fields = [collect(field["type"]) for field in schema.get("fields", ())]
    if "values" in schema:
        collect(schema["values"])
    if "items" in schema and collect(schema["items"]):
        raise ValueError("its arrays hold items of no bytes")
    if isinstance(kind, dict | list):
        return collect(kind)
    is_empty = (
        kind == "null"
        or (kind in ("record", "error") and all(fields))
        or (kind == "fixed" and schema["size"] == 0)
    )
    if is_empty and name:
        empty.add(name)
    return is_empty


def _branches(schema: Any) -> list[Any]:
    return schema if isinstance(schema, list) else [schema]


def _type(schema: Any) -> str:
    """Name of a type; a union has none of its own."""
    if isinstance(schema, dict):
        return _type(schema["type"])
    return schema if isinstance(schema, str) else "a union"


def _kind(branches: Sequence[Any]) -> pa.DataType:
    return column_kind([_type(branch) for branch in branches])


def column_kind(types: Sequence[str]) -> pa.DataType:
    """The type of a column with values of several Avro types."""
    return reduce(_common, (KINDS.get(name, NESTED) for name in types), pa.null())


def _common(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The type that holds the values of two: of numbers and text, text."""
    if pa.types.is_null(one) or one == other:
        return other
    if pa.types.is_null(other):
        return one
    if not all(is_number(kind) or is_text(kind) for kind in (one, other)):
        return NESTED
    return pa.float64() if is_number(one) and is_number(other) else pa.string()
