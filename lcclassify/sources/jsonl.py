"""JSON Lines: one object per line, its features beside the id or in a nested object."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import check_ids, number_table
from lcclassify.sources.delimited import check_encoding
from lcclassify.sources.parquet import FEATURES, HEADERS
from lcclassify.status import Problem, Status


class JsonLinesPart:
    """One JSON Lines file. Nested features and header have the precedence that Parquet's have.

    It is read twice: names and the type of ids may come up in any line, and must not depend on
    the order of lines.
    """

    n_rows = None

    def __init__(self, path: Path) -> None:
        self.path = path
        check_encoding(path)
        kinds: dict[str, set[type]] = {}  # of the values that are not null
        self._has_nested = False
        with path.open("rb") as file:
            for _, record in _records(file):
                self._has_nested |= isinstance((record or {}).get(FEATURES), dict)
                for name, value in _flat(record or {}).items():
                    kinds.setdefault(name, set()).update(() if value is None else (_kind(value),))
        if not kinds:
            raise InputError(f"{path} is not JSON Lines: none of its lines is an object")
        self._kinds = kinds
        self.columns = {name: _column_type(found) for name, found in kinds.items()}

    def id_type(self, name: str) -> pa.DataType:
        """64-bit integers if the ids are, otherwise text."""
        if name not in self.columns:
            raise InputError(f"{self.path}: there is no key {name!r}")
        return pa.int64() if self._kinds[name] == {int} else pa.string()

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The lines in order, at most ``size`` at a time. A line that is no object is a problem."""
        id_type = self.id_type(id_name)
        with self.path.open("rb") as file:
            lines = _records(file)
            while rows := list(islice(lines, size)):
                problems: dict[int, Problem] = {}
                records = [self._read(row, *line, problems) for row, line in enumerate(rows)]
                ids = [_id(row, r.get(id_name), id_type, problems) for row, r in enumerate(records)]
                values = {name: _column(name, records, problems) for name in columns}
                object_id = pa.array(ids, id_type)
                check_ids(object_id, problems)
                yield Batch(
                    object_id=object_id,
                    id_name=id_name,
                    features=number_table(values, problems, len(rows)),
                    problems=problems,
                )

    def _read(
        self,
        row: int,
        number: int,
        record: dict[str, Any] | None,
        problems: dict[int, Problem],
    ) -> dict[str, Any]:
        if record is None:
            problems[row] = Problem(Status.INVALID_RECORD, f"line {number} is not a JSON object")
            return {}
        if self._has_nested and not isinstance(record.get(FEATURES), dict):
            problems[row] = Problem(Status.MISSING_FEATURES, "the object has no features")
        return _flat(record)


def _records(lines: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line number and object of each line that is not blank; None if it is no JSON object."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            yield number, record if isinstance(record, dict) else None


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Features and header beside the record's own values, in order of precedence."""
    nested = {name: record[name] for name in (FEATURES, *HEADERS) if name in record}
    values = {name: value for name, value in record.items() if name not in nested}
    header: dict[str, Any] = {}
    for name in HEADERS:
        if isinstance(nested.get(name), dict):
            header |= nested[name]
    features = nested.get(FEATURES)
    return (features if isinstance(features, dict) else {}) | values | header


def _kind(value: Any) -> type:
    """``int`` for what fits 64 bits, float for other numbers, str for all else."""
    if isinstance(value, bool) or (isinstance(value, int) and not -(2**63) <= value < 2**63):
        return float
    return type(value) if isinstance(value, int | float) else str


def _column_type(kinds: set[type]) -> pa.DataType:
    """The type of a column; text where some value is no number: each is then read for itself."""
    if not kinds:
        return pa.null()
    if str in kinds:
        return pa.string()
    return pa.int64() if kinds == {int} else pa.float64()


def _id(row: int, value: Any, kind: pa.DataType, problems: dict[int, Problem]) -> Any:
    """An id of the type, or None and a problem. A missing one is told by ``check_ids``."""
    if value is None or pa.types.is_int64(kind):
        return value
    if isinstance(value, str | int) and not isinstance(value, bool) and _is_text(str(value)):
        return str(value)
    problems.setdefault(row, Problem(Status.INVALID_RECORD, f"{value!r:.60} is no id"))
    return None


def _is_text(text: str) -> bool:
    """Whether a text can be written: JSON can spell halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _column(name: str, records: Sequence[dict[str, Any]], problems: dict[int, Problem]) -> pa.Array:
    values = [record.get(name) for record in records]
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([_number(name, row, v, problems) for row, v in enumerate(values)])


def _number(name: str, row: int, value: Any, problems: dict[int, Problem]) -> str | None:
    """A value as text, which ``number_table`` reads as it reads that of a CSV file."""
    if value is None or (isinstance(value, str) and _is_text(value)):
        return value
    if isinstance(value, int | float):
        return repr(float(value)) if abs(value) < 2**1023 else str(value)
    problems.setdefault(
        row, Problem(Status.INVALID_FEATURES, f"{name} = {value!r:.60} is not a number")
    )
    return None
