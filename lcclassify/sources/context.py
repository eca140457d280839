"""What output schemas ask for besides answers: ids and times of alerts, exact or not at all.

This is the one place where they are made of what files, alerts and messages hold, of any type. What
cannot be such a value is null: nobody is refused for a column that only an output schema needs.
"""

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.sources.columns import (
    NUMBER,
    PADDING,
    as_text,
    exact_below,
    is_text,
    to_numbers,
    without_dictionary,
)

CONTEXT = pa.schema(
    {
        "alertId": pa.int64(),
        "diaSourceId": pa.int64(),
        "elasticcPublishTimestamp": pa.int64(),  # ms; a minute off if it was rounded
        "brokerIngestTimestamp": pa.int64(),  # ms
        "lastmjd": pa.float64(),  # of the last detection that was measured, d
    }
)
TIMES = ("elasticcPublishTimestamp", "brokerIngestTimestamp")
MS = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}  # times, then per ms
DAY_MS = 86_400_000
Number = int | float | Decimal


def context_column(name: str, column: pa.Array) -> pa.Array:
    """A column of any type as one of the context, of its type in ``CONTEXT``."""
    kind = CONTEXT.field(name).type
    if column.type == kind:
        return column
    column, _ = as_text(without_dictionary(column))
    if name in TIMES:
        return _times(column)
    if is_text(column.type) or _is_number(column.type):
        if pa.types.is_floating(kind):
            return to_numbers(name, column.cast(_plain(column.type)), {})
        exact = exact_below(column.type)
        return pa.array([integer(value, exact) for value in column.to_pylist()], kind)
    return pa.nulls(len(column), kind)


def integer(value: Any, exact: int = 2**53) -> int | None:
    """An integer of 64 bits of one that may be written as text, or as a float below ``exact``.

    None for anything else, and where it is not certain that nothing was lost.
    """
    number = _number(value)
    if number is None or (isinstance(number, float) and not abs(number) < exact):
        return None
    whole = _int64(number)
    return whole if whole == number else None


def time_ms(value: Any) -> int | None:
    """A time in ms; of dates, those without a zone being UTC. None for anything else.

    One that was rounded is kept: unlike an id, it still says nearly the same.
    """
    if isinstance(value, date):
        return _date_ms(value)
    number = _number(value)
    if number is None and isinstance(value, str):
        with suppress(ValueError):
            return _date_ms(datetime.fromisoformat(value.strip(PADDING)))
    return None if number is None else _int64(number)


def _times(column: pa.Array) -> pa.Array:
    types = pa.types
    if types.is_timestamp(column.type):
        times, per_ms = MS[column.type.unit]
        counts = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
        fits = (counts <= (2**63 - 1) // times) & (counts >= -(2**63 // times))
        ms = np.where(fits, counts, 0) * times // per_ms
        lost = ~fits | column.is_null().to_numpy(zero_copy_only=False)
        return pa.array(ms, pa.int64(), mask=lost)
    if types.is_date(column.type) or is_text(column.type) or _is_number(column.type):
        return pa.array(list(map(time_ms, _values(column))), pa.int64())
    return pa.nulls(len(column), pa.int64())


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_date64(column.type):  # ms of any size; Python's dates end
        return list(column.cast(pa.int64()).to_pylist())
    if pa.types.is_date32(column.type):
        days = column.cast(pa.int32()).to_pylist()
        return [None if day is None else day * DAY_MS for day in days]
    return list(column.to_pylist())


def _date_ms(value: date) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * DAY_MS) + since.seconds * 1000 + since.microseconds // 1000


def _number(value: Any) -> Number | None:
    """A number, which may be written as text or bytes. Booleans are none."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        text = value.strip(PADDING + "\n")
        if re.fullmatch(r"[+-]?[0-9]{1,20}", text):
            return int(text)
        return float(text) if re.fullmatch(NUMBER, text.lower(), re.ASCII) else None
    if isinstance(value, bool):
        return None
    return value if isinstance(value, int | float | Decimal) else None


def _int64(number: Number) -> int | None:
    if isinstance(number, float) and not math.isfinite(number):
        return None
    whole = int(number)
    return whole if -(2**63) <= whole < 2**63 else None


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type by way of which a column is read as numbers."""
    return pa.string() if is_text(kind) or pa.types.is_decimal(kind) else kind
