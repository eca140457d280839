"""JSON Lines: one object per line, its features beside the id or in a nested object."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import number_table
from lcclassify.sources.parquet import FEATURES, HEADERS
from lcclassify.sources.places import Place
from lcclassify.status import Problem, Status

SAMPLE = 1000  # lines that are looked at for names and for the type of ids
KINDS = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    list: pa.list_(pa.null()),
    dict: pa.struct([]),
    type(None): pa.null(),
}


class JsonLinesPart:
    """One JSON Lines file. Nested features and header have the precedence that Parquet's have."""

    n_rows = None

    def __init__(self, path: Place) -> None:
        self.path = path
        with path.open_buffered() as file:
            self._sample = [record for _, record in _records(islice(file, SAMPLE)) if record]
        self.columns: dict[str, pa.DataType] = {}
        for record in self._sample:
            for name, value in _flat(record).items():
                if pa.types.is_null(self.columns.get(name, pa.null())):  # nothing but nulls so far
                    self.columns[name] = KINDS[type(value)]
        if not self.columns:
            raise InputError(f"{path} is not JSON Lines: none of its first lines is an object")

    def id_type(self, name: str) -> pa.DataType:
        """64-bit integers if the ids are, otherwise text."""
        if name not in self.columns:
            raise InputError(f"{self.path}: there is no key {name!r}")
        ids = [_flat(record).get(name) for record in self._sample]
        return pa.int64() if all(_is_int64(value) for value in ids) else pa.string()

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The lines in order, at most ``size`` at a time. A line that is no object is a problem."""
        id_type = self.id_type(id_name) if id_name in self.columns else None
        with self.path.open_buffered() as file:
            lines = _records(file)
            while rows := list(islice(lines, size)):
                problems: dict[int, Problem] = {}
                records = [_read(row, *line, problems) for row, line in enumerate(rows)]
                if id_type:
                    object_id = _ids(id_name, records, id_type, problems)
                else:
                    object_id = self.path.key_column(id_name, len(rows))
                values = {name: _column(name, records, problems) for name in columns}
                yield Batch(
                    object_id=object_id,
                    id_name=id_name,
                    features=number_table(values, problems, len(rows)),
                    problems=problems,
                )


def _records(lines: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line number and object of each line that is not blank; None if it is no JSON object."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            yield number, record if isinstance(record, dict) else None


def _read(
    row: int, number: int, record: dict[str, Any] | None, problems: dict[int, Problem]
) -> dict[str, Any]:
    if record is None:
        problems[row] = Problem(Status.INVALID_RECORD, f"line {number} is not a JSON object")
        return {}
    if FEATURES in record and not isinstance(record[FEATURES], dict):
        problems[row] = Problem(Status.MISSING_FEATURES, "the object has no features")
    return _flat(record)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    nested = {name: record[name] for name in (FEATURES, *HEADERS) if name in record}
    values = {name: value for name, value in record.items() if name not in nested}
    header = {k: v for name in HEADERS for k, v in (nested.get(name) or {}).items()}
    features = nested.get(FEATURES)
    return (features if isinstance(features, dict) else {}) | values | header


def _ids(
    name: str, records: Sequence[dict[str, Any]], kind: pa.DataType, problems: dict[int, Problem]
) -> pa.Array:
    return pa.array([_id(row, r.get(name), kind, problems) for row, r in enumerate(records)], kind)


def _id(row: int, value: Any, kind: pa.DataType, problems: dict[int, Problem]) -> Any:
    if pa.types.is_int64(kind):
        if _is_int64(value):
            return value
    elif isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    problems.setdefault(row, Problem(Status.INVALID_RECORD, f"{value!r} is no id of type {kind}"))
    return None


def _is_int64(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _column(name: str, records: Sequence[dict[str, Any]], problems: dict[int, Problem]) -> pa.Array:
    values = [record.get(name) for record in records]
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([_number(name, row, v, problems) for row, v in enumerate(values)])


def _number(name: str, row: int, value: Any, problems: dict[int, Problem]) -> str | None:
    """A value as text, which ``number_table`` reads as it reads that of a CSV file."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return repr(float(value)) if abs(value) < 2**1023 else str(value)
    problems.setdefault(
        row, Problem(Status.INVALID_FEATURES, f"{name} = {value!r:.60} is not a number")
    )
    return None
