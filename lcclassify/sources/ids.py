"""Ids of objects and sources: integers or text, from columns of any type, and which were rounded.

An id that went through a float is exact below 2**53. Above, it is one of several that the same
float stands for: it is used, unless the same record has an exact one, and that is said. Written as
text such an id is made the integer that it means, so that 17 and 17.0 are one object.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.remarks import Kind, Remark, all_remarks, remark
from lcclassify.sources.columns import PADDING, exact_below, is_text, without_dictionary
from lcclassify.sources.curve_forms import IDS
from lcclassify.status import Problem, Status

OBJECT, SOURCE = IDS  # of an alert packet: 0 is no object, as asteroids have
NO_ID = pa.array(["nan", "NaN", "None", "null", "NULL", "<NA>", "\\N"])  # as others write null
# How floats are written. Digits and an e alone may be anything, such as a part of a hash: 12e4.
FLOAT = r"-?(0|[1-9][0-9]*)(\.[0-9]*([eE][+-]?[0-9]{1,3})?|[eE][+-][0-9]{1,3})"
BYTES = r"""b('[^']*'|"[^"]*")"""  # bytes that Python was asked to write as text
MAX_DIGITS = 20  # of an integer of 64 bits


class Ids(NamedTuple):
    """The ids of N rows."""

    values: pa.Array  # (N,) integers or text; null: there is none
    rounded: np.ndarray  # (N,) bool; by way of a float, which stands for further ids
    strange: Mapping[int, str]  # row -> why what is there is no id


def id_kind(kinds: Iterable[pa.DataType]) -> pa.DataType | None:
    """The type of ids from places of these types: integers, or text; None if none can hold any."""
    values = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    if any(is_text(kind) for kind in values):
        return pa.string()
    integers = {kind for kind in values if pa.types.is_integer(kind)}
    numbers = [kind for kind in values if pa.types.is_floating(kind) or pa.types.is_decimal(kind)]
    if not integers and not numbers:
        return None
    if pa.uint64() in integers:
        return pa.uint64()
    return integers.pop() if len(integers) == 1 and not numbers else pa.int64()


def check_id_kind(path: object, name: str, kinds: Sequence[pa.DataType]) -> pa.DataType:
    """Likewise, of a column. InputError if it can be no id."""
    if (kind := id_kind(kinds)) is not None:
        return kind
    raise InputError(f"{path}: column {name!r} cannot be an object id: its type is {kinds[0]}")


def read_ids(name: str, column: pa.Array, kind: pa.DataType) -> Ids:
    """A column of any type as ids of a type of ``id_kind``; null where it has none."""
    column = without_dictionary(column)
    if is_text(column.type):
        ids = _of_text(column.cast(pa.string()))
    elif pa.types.is_floating(column.type):
        ids = _of_floats(column)
    elif pa.types.is_decimal(column.type):
        ids = of_values(column.to_pylist())
    elif pa.types.is_integer(column.type):
        ids = _exact(column)
    else:
        return _exact(pa.nulls(len(column), kind))
    return _called(name, _in_kind(ids, kind))


def of_values(values: Sequence[Any], exact: int = 2**53) -> Ids:
    """Ids of any Python values, as text. Floats of whole numbers below ``exact`` are exact."""
    if all(type(value) is str and value.isascii() for value in values):  # nearly always
        return _of_text(pa.array(values, pa.string()))
    texts: list[str | None] = []
    rounded, strange = np.zeros(len(values), bool), {}
    for row, value in enumerate(values):
        text: str | None = None
        if isinstance(value, float):
            if abs(value) < 2**63 and value.is_integer():
                text, rounded[row] = str(int(value)), abs(value) >= exact
        elif isinstance(value, Decimal):
            text = str(int(value)) if value.adjusted() < MAX_DIGITS and value % 1 == 0 else None
        elif isinstance(value, bytes):
            text = decode(value)
        elif type(value) is int or (isinstance(value, str) and is_writable(value)):
            text = str(value)
        if text is None and value is not None and value == value:  # NaN is none
            strange[row] = _no_id(value)
        texts.append(text)
    found = _of_text(pa.array(texts, pa.string()))
    return Ids(found.values, rounded | found.rounded, strange)


def read_values(name: str, values: Sequence[Any], kind: pa.DataType, exact: int = 2**53) -> Ids:
    """Any Python values as ids of a type of ``id_kind``; null where there is none."""
    return _called(name, _in_kind(of_values(values, exact), kind))


def without_zeros(name: str, values: pa.Array) -> pa.Array:
    """Ids of a column of this name: in that of alert packets 0 is none."""
    if name != OBJECT:
        return values
    return _without(values, pc.equal(values, "0" if is_text(values.type) else 0))


def best_ids(places: Sequence[Ids]) -> Ids:
    """The ids of rows that may have them in several places.

    The first exact one counts, or else the first. What is no id does not matter beside one.
    """
    return _choose(places, exact_wins=True)


def first_ids(names: Iterable[Ids]) -> Ids:
    """The ids of rows that may have them under several names, which are not of the same things.

    The first counts, and the next is asked for only where it is missing. What is no id does not
    matter beside one.
    """
    found: Ids | None = None
    for each in names:
        found = each if found is None else _choose((found, each), exact_wins=False)
        if not _nulls(_without_blanks(found).values).any():
            break
    assert found is not None
    return found


def exact_ids(ids: Ids) -> pa.Array:
    """Ids of which it is certain that they are those that were meant; null for others."""
    return pc.if_else(pa.array(ids.rounded), pa.scalar(None, ids.values.type), ids.values)


def add_strange(ids: Ids, problems: dict[int, Problem]) -> None:
    """Add the rows that have something else for an id."""
    for row, reason in ids.strange.items():
        problems.setdefault(row, Problem(Status.INVALID_RECORD, reason))


