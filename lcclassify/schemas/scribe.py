"""Commands for ALeRCE's scribe, which writes to its databases: JSON in records {"payload": text}.

``scribe`` has a command per object, ``scribe-hierarchy`` further ones for the class tree,
``scribe-score`` the same as scores, ``scribe-per-class`` one per object, classifier and class. An
object without an answer has none. The commands of a batch come classifier by classifier, those of
``scribe-per-class`` object by object.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lcclassify.errors import InputError, os_reason
from lcclassify.prediction import Prediction
from lcclassify.schemas.avro import (
    AvroOutput,
    OutputOptions,
    inner_nodes,
    without_answer,
    without_context,
)
from lcclassify.taxonomy import Taxonomy

IDS_HEADER = ["classifier_name", "classifier_id", "class_name", "class_id"]
OPTIONS = {"upsert": True, "set_on_insert": False}


@dataclass(frozen=True, slots=True)
class Head:
    """The leaves, or the children of one node, which the scribe takes for a classifier."""

    name: str  # of this classifier
    classes: tuple[str, ...]
    node: int | None  # whose children these are; -1 is the root, None all leaves

    def probability(self, prediction: Prediction) -> np.ndarray:
        """P(class), or P(class | node). (N, C) float64"""
        if self.node is None:
            return prediction.leaf_probability
        return prediction.conditional[:, prediction.bundle.taxonomy.children(self.node)]


Command = Callable[[Head, str, Sequence[float]], dict[str, Any]]  # of an object with this id


def scribe_output(name: str, options: OutputOptions) -> AvroOutput:
    """``scribe`` or one of its other forms. InputError if what a form needs is not given."""
    if name == "scribe-per-class":
        return _per_class_output(options)
    leaves, *tree = _heads(options, lower=name == "scribe-hierarchy")
    heads = {
        "scribe": [leaves],
        "scribe-hierarchy": [leaves, *tree[1:], *tree[:1]],  # the top comes last
        "scribe-score": [leaves, *tree],
    }[name]
    command: Callable[..., dict[str, Any]] = _score if name == "scribe-score" else _update
    return AvroOutput(
        schema_name="scribe",
        bundle=options.bundle,
        records=partial(_records, heads=heads, command=partial(command, version=options.version)),
        refuse=without_answer,
        about=lambda rows: np.tile(rows, len(heads)),
    )


def _heads(options: OutputOptions, *, lower: bool) -> list[Head]:
    """All leaves; then, unless the model is flat, the top and each node's children."""
    tree = options.bundle.taxonomy
    inner = inner_nodes(tree).tolist()
    heads = [Head(options.name, tree.classes, None)]
    for node in [-1, *inner] if inner else []:
        suffix = tree.nodes[node] if node >= 0 else "top"
        name = f"{options.name}_{suffix.lower() if lower else suffix}"
        heads.append(Head(name, _children(tree, node), node))
    return heads


def _children(tree: Taxonomy, node: int) -> tuple[str, ...]:
    return tuple(tree.nodes[child] for child in tree.children(node))


def _update(head: Head, object_id: str, values: Sequence[float], version: str) -> dict[str, Any]:
    about = {"classifier_name": head.name, "classifier_version": version}
    return {
        "collection": "object",
        "type": "update_probabilities",
        "criteria": {"_id": object_id},
        "data": about | dict(zip(head.classes, values, strict=True)),
        "options": OPTIONS,
    }


def _score(head: Head, object_id: str, values: Sequence[float], version: str) -> dict[str, Any]:
    scores = [
        {"name": name, "score": value} for name, value in zip(head.classes, values, strict=True)
    ]
    return {
        "collection": "score",
        "type": "insert",
        "criteria": {"_id": object_id},
        "data": {
            "detector_name": head.name,
            "detector_version": version,
            "categories": scores,
        },
        "options": OPTIONS,
    }


def _records(
    prediction: Prediction, rows: np.ndarray, heads: Sequence[Head], command: Command
) -> pa.Table:
    ids = prediction.batch.object_id.cast(pa.string()).take(pa.array(rows)).to_pylist()
    return _payloads(
        command(head, object_id, values)
        for head in heads
        for object_id, values in zip(ids, head.probability(prediction)[rows].tolist(), strict=True)
    )


def _payloads(commands: Iterator[dict[str, Any]]) -> pa.Table:
    return pa.table({"payload": pa.array(map(json.dumps, commands), pa.string())})


