"""Which value of a message each column of a batch is read from, each message for itself."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.features import accepted_names, is_header
from lcclassify.sources.columns import number_table
from lcclassify.sources.parquet import FEATURES, HEADERS, homonyms
from lcclassify.sources.records import Record, number_array
from lcclassify.status import Problem

PLAIN = frozenset((float, int, bool, type(None)))
N_PLANS = 256  # that are remembered: messages of one schema have one
OF_FEATURES, OF_MESSAGE, OF_HEADER, NOWHERE = range(4)
Place = tuple[int, str]  # which of these, and the name there


class Plan(NamedTuple):
    """Where the columns are in messages with certain names."""

    places: tuple[Place, ...]
    missing: tuple[str, ...]  # of the features that count, those that are not there
    from_features: Callable[[Record], tuple[Any, ...]] | None  # where no other place is read


class Columns:
    """The columns that a model and an output schema ask for, under names that are one's own each.

    A value is found as it is in a file: the header wins over the message, that over its features.
    """

    def __init__(self, bundle: ModelBundle, others: Sequence[str]) -> None:
        self._accepts = {feature.accepts[0]: feature.accepts for feature in bundle.features}
        # An alert may lack its header, or part of it, and is answered: its values do not count.
        self._count = frozenset(name for name in self._accepts if not is_header(name))
        self.n_features = len(self._count)
        for name in others:
            self._accepts.setdefault(name, accepted_names(name))
        self._plan = lru_cache(N_PLANS)(self._make_plan)

    @property
    def accepted(self) -> frozenset[str]:
        """Every name that some column may be read from."""
        prefix = f"{FEATURES}."
        return frozenset(n.removeprefix(prefix) for names in self._accepts.values() for n in names)

    def read(self, message: Record) -> tuple[Sequence[Any], tuple[str, ...]]:
        """The value of each column; and the model's features that are not there, but no header."""
        features = message.get(FEATURES)
        if not isinstance(features, dict):
            features = {}
        header: dict[str, Any] = {}
        for name in HEADERS:
            if isinstance(found := message.get(name), dict):
                header |= found
        plan = self._plan(tuple(features), tuple(message), tuple(header))
        if plan.from_features is not None:
            return plan.from_features(features), plan.missing
        sources = features, message, header, dict.fromkeys([""])
        return [sources[source][name] for source, name in plan.places], plan.missing

    def table(self, rows: Sequence[Sequence[Any]], problems: dict[int, Problem]) -> pa.Table:
        """Rows of values as columns of numbers; adds the rows with a value that is none."""
        if not self._accepts:
            return number_table({}, problems, len(rows))
        matrix = np.empty((len(rows), len(self._accepts)))
        for row, values in enumerate(rows):
            try:
                plain = PLAIN.issuperset(map(type, values))
                matrix[row] = values if plain else self._numbers(row, values, problems)
            except OverflowError:  # an integer that no float comes near
                matrix[row] = self._numbers(row, values, problems)
        columns = np.ascontiguousarray(matrix.T)
        return pa.table(dict(zip(self._accepts, map(pa.array, columns), strict=True)))

    def _numbers(self, row: int, values: Sequence[Any], problems: dict[int, Problem]) -> np.ndarray:
        """What a file's reader makes of such values."""
        found: dict[int, Problem] = {}
        arrays = {
            name: number_array(name, [value], found)
            for name, value in zip(self._accepts, values, strict=True)
        }
        table = number_table(arrays, found, 1)
        if found:
            problems.setdefault(row, found[0])
        return np.array([column[0].as_py() for column in table.columns], np.float64)

    def _make_plan(
        self, features: Sequence[str], own: Sequence[str], header: Sequence[str]
    ) -> Plan:
        there: dict[str, Place] = {name: (OF_FEATURES, name) for name in features}
        there |= {name: (OF_MESSAGE, name) for name in own if name not in (FEATURES, *HEADERS)}
        there |= {name: (OF_HEADER, name) for name in header}
        there |= {other: (OF_FEATURES, name) for name, other in homonyms(features)}
        found = {column: _first(column, names, there) for column, names in self._accepts.items()}
        places = tuple(found.values())
        missing = [
            name for name, (source, _) in found.items() if source == NOWHERE and name in self._count
        ]
        getter = None
        if len(places) > 1 and all(source == OF_FEATURES for source, _ in places):
            getter = itemgetter(*(name for _, name in places))
        return Plan(places, tuple(missing), getter)


def _first(column: str, names: Sequence[str], there: Mapping[str, Place]) -> Place:
    """Where a column is read from; not from the header if it is a feature of the same name."""
    is_homonym = column.startswith(f"{FEATURES}.")
    for name in names:
        if name in there and not (is_homonym and there[name][0] == OF_HEADER):
            return there[name]
    return NOWHERE, ""