def check_ids(ids: pa.Array, problems: dict[int, Problem]) -> None:
    """Add the rows whose id is null or an empty text."""
    missing = pc.is_null(ids)
    if is_text(ids.type):
        missing = pc.or_(missing, pc.fill_null(pc.equal(ids, ""), True))
    for row in pc.indices_nonzero(missing).to_pylist():
        problems.setdefault(row, Problem(Status.INVALID_RECORD, "the object has no id"))


def id_remarks(batch: Batch, n_rows: np.ndarray | None = None) -> Mapping[Remark, int]:
    """The remarks of a batch of objects, with those on its ids.

    ``n_rows`` of the input were put together for each object by its id: if that was rounded, those
    of more than one row may be several objects. Where each row is an object, a run can tell.
    """
    if batch.rounded is None or not batch.rounded.any():
        return batch.remarks
    found = {remark(Kind.ROUNDED_ID, batch.id_name): int(batch.rounded.sum())}
    if n_rows is not None:
        n_several = int((batch.rounded & (n_rows > 1)).sum())
        found[remark(Kind.COLLIDING_ID, batch.id_name)] = n_several
    return all_remarks((batch.remarks, found))


def is_writable(text: str) -> bool:
    """Whether a text is free of halves of characters, which JSON can write as escapes."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def decode(value: bytes) -> str | None:
    """Bytes as text; None if they are none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _choose(places: Sequence[Ids], *, exact_wins: bool) -> Ids:
    if len(places) == 1:
        return places[0]
    values, rounded, strange = _without_blanks(places[0])
    for each in map(_without_blanks, places[1:]):
        wanted = _nulls(values) | (rounded & ~each.rounded & exact_wins)
        better = wanted & ~_nulls(each.values)
        values = pc.if_else(pa.array(better), each.values, values)
        rounded = np.where(better, each.rounded, rounded)
        strange = {**each.strange, **strange}
    missing = _nulls(values)
    return Ids(values, rounded, {row: why for row, why in strange.items() if missing[row]})


def _exact(values: pa.Array) -> Ids:
    return Ids(values, np.zeros(len(values), bool), {})


def _of_floats(column: pa.Array) -> Ids:
    numbers = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = (np.abs(numbers) < 2.0**63) & (np.floor(numbers) == numbers)
    strange = {
        int(row): _no_id(float(numbers[row])) for row in np.flatnonzero(~whole & ~np.isnan(numbers))
    }
    values = pa.array(np.where(whole, numbers, 0.0).astype(np.int64), mask=~whole)
    return Ids(values, whole & (np.abs(numbers) >= exact_below(column.type)), strange)


def _of_text(column: pa.Array) -> Ids:
    text = pc.utf8_trim(column, PADDING)
    text = pc.if_else(pc.is_in(text, value_set=NO_ID), pa.scalar(None, pa.string()), text)
    rounded = np.zeros(len(text), bool)
    odd = pc.indices_nonzero(pc.match_substring_regex(text, f"^({FLOAT}|{BYTES})$")).to_pylist()
    if odd:
        values = text.to_pylist()
        for row in odd:
            values[row], rounded[row] = _meant(values[row])
        text = pa.array(values, pa.string())
    return Ids(text, rounded, {})


def _meant(text: str) -> tuple[str | None, bool]:
    """What an id was before it was written like that, and whether that cannot be known exactly."""
    if re.fullmatch(BYTES, text):
        inside = text[2:-1].replace("\\x00", "")
        if "\\" in inside:  # of a character that is not ASCII
            return text, False
        return _meant(inside.strip(PADDING)) if inside.strip(PADDING) else (None, False)
    if not re.fullmatch(FLOAT, text):
        return text, False
    number = Decimal(text)
    if number.adjusted() >= MAX_DIGITS or number % 1 != 0:
        return text, False
    mantissa, _, exponent = text.lower().partition("e")
    n_decimals = len(mantissa.partition(".")[2])
    is_cut = int(exponent or 0) > n_decimals  # digits before the point were not written
    value, nearest = int(number), float(text)
    if abs(value) < 2**53:
        return str(value), is_cut
    if is_cut:
        return str(int(nearest)), True
    return str(value), value in (int(nearest), Decimal(repr(nearest)))


def _in_kind(ids: Ids, kind: pa.DataType) -> Ids:
    """Ids of another type; those that it does not hold are none."""
    values, rounded, strange = ids
    if values.type == kind:
        return ids
    try:
        return Ids(values.cast(kind), rounded, strange)
    except pa.ArrowException:
        pass
    found, why = [], dict(strange)
    low, high = (0, 2**64) if kind == pa.uint64() else (-(2**63), 2**63)
    for row, value in enumerate(values.to_pylist()):
        number = int(value) if re.fullmatch("-?[0-9]{1,20}", str(value)) else None
        if number is not None and not low <= number < high:
            number = None
        if number is None and value:
            why[row] = _no_id(value)
        found.append(number)
    return Ids(pa.array(found, kind), rounded, why)


def _called(name: str, ids: Ids) -> Ids:
    return ids._replace(values=without_zeros(name, ids.values))


def _without_blanks(ids: Ids) -> Ids:
    if not is_text(ids.values.type):
        return ids
    return ids._replace(values=_without(ids.values, pc.equal(ids.values, "")))


def _without(values: pa.Array, where: pa.Array) -> pa.Array:
    return pc.if_else(pc.fill_null(where, False), pa.scalar(None, values.type), values)


def _nulls(values: pa.Array) -> np.ndarray:
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False))


def _no_id(value: object) -> str:
    return f"{value!r:.60} is no id"
