"""ALeRCE's feature tables: a row per object, feature, band and generation, made one row an object.

Their columns are the object's id, ``name``, ``fid``, ``value`` and, where an object's features may
have been computed several times, ``updated_date`` or ``version``. The latest generation of an
object counts, as a whole: what it lacks is not taken from an earlier one.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import number_table, to_numbers
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.sources.part import Part, id_type, read_part
from lcclassify.sources.places import Place
from lcclassify.status import Problem, Status

COLUMNS = ("name", "fid", "value")
SUFFIX = {"1": "_1", "g": "_1", "2": "_2", "r": "_2", "12": "_12", "g,r": "_12"}
NO_BAND = ("0", "", "gr", "none", "nan")
ROWS = 1 << 16  # read at a time
Key = tuple[tuple[Any, ...], str]  # orders generations
FIRST: Key = ((), "")  # of what does not say which generation it is


def is_long(part: Part) -> bool:
    """Whether a part's columns are those of such a table."""
    return all(name in part.columns for name in COLUMNS)


class LongPart:
    """All files of one feature table, as a row per object in the order of first appearance.

    They are read twice: for the names and generations at once, for the values in ``batches``.
    Memory: 8 bytes per object and column that is read, and some 300 per object.
    """

    schema_name = ""
    row_group_sizes = ()

    def __init__(self, parts: Sequence[Part], id_name: str) -> None:
        self.path = parts[0].path
        self._parts = parts
        self._id_name = id_name
        self._id_type = id_type(parts[0], id_name)
        self._generation = next((n for n in KEYS if all(n in p.columns for p in parts)), None)
        self._latest: dict[Any, Key] = {}  # id -> its latest generation
        self._rounded: set[Any] = set()  # ids that went through a float
        names: dict[str, None] = {}
        for chunk in self._chunks():
            names |= dict.fromkeys(name for name in chunk.names if name is not None)
            for object_id, key in chunk.pairs:
                if self._latest.setdefault(object_id, key) < key:
                    self._latest[object_id] = key
        self.n_rows = len(self._latest)
        kind = parts[0].columns["value"]
        self.columns = {id_name: self._id_type} | {name: kind for name in names if name != id_name}

    def id_type(self, name: str) -> pa.DataType:
        """The type of the ids."""
        return self._id_type

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The objects, at most ``size`` at a time. Nothing of theirs is ``exact`` but the id."""
        if not self.n_rows:
            return
        values, problems = self._pivot(columns)
        ids = pa.array(list(self._latest), self._id_type)
        rounded = np.array([object_id in self._rounded for object_id in self._latest])
        for start in range(0, self.n_rows, size):
            stop = min(start + size, self.n_rows)
            found = {row - start: problems[row] for row in range(start, stop) if row in problems}
            arrays = {
                name: pa.array(np.ascontiguousarray(values[start:stop, column]), from_pandas=True)
                for column, name in enumerate(columns)
            }
            yield Batch(
                object_id=ids.slice(start, stop - start),
                id_name=id_name,
                features=number_table(arrays, found, stop - start),
                problems=found,
                rounded=rounded[start:stop],
            )

    def _pivot(self, columns: Sequence[str]) -> tuple[np.ndarray, dict[int, Problem]]:
        """Values (N, D), NaN where there is none; and what is wrong with rows."""
        row_of = {object_id: row for row, object_id in enumerate(self._latest)}
        column_of: dict[str | None, int] = {name: column for column, name in enumerate(columns)}
        values = np.full((self.n_rows, len(columns)), np.nan)
        lacks_features = np.ones(self.n_rows, bool)
        problems: dict[int, Problem] = {}
        for chunk in self._chunks("value"):
            rows = np.array([row_of[object_id] for object_id, _ in chunk.pairs])[chunk.pair]
            latest = [self._latest[object_id] == key for object_id, key in chunk.pairs]
            is_named = np.array([name is not None for name in chunk.names])[chunk.name]
            is_latest = np.array(latest)[chunk.pair]
            lacks_features[rows[is_latest & is_named]] = False
            found = np.array([column_of.get(name, -1) for name in chunk.names])[chunk.name]
            read = np.flatnonzero(is_latest & (found >= 0))
            for position, problem in chunk.problems.items():
                problems.setdefault(int(rows[position]), problem)
            cells = _Cells(rows[read], found[read], chunk.values.take(pa.array(read)))
            for row, problem in _fill(values, cells, columns):
                problems.setdefault(row, problem)
        for row in np.flatnonzero(lacks_features).tolist():
            problems.setdefault(row, NO_FEATURES)
        return values, problems

    def _chunks(self, *more: str) -> Iterator["_Chunk"]:
        """The rows of all files, some at a time."""
        generation = [self._generation] if self._generation else []
        exact = ["name", "fid", *generation, *more]
        for part in self._parts:
            for batch in read_part(part, self._id_name, (), ROWS, exact):
                columns = {name: batch.context[name].combine_chunks() for name in exact}
                if batch.rounded is not None and batch.rounded.any():
                    self._rounded.update(batch.object_id.filter(batch.rounded).to_pylist())
                keys = _Coded(np.zeros(len(batch), np.int64), [FIRST])
                if self._generation:
                    keys = _coded(columns[self._generation])
                    keys = keys._replace(values=KEYS[self._generation](part.path, keys.values))
                pair, pairs = _pairs(_coded(batch.object_id), keys)
                name, names = _pairs(_coded(columns["name"]), _coded(columns["fid"]))
                yield _Chunk(
                    pair=pair,
                    pairs=pairs,
                    name=name,
                    names=[_wide_name(part.path, *each) for each in names],
                    values=columns.get("value", pa.nulls(0)),
                    problems=batch.problems,
                )


class _Chunk(NamedTuple):
    """Some rows of a feature table, n of them; ``pair`` and ``name`` (n,) index the lists."""

    pair: np.ndarray
    pairs: Sequence[tuple[Any, Key]]  # id and generation
    name: np.ndarray
    names: Sequence[str | None]  # of the wide column
    values: pa.Array  # (n,), or none if they were not asked for
    problems: Mapping[int, Problem]


class _Cells(NamedTuple):
    """Values for places in a matrix, all (n,)."""

    row: np.ndarray
    column: np.ndarray
    value: pa.Array


class _Coded(NamedTuple):
    """A column as codes (n,), indices of its distinct values."""

    codes: np.ndarray
    values: list[Any]


def _coded(column: pa.Array) -> _Coded:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(column.type):  # Python has no nanoseconds
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    encoded = pc.dictionary_encode(column, null_encoding="encode")
    return _Coded(encoded.indices.to_numpy(), encoded.dictionary.to_pylist())


def _pairs(one: _Coded, other: _Coded) -> tuple[np.ndarray, list[tuple[Any, Any]]]:
    """Two columns as codes (n,), indices of their distinct pairs."""
    n_others = max(len(other.values), 1)
    codes, pairs = _coded(pa.array(one.codes.astype(np.int64) * n_others + other.codes))
    return codes, [(one.values[p // n_others], other.values[p % n_others]) for p in pairs]


def _fill(
    values: np.ndarray, cells: _Cells, columns: Sequence[str]
) -> Iterator[tuple[int, Problem]]:
    """Put numbers into the matrix, in place; the rows where a value is none, or is there twice."""
    unreadable: dict[int, Problem] = {}
    numbers = to_numbers("value", cells.value, unreadable)
    for position in unreadable:
        text = cells.value[position].as_py()
        reason = f"{columns[cells.column[position]]} = {text!r} is not a number"
        yield int(cells.row[position]), Problem(Status.INVALID_FEATURES, reason)
    number = numbers.to_numpy(zero_copy_only=False)
    there = np.flatnonzero(~np.isnan(number))
    row, column, number = cells.row[there], cells.column[there], number[there]
    before = values[row, column]
    values[row, column] = number
    twice = (before != number) & ~np.isnan(before) | (values[row, column] != number)
    for position in np.flatnonzero(twice).tolist():
        name = columns[column[position]]
        reason = f"{name} is there twice, with different values"
        yield int(row[position]), Problem(Status.INVALID_FEATURES, reason)


def _wide_name(path: Place, name: Any, band: Any) -> str | None:
    """The column of a feature in a band; None for a row that names no feature. InputError"""
    if name is None or name == "":
        return None
    known = "" if band is None else str(band).strip().lower().removesuffix(".0")
    if known not in SUFFIX and known not in NO_BAND:
        raise InputError(
            f"{path}: fid {band!r} is no band of ZTF's features; expected 1 or g, 2 or r, 12 or "
            "g,r, or 0"
        )
    return f"{name}{SUFFIX.get(known, '')}"


def _date_keys(path: Place, values: Sequence[Any]) -> list[Key]:
    """Dates and times in their order, those without a zone being UTC. InputError"""
    return [FIRST if _is_blank(value) else ((_seconds(path, value),), "") for value in values]


def _seconds(path: Place, value: Any) -> float:
    """Seconds since 1970 of a date or time; a number as it is."""
    with suppress(ValueError, TypeError):
        return float(value)
    try:
        time = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise InputError(
            f"{path}: updated_date = {value!r:.60} is no date such as 2024-05-01T12:00:00"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _is_blank(value: Any) -> bool:
    return value is None or str(value).strip().lower() in ("", "nan")


def _version_keys(path: Place, values: Sequence[Any]) -> list[Key]:
    """Versions in their order: 1.10 comes after 1.9."""
    return [FIRST if _is_blank(value) else _version(str(value)) for value in values]


def _version(text: str) -> Key:
    parts = re.split(r"([0-9]+)", text)  # text, digits, text...
    return tuple(int(part) if n % 2 else part for n, part in enumerate(parts)), text


# What tells generations apart: the first that every file has.
KEYS: dict[str, Callable[[Place, Sequence[Any]], list[Key]]] = {
    "updated_date": _date_keys,
    "version": _version_keys,
}
