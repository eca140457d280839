"""Feature names: the spellings under which a feature is found, and the receipt of a match."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lcclassify.bundle import Feature
from lcclassify.errors import InputError


def _rows(table: str) -> Iterator[dict[str, str]]:
    text = (files("lcclassify") / "catalogue" / table).read_text("utf-8")
    return csv.DictReader(text.splitlines())


@cache
def _spellings() -> Mapping[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {}
    for row in _rows("aliases.csv"):
        groups.setdefault(row["name"], [row["name"]]).append(row["alias"])
    spellings = {
        name: (name, *(other for other in group if other != name))
        for group in groups.values()
        for name in group
    }
    for row in _rows("header.csv"):  # the alert's own header wins over a copy among the features
        pair = (row["diaobject"], row["model"])
        spellings |= dict.fromkeys(pair, pair)
    return spellings


def accepted_names(feature: str) -> tuple[str, ...]:
    """The column names that a feature is read from, in order of preference."""
    return _spellings().get(feature, (feature,))


def is_header(feature: str) -> bool:
    """Whether a feature is one of the 64 header values of an ELAsTiCC alert."""
    return accepted_names(feature)[0] in header_names()


@cache
def header_names() -> frozenset[str]:
    """The header values as an alert's ``diaObject`` calls them."""
    return frozenset(row["diaobject"] for row in _rows("header.csv"))


def network_inputs(count: int) -> tuple[str, ...] | None:
    """The tabular inputs of ALeRCE's networks that take so many, in order; None if none does."""
    header = tuple(row["model"] for row in _rows("header.csv"))
    features = tuple(row["feature"] for row in _rows("messi_features.csv"))
    return {len(header): header, len(header) + len(features): header + features}.get(count)


def input_spellings(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Each input of a network with the column names that it is read from.

    A feature that shares a column name with a header value (mwebv) is first looked for under
    ``features.NAME``.
    """
    header = {name for name in names if is_header(name) and accepted_names(name)[0] != name}
    return {
        name: (f"features.{name}", *spellings) if header & set(spellings) - {name} else spellings
        for name in names
        for spellings in [accepted_names(name)]
    }


@cache
def header_columns() -> frozenset[str]:
    """The models' own names of these 64 values. ``mwebv`` is none: it is a feature of Messi."""
    return frozenset(row["model"] for row in _rows("header.csv"))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of each feature of a model in a table with certain columns."""

    columns: Mapping[str, str | None]  # feature -> column that it is read from; None: not there

    @property
    def missing(self) -> tuple[str, ...]:
        """Features that no column gives."""
        return tuple(name for name, column in self.columns.items() if column is None)

    @property
    def aliased(self) -> Mapping[str, str]:
        """Features that a column of another name gives."""
        return {n: column for n, column in self.columns.items() if column not in (None, n)}

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are read, in the order of the features."""
        return tuple(column for column in self.columns.values() if column is not None)

    @property
    def coverage(self) -> float:
        """Share of the features that some column gives."""
        return len(self.used) / len(self.columns) if self.columns else 1.0

    def require(self, coverage: float, model: str) -> None:
        """Refuse a table that gives less than this share of the features. InputError"""
        if self.coverage < coverage:
            enough = math.floor(100 * self.coverage) / 100
            hint = (
                f"; --min-coverage {enough:.2f} would fill them as not computed" if enough else ""
            )
            raise InputError(
                f"{model} needs {len(self.columns)} features and the input gives "
                f"{len(self.used)}; missing: {some_of(self.missing)}. See validate-schema for the "
                f"whole list{hint}"
            )


def match_features(features: Sequence[Feature], columns: Sequence[str]) -> Receipt:
    """Find the column that gives each feature, under any spelling that the model accepts."""
    there = set(columns)
    return Receipt(
        {
            feature.name: next((name for name in feature.accepts if name in there), None)
            for feature in features
        }
    )


def some_of(names: Sequence[str], limit: int = 8) -> str:
    """Names for a message, cut after a few."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
