"""Ids and times that output schemas ask for, from columns of any type, exact or not at all."""

import re
from typing import Any

import pyarrow as pa

from lcclassify.errors import InputError
from lcclassify.sources.columns import NUMBER, check_readable, to_numbers
from lcclassify.sources.messages import CONTEXT, integer

TIMES = ("elasticcPublishTimestamp", "brokerIngestTimestamp")
EXACT = {pa.float16(): 2**11, pa.float32(): 2**24}  # below it, each integer has a number
EXACT_DOUBLE = 2**53


def check_context(path: object, name: str, kind: pa.DataType) -> None:
    """Refuse a column that can be no such value. InputError"""
    if _is_date(kind):
        if name not in TIMES:
            raise InputError(f"{path}: column {name!r} holds {kind}, not numbers")
    else:
        check_readable(path, name, kind)


def context_column(name: str, column: pa.Array) -> pa.Array:
    """A column of the context, of its type in ``CONTEXT``; null for what is not such a value.

    An id that may have been rounded, in a floating-point column, is null too; times are kept.
    """
    kind = CONTEXT.field(name).type
    if column.type == kind:
        return column
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(kind):
        return to_numbers(name, column, {})
    if _is_date(column.type):
        return column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(kind)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())
    limit = 2**63 if name in TIMES else EXACT.get(column.type, EXACT_DOUBLE)
    return pa.array([_integer(value, limit, name in TIMES) for value in column.to_pylist()], kind)


def _is_date(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind))


def _integer(value: Any, limit: int, rounds: bool) -> int | None:
    """An integer of 64 bits, also one that is written as a float below a limit."""
    if isinstance(value, str):
        exact = integer(value.strip())
        if exact is not None:
            return exact
        value = float(value) if re.fullmatch(NUMBER, value.strip().lower()) else None
    if isinstance(value, float):
        whole = abs(value) < limit and (rounds or value.is_integer())
        return int(value) if whole else None
    return integer(value)
