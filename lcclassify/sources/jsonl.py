"""JSON Lines: one object per line, its features beside the id or in a nested object."""

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.columns import number_table
from lcclassify.sources.curve_forms import IDS
from lcclassify.sources.delimited import check_encoding
from lcclassify.sources.ids import add_strange, exact_ids
from lcclassify.sources.parquet import FEATURES, NO_FEATURES
from lcclassify.sources.places import Place
from lcclassify.sources.records import (
    exact_array,
    flatten,
    hidden_values,
    id_array,
    id_places,
    is_int64,
    number_array,
)
from lcclassify.status import Problem, Status


class JsonLinesPart:
    """One JSON Lines file. Nested features and header have the precedence that Parquet's have.

    It is read twice: names and the type of ids may come up in any line, and must not depend on
    the order of lines.
    """

    n_rows = None
    schema_name = ""
    row_group_sizes = ()

    def __init__(self, path: Place) -> None:
        self.path = path
        check_encoding(path)
        kinds: dict[str, set[type]] = {}  # of the values that are not null
        hidden: dict[str, set[type]] = {}  # of those that others of the same name win over
        self._has_nested = False
        with path.open_buffered() as file:
            for _, record in _records(file):
                self._has_nested |= isinstance((record or {}).get(FEATURES), dict)
                for name, value in flatten(record or {}).items():
                    kinds.setdefault(name, set()).update(() if value is None else (_kind(value),))
                for name, value in hidden_values(record or {}):
                    hidden.setdefault(name, set()).update(() if value is None else (_kind(value),))
        if not kinds:
            raise InputError(f"{path} is not JSON Lines: none of its lines is an object")
        kinds = {name: hidden[name] for name in IDS if name in hidden} | kinds
        self._id_kinds = {name: found | hidden.get(name, set()) for name, found in kinds.items()}
        self.columns = {name: _column_type(found) for name, found in kinds.items()}

    def id_type(self, name: str) -> pa.DataType:
        """64-bit integers if the ids are, or were before they went through a float; or text."""
        kinds = self._id_kinds[name]
        return pa.int64() if kinds and kinds <= {int, float} else pa.string()

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The lines in order, at most ``size`` at a time. A line that is no object is a problem."""
        id_type = self.id_type(id_name) if id_name in self.columns else pa.string()
        with self.path.open_buffered() as file:
            lines = _records(file)
            while rows := list(islice(lines, size)):
                problems: dict[int, Problem] = {}
                whole = [record or {} for _, record in rows]
                records = [self._read(row, *line, problems) for row, line in enumerate(rows)]
                ids = id_array(id_name, [id_places(r, id_name) for r in whole], id_type)
                add_strange(ids, problems)
                context = {name: exact_array([r.get(name) for r in records]) for name in exact}
                context |= {
                    name: exact_ids(id_array(name, [id_places(r, name) for r in whole], kind))
                    for name in IDS
                    if name in exact and pa.types.is_integer(kind := self.id_type(name))
                }
                values = {
                    name: number_array(name, [r.get(name) for r in records], problems)
                    for name in columns
                }
                yield Batch(
                    object_id=ids.values,
                    id_name=id_name,
                    features=number_table(values, problems, len(rows)),
                    problems=problems,
                    context=pa.table(context),
                    rounded=ids.rounded,
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
            problems[row] = NO_FEATURES
        return flatten(record)


def _records(lines: Iterator[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Line number and object of each line that is not blank; None if it is no JSON object."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                record = None
            yield number, record if isinstance(record, dict) else None


def _kind(value: Any) -> type:
    """``int`` if it fits 64 bits, or else Decimal; float, list, or str for all else."""
    if isinstance(value, list):
        return list
    if type(value) is int:
        return int if is_int64(value) else Decimal
    return float if isinstance(value, int | float) else str


def _column_type(kinds: set[type]) -> pa.DataType:
    """The type of a column; text where some value is no number: each is then read for itself."""
    if not kinds:
        return pa.null()
    if kinds == {list}:
        return pa.list_(pa.null())
    if kinds & {str, list}:
        return pa.string()
    return pa.int64() if kinds == {int} else pa.float64()
