"""Outputs that follow a published Avro schema: a table of its records, and what the header says.

Such a table carries its schema and its provenance in the metadata of its Arrow schema, so that any
sink can hand them on: ``avro.schema`` as JSON, and the keys that begin with ``lcclassify.``.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lcclassify import __version__
from lcclassify.bundle import Feature, ModelBundle
from lcclassify.errors import InputError
from lcclassify.features import Receipt, accepted_names, match_features
from lcclassify.prediction import Prediction
from lcclassify.status import Problem
from lcclassify.taxonomy import Taxonomy

SCHEMA_KEY = "avro.schema"  # as in the header of an Avro file
FEATURES = "features"  # in the context: a map of all the features that each object came with


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What the published schemas leave open."""

    bundle: ModelBundle
    classifier_name: str | None = None  # None: the bundle's
    classifier_version: str | None = None
    broker_name: str = "ALeRCE"
    scribe_ids: Path | None = None  # the last three: for scribe-per-class alone
    survey: str = "ztf"
    sid: int | None = None

    @property
    def name(self) -> str:
        """The classifier's name in records."""
        return self.classifier_name or self.bundle.name

    @property
    def version(self) -> str:
        """The classifier's version in records."""
        return self.classifier_version or self.bundle.version


class Answers(NamedTuple):
    """The records of one batch."""

    table: pa.Table
    rows: np.ndarray  # (n,) int64, of the batch: whom each record is about
    refused: Mapping[int, str]  # rows that have no record, and why


def _one_each(rows: np.ndarray) -> np.ndarray:
    return rows


@dataclass(frozen=True, slots=True)
class AvroOutput:
    """An output schema whose tables are records of a published Avro schema."""

    schema_name: str  # of the .avsc file
    bundle: ModelBundle
    records: Callable[[Prediction, np.ndarray], pa.Table]  # of these rows, (n,) int64
    refuse: Callable[[Prediction], Mapping[int, str]]  # rows that have no record, and why
    requires: tuple[str, ...] = ()  # columns of the context that must be there
    context: tuple[str, ...] = ()  # further ones that are written if they are there
    features: tuple[str, ...] = ()  # features to read besides the model's own
    all_features: bool = False  # whether all are written that an object came with, where known
    about: Callable[[np.ndarray], np.ndarray] = _one_each  # rows -> that of each record of them
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> objects without a record

    def __call__(self, prediction: Prediction) -> pa.Table:
        """The records of one batch, in its order. InputError if a required column is not there."""
        return self.answers(prediction).table

    def answers(self, prediction: Prediction) -> Answers:
        """The records, and whom each is about. InputError likewise."""
        there = prediction.batch.context.column_names
        if missing := [name for name in self.requires if name not in there]:
            raise InputError(
                f"the input has no column {' and no '.join(missing)}, which every "
                f"{self.schema_name} record must have"
            )
        refused = self.refuse(prediction)
        self.left_out.update(refused.values())
        rows = np.setdiff1d(np.arange(len(prediction.batch)), list(refused))
        table = self.records(prediction, rows).replace_schema_metadata(self._metadata())
        return Answers(table, self.about(rows), refused)

    def columns(self, there: Sequence[str]) -> tuple[str, ...]:
        """Of these columns of features, those to read besides the model's own."""
        return match_names(self.features, there).used

    def _metadata(self) -> dict[str, str]:
        return {
            SCHEMA_KEY: avsc_text(self.schema_name),
            "lcclassify.model_name": self.bundle.name,
            "lcclassify.model_version": self.bundle.version,
            "lcclassify.model_digest": self.bundle.digest,
            "lcclassify.version": __version__,
        }


@cache
def avsc_text(name: str) -> str:
    """An Avro schema that is shipped, as JSON."""
    return (files("lcclassify") / "schemas" / f"{name}.avsc").read_text("utf-8")


def read_avsc(name: str) -> dict[str, Any]:
    """An Avro schema that is shipped."""
    return dict(json.loads(avsc_text(name)))


def match_names(names: Sequence[str], columns: Sequence[str]) -> Receipt:
    """Find the column that gives each feature of a schema, under any known spelling."""
    return match_features([Feature(name, accepted_names(name), None) for name in names], columns)


def without_answer(prediction: Prediction) -> dict[int, str]:
    """Rows that the model has not answered."""
    return {row: no_answer(problem) for row, problem in prediction.problems.items()}


def no_answer(problem: Problem) -> str:
    """What is said of an object that the model has not answered."""
    return f"no answer ({problem.status.name.lower()})"


def without_context(prediction: Prediction, names: Sequence[str]) -> dict[int, str]:
    """Rows where one of these columns of the context is null."""
    return {
        int(row): f"no {name}"
        for name in reversed(names)  # the first reason wins
        for row in np.flatnonzero(prediction.batch.context[name].is_null())
    }


def inner_nodes(tree: Taxonomy) -> np.ndarray:
    """Indices of the nodes that have children; none in a flat model. int64"""
    parents = np.unique(tree.parent)
    return parents[parents >= 0]


def map_array(names: Sequence[str], values: np.ndarray) -> pa.Array:
    """Maps of the same names to the numbers of each row; null for NaN. (n, D) float64 -> (n,)"""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * len(names)
    items = pa.array(values.ravel(), from_pandas=True)
    return pa.MapArray.from_arrays(offsets, tiled(names, len(values)), items)


def tiled(names: Sequence[str], n_times: int) -> pa.Array:
    """Names, over and over."""
    index = np.tile(np.arange(len(names)), n_times)
    return pa.array(names, pa.string()).take(pa.array(index))


def struct_array(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Structs of these fields."""
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))