def _per_class_output(options: OutputOptions) -> AvroOutput:
    if options.sid is None or options.scribe_ids is None:
        raise InputError(
            "scribe-per-class needs a survey's sid (--sid) and a table of ids (--scribe-ids)"
        )
    if not _is_int(options.version, 16):
        raise InputError(
            f"scribe-per-class needs a version that is a small integer, not {options.version!r}"
        )
    ids = read_ids(options.scribe_ids)
    if options.name not in ids:
        raise InputError(f"{options.scribe_ids} has no classifier {options.name}")
    heads = [head for head in _heads(options, lower=True) if head.name in ids]
    known = {head.name: set(head.classes) for head in heads}
    for name, (_, classes) in ids.items():
        if stray := known.get(name, set()) ^ classes.keys():
            raise InputError(
                f"{options.scribe_ids} and {options.bundle.label} do not agree about {name}: one "
                f"of them has no class {', '.join(sorted(stray))}"
            )
    about = {"survey": options.survey, "sid": options.sid, "version": int(options.version)}
    return AvroOutput(
        schema_name="scribe",
        bundle=options.bundle,
        records=partial(_per_class, heads=heads, ids=ids, about=about),
        refuse=_refuse_per_class,
        about=lambda rows: np.repeat(rows, sum(len(head.classes) for head in heads)),
        requires=("lastmjd",),
    )


def read_ids(path: Path) -> dict[str, tuple[int, dict[str, int]]]:
    """Classifier -> its id, and the ids of its classes, from a CSV file with IDS_HEADER."""
    ids: dict[str, tuple[int, dict[str, int]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name, number, of_class, class_number = (row[column] for column in IDS_HEADER)
                _, classes = ids.setdefault(name, (int(number), {}))
                classes[of_class] = int(class_number)
    except OSError as error:
        raise InputError(f"cannot read {path}: {os_reason(error)}") from None
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} is not a table of {', '.join(IDS_HEADER)}") from None
    return ids


def _refuse_per_class(prediction: Prediction) -> dict[int, str]:
    """A last date that is no number would never be replaced; the database's ids are integers."""
    mjd = prediction.batch.context["lastmjd"].to_pylist()
    ids = prediction.batch.object_id.cast(pa.string()).to_pylist()
    not_integer = {
        row: "the object id is no 64-bit integer"
        for row, object_id in enumerate(ids)
        if not _is_int(object_id or "", 64)
    }
    not_finite = {
        row: "lastmjd is not finite"
        for row, value in enumerate(mjd)
        if value is not None and not math.isfinite(value)
    }
    no_mjd = without_context(prediction, ["lastmjd"])
    return not_integer | not_finite | no_mjd | without_answer(prediction)


def _per_class(
    prediction: Prediction,
    rows: np.ndarray,
    heads: Sequence[Head],
    ids: Mapping[str, tuple[int, dict[str, int]]],
    about: Mapping[str, Any],
) -> pa.Table:
    object_ids = prediction.batch.object_id.cast(pa.string()).to_pylist()
    mjd = prediction.batch.context["lastmjd"].to_pylist()
    answers = []
    for head in heads:
        classifier_id, class_ids = ids[head.name]
        texts = [_around_values(about, classifier_id, class_ids[name]) for name in head.classes]
        probability = head.probability(prediction)[rows]
        answers.append((texts, probability.tolist(), _ranking(probability).tolist()))

    def commands() -> Iterator[str]:
        for place, row in enumerate(rows.tolist()):
            oid, date = int(object_ids[row]), mjd[row]
            for texts, probability, ranking in answers:
                for (a, b, c, d, e), value, rank in zip(
                    texts, probability[place], ranking[place], strict=True
                ):
                    yield f"{a}{oid}{b}{value!r}{c}{rank}{d}{date!r}{e}"

    return pa.table({"payload": pa.array(commands(), pa.string())})


def _around_values(about: Mapping[str, Any], classifier_id: int, class_id: int) -> list[str]:
    """The five texts before, between and after the values of a command.

    An object has some 45 commands that differ in nothing else; ``json.dumps`` for each takes three
    times as long.
    """
    value = "\0"
    payload = {
        "oid": value,
        "sid": about["sid"],
        "classifier_id": classifier_id,
        "classifier_version": about["version"],
        "class_id": class_id,
        "probability": value,
        "ranking": value,
        "lastmjd": value,
    }
    command = {"step": "update-probability", "survey": about["survey"], "payload": payload}
    return json.dumps(command).split(json.dumps(value))


def _ranking(probability: np.ndarray) -> np.ndarray:
    """Ranks from 1 for the most probable class; ties share a rank. (n, C) int64"""
    order = np.argsort(-probability, axis=1)
    falling = np.take_along_axis(probability, order, axis=1)
    rank = np.ones(probability.shape, np.int64)
    rank[:, 1:] += np.cumsum(falling[:, 1:] != falling[:, :-1], axis=1)
    ranking = np.empty_like(rank)
    np.put_along_axis(ranking, order, rank, axis=1)
    return ranking


def _is_int(text: str, bits: int) -> bool:
    limit = 1 << bits - 1
    return re.fullmatch(r"-?[0-9]{1,19}", text) is not None and -limit <= int(text) < limit
