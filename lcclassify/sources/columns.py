"""Columns of any type to columns of numbers, and what could not be read."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.errors import InputError
from lcclassify.status import Problem, Status

PADDING = " \t\0"  # what fills fields of fixed width: blanks in FITS and tables, zero bytes in HDF5
NULL_TEXTS = pa.array(["", "nan", "null", "none", "na", "n/a", "<na>", "\\n"])
NUMBER = r"^[+-]?(inf|infinity|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)$"


def is_number(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    return bool(
        types.is_integer(value)
        or types.is_floating(value)
        or types.is_boolean(value)
        or types.is_decimal(value)
        or types.is_null(value)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether a type is bytes, of any or of a fixed length."""
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def text_type(kind: pa.DataType) -> pa.DataType:
    """A type with text in the place of bytes, which FITS and HDF5 have for text, at any depth."""
    types = pa.types
    if is_bytes(kind) or (types.is_dictionary(kind) and is_bytes(kind.value_type)):
        return pa.string()
    if types.is_struct(kind):
        return pa.struct([field.with_type(text_type(field.type)) for field in kind])
    if types.is_list(kind):
        return pa.list_(kind.value_field.with_type(text_type(kind.value_type)))
    if types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(text_type(kind.value_type)))
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(text_type(kind.value_type)), kind.list_size)
    return kind


def as_text(column: pa.Array) -> tuple[pa.Array, list[int]]:
    """A column with text in the place of bytes; and the rows of bytes that are no UTF-8.

    Such are replaced in part; inside lists and structs, where they are one value of many, by null.
    """
    if pa.types.is_primitive(column.type):  # nearly always
        return column, []
    kind = text_type(column.type)
    if kind == column.type:
        return column, []
    if pa.types.is_nested(column.type):
        try:
            return column.cast(kind), []
        except pa.ArrowException:
            return pa.array(_decoded(column.to_pylist()), kind), []
    text, bad = decode_text(without_dictionary(column))
    return pc.utf8_rtrim(text, PADDING), bad


def without_dictionary(column: pa.Array) -> pa.Array:
    """A column without a dictionary: each value in its place."""
    if not pa.types.is_dictionary(column.type):
        return column
    try:
        return column.dictionary_decode()
    except pa.ArrowNotImplementedError:  # of views
        return pa.array(column.to_pylist(), column.type.value_type)


def _decoded(value: Any) -> Any:
    """A value with text in the place of bytes, null for bytes that are none."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    if isinstance(value, dict):
        return {name: _decoded(item) for name, item in value.items()}
    return value


def exact_below(kind: pa.DataType) -> int:
    """Below which size each integer has a number of a floating type of its own."""
    return {pa.float16(): 2**11, pa.float32(): 2**24}.get(kind, 2**53)


def check_readable(path: object, name: str, kind: pa.DataType) -> None:
    """Refuse a column that is neither numbers nor text that may be numbers. InputError"""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not is_number(value) and not is_text(value):
        raise InputError(f"{path}: column {name!r} holds {kind}, not numbers")


def number_table(
    columns: Mapping[str, pa.Array], problems: dict[int, Problem], n_rows: int
) -> pa.Table:
    """Columns as float64, null where there is no value; adds the rows with a text that is none."""
    table = {name: to_numbers(name, column, problems) for name, column in columns.items()}
    if not table:  # a table without columns has no rows either: keep their number
        return pa.table({"": pa.nulls(n_rows)}).select([])
    return pa.table(table)


def to_numbers(name: str, column: pa.Array, problems: dict[int, Problem]) -> pa.Array:
    """One column as float64; adds the rows whose value is not a number to ``problems``."""
    if pa.types.is_float64(column.type):
        return column
    column = without_dictionary(column)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.string())
    if not is_text(column.type):
        return column.cast(pa.float64(), safe=False)  # integers beyond 2**53 are rounded
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return _parse(name, column.cast(pa.string()), problems)
    if pc.any(pc.match_substring(column, "(")).as_py():  # nan(1) is a number to Arrow alone
        return _parse(name, column.cast(pa.string()), problems)
    return numbers


def _parse(name: str, column: pa.Array, problems: dict[int, Problem]) -> pa.Array:
    text = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_trim(column, PADDING)))
    null = pc.is_in(text, value_set=NULL_TEXTS)
    number = pc.match_substring_regex(text, NUMBER)
    wrong = pc.fill_null(pc.and_not(pc.invert(null), number), False)
    for row in pc.indices_nonzero(wrong).to_pylist():
        reason = f"{name} = {column[row].as_py()!r} is not a number"
        problems.setdefault(row, Problem(Status.INVALID_FEATURES, reason))
    readable = pc.if_else(pc.and_(number, pc.invert(null)), text, pa.scalar(None, pa.string()))
    return readable.cast(pa.float64())


def decode_text(column: pa.Array) -> tuple[pa.Array, list[int]]:
    """Bytes as text, and the rows that are no UTF-8: there the unreadable bytes are replaced."""
    try:
        return column.cast(pa.string()), []
    except pa.ArrowInvalid:
        values = column.to_pylist()
        bad = [row for row, value in enumerate(values) if value and _decoded(value) is None]
        texts = [None if value is None else value.decode("utf-8", "replace") for value in values]
        return pa.array(texts, pa.string()), bad
