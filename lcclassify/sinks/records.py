"""Tables as the plain records that libraries for Avro and JSON take."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa

from lcclassify.errors import OutputError


def signed(table: pa.Table) -> pa.Table:
    """A table whose unsigned integers are int64. OutputError for one of 2**63 or more."""
    for place, field in enumerate(table.schema):
        if pa.types.is_unsigned_integer(field.type):
            try:
                column = table[place].cast(pa.int64())
            except pa.ArrowInvalid:
                raise OutputError(
                    f"column {field.name!r} has integers of 2**63 or more, which do not fit into "
                    "64 bits with a sign; write Parquet, CSV or JSON Lines"
                ) from None
            table = table.set_column(place, field.with_type(pa.int64()), column)
    return table


def records(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as plain values, where a map is a dict: at any depth."""
    columns = [_values(column.combine_chunks()) for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def _values(array: pa.Array) -> list[Any]:
    kind = array.type
    values: list[Any]
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        fields = [_values(field) for field in array.flatten()]
        values = [dict(zip(names, row, strict=True)) for row in zip(*fields, strict=True)]
    elif pa.types.is_map(kind):
        keys, items = _values(array.keys), _values(array.items)
        values = [dict(zip(keys[a:b], items[a:b], strict=True)) for a, b in _slices(array)]
    elif pa.types.is_list(kind):
        items = _values(array.values)
        values = [items[a:b] for a, b in _slices(array)]
    else:
        return list(array.to_pylist())
    if array.null_count:
        null = array.is_null().to_pylist()
        return [None if gone else value for gone, value in zip(null, values, strict=True)]
    return values


def _slices(array: pa.Array) -> Iterator[tuple[int, int]]:
    """Where each row's items begin and end."""
    return pairwise(array.offsets.to_pylist())
