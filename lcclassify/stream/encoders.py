"""Records of a published schema to message bytes.

Nothing here is compiled by us: numpy checks every index, and sizes its arrays by the columns that a
schema of our own names. Of what came in there are only numbers, which decide how many bytes of an
array are kept, not where they lie.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from itertools import groupby
from typing import Any, Literal

import fastavro
import numpy as np
import pyarrow as pa
from fastavro.write import Writer

from lcclassify.avro.container import MARK_SIZE
from lcclassify.schemas.avro import read_avsc
from lcclassify.sinks.records import records

Encoder = Callable[[pa.Table], Iterator[bytes]]  # a message for each record, in order
NULLABLE = ({"float", "null"}, {"double", "null"})
ONE_RECORD = b"\x02"  # the count of a block, as Avro writes it
MARK = os.urandom(MARK_SIZE)  # that ends a header and a block: one for each process


def open_encoder(schema_name: str, encoding: Literal["avro", "schemaless"]) -> Encoder:
    """Containers of one record, or bare values."""
    schema = read_avsc(schema_name)
    # A record is written as its fields are, one after the other: each by what is fastest for it.
    groups = [list(group) for _, group in groupby(schema["fields"], _is_numbers)]
    parts = [_numbers(group) if _is_numbers(group[0]) else _others(group) for group in groups]

    def values(table: pa.Table) -> Iterator[bytes]:
        return map(b"".join, zip(*(part(table) for part in parts), strict=True))

    if encoding == "schemaless":
        return values
    start = BytesIO()
    Writer(start, fastavro.parse_schema(schema), sync_marker=MARK).flush()
    header = start.getvalue() + ONE_RECORD

    def containers(table: pa.Table) -> Iterator[bytes]:
        for value in values(table):
            yield b"".join((header, _long(len(value)), value, MARK))

    return containers


def _others(fields: list[Any]) -> Callable[[pa.Table], Iterable[bytes]]:
    """Any fields, by fastavro."""
    schema = fastavro.parse_schema({"type": "record", "name": "part", "fields": fields})
    names = [field["name"] for field in fields]

    def encode(table: pa.Table) -> Iterator[bytes]:
        for record in records(table.select(names)):
            buffer = BytesIO()
            fastavro.schemaless_writer(buffer, schema, record)
            yield buffer.getvalue()

    return encode


def _is_numbers(field: Any) -> bool:
    """Whether a field is a record of nullable floats and doubles."""
    kind = field["type"]
    return (
        isinstance(kind, dict)
        and kind["type"] == "record"
        and all(_branches(inner) in NULLABLE for inner in kind["fields"])
    )


def _branches(field: Any) -> set[str]:
    return set(field["type"]) if isinstance(field["type"], list) else set()


def _numbers(group: list[Any]) -> Callable[[pa.Table], Iterable[bytes]]:
    """Records of nullable numbers, all at once: fastavro looks at each value several times.

    NaN is written as null.
    """
    names = [field["name"] for field in group]
    fields = [inner for field in group for inner in field["type"]["fields"]]
    is_single = np.array(["float" in inner["type"] for inner in fields])
    # A value is the number of its branch, as Avro writes it, and 4 or 8 bytes, or none for null.
    branch = np.array([2 * (inner["type"][0] == "null") for inner in fields], np.uint8)
    widths = np.where(is_single, 5, 9)
    starts = np.cumsum(widths) - widths
    single = (starts[is_single, None] + np.arange(1, 5)).ravel()
    double = (starts[~is_single, None] + np.arange(1, 9)).ravel()

    def encode(table: pa.Table) -> list[bytes]:
        columns = [child for name in names for child in table[name].combine_chunks().flatten()]
        if not len(table):
            return []
        batch = pa.record_batch(columns, names=[str(n) for n in range(len(columns))])
        values = np.ascontiguousarray(batch.to_tensor(null_to_nan=True).to_numpy())
        out = np.empty((len(values), widths.sum()), np.uint8)
        null = np.isnan(values)
        out[:, starts] = np.where(null, 2 - branch, branch)
        with np.errstate(over="ignore"):
            out[:, single] = np.ascontiguousarray(values[:, is_single], "<f4").view(np.uint8)
        out[:, double] = np.ascontiguousarray(values[:, ~is_single], "<f8").view(np.uint8)
        keep = np.repeat(~null, widths, axis=1)
        keep[:, starts] = True
        flat = out[keep].tobytes()
        ends = np.cumsum(keep.sum(axis=1)).tolist()
        return [flat[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    return encode


def _long(number: int) -> bytes:
    """A length as Avro writes it."""
    left, coded = number << 1, bytearray()
    while left >= 0x80:
        coded.append(left & 0x7F | 0x80)
        left >>= 7
    coded.append(left)
    return bytes(coded)
