"""Flat tables: a column per class, the best classes only, or a row per object and class."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify import __version__
from lcclassify.errors import InputError
from lcclassify.prediction import Prediction
from lcclassify.schemas import OutputSchema


def flat_schema(
    *,
    tidy: bool = False,
    top: int | None = None,
    hierarchy: bool = False,
    kept: Sequence[str] = (),
) -> OutputSchema:
    """The flat schema that these choices name.

    ``tidy``: a row per object and class; ``top``: the most probable classes only; ``hierarchy``:
    further columns with P(node) and P(class | node); ``kept``: columns of the context, as they are.
    """
    if top is not None and top < 1:
        raise InputError(f"top={top}: at least one class is needed")
    if tidy and hierarchy:
        raise InputError("hierarchy adds columns, tidy has rows: choose one")
    if tidy:
        return partial(_tidy, top=top)
    classes = partial(_best, top=top) if top else _per_class
    return partial(_wide, classes=classes, hierarchy=hierarchy, kept=kept)


def _wide(
    prediction: Prediction,
    classes: Callable[[Prediction], dict[str, pa.Array]],
    hierarchy: bool,
    kept: Sequence[str],
) -> pa.Table:
    ranking, probability = prediction.ranking, prediction.leaf_probability
    best = {
        "class": _class_names(prediction, ranking[:, 0]),
        "probability": _numbers(_take(probability, ranking[:, 0])),
    }
    return _table(
        _ids(prediction),
        {name: prediction.batch.context[name].combine_chunks() for name in kept},
        best,
        _status(prediction),
        _amounts(prediction),
        classes(prediction),
        _hierarchy(prediction) if hierarchy else {},
        _provenance(prediction, len(prediction.batch)),
    )


def _per_class(prediction: Prediction) -> dict[str, pa.Array]:
    probability = prediction.leaf_probability
    names = prediction.bundle.taxonomy.classes
    return {name: _numbers(probability[:, index]) for index, name in enumerate(names)}


def _best(prediction: Prediction, top: int) -> dict[str, pa.Array]:
    ranking, probability = prediction.ranking, prediction.leaf_probability
    columns = {}
    for rank in range(min(top, ranking.shape[1])):
        leaf = ranking[:, rank]
        columns[f"class_{rank + 1}"] = _class_names(prediction, leaf)
        columns[f"probability_{rank + 1}"] = _numbers(_take(probability, leaf))
    return columns


def _hierarchy(prediction: Prediction) -> dict[str, pa.Array]:
    """``top/NODE`` below the root and ``child/NODE/CLASS``, conditional on NODE, below that."""
    tree = prediction.bundle.taxonomy
    columns = {}
    for node, (name, parent) in enumerate(zip(tree.nodes, tree.parent, strict=True)):
        column = f"child/{tree.nodes[parent]}/{name}" if parent >= 0 else f"top/{name}"
        columns[column] = _numbers(prediction.conditional[:, node])
    return columns


def _tidy(prediction: Prediction, top: int | None) -> pa.Table:
    """An object without an answer has one row, without a class."""
    n_objects, n_classes = len(prediction.batch), len(prediction.bundle.taxonomy.classes)
    n_rows = np.full(n_objects, min(top or n_classes, n_classes))
    n_rows[list(prediction.problems)] = 1
    row = np.repeat(np.arange(n_objects), n_rows)
    rank = np.arange(len(row)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    leaf = prediction.ranking[row, rank]
    answered = pa.array(prediction.answered[row])
    amounts = _amounts(prediction)
    one_row_each = _provenance(prediction, n_objects) | _status(prediction) | amounts
    columns = {name: column.take(pa.array(row)) for name, column in one_row_each.items()}
    ids = {name: column.take(pa.array(row)) for name, column in _ids(prediction).items()}
    names = pa.array(prediction.bundle.taxonomy.classes).take(pa.array(leaf))
    columns |= {
        "class_name": pc.if_else(answered, names, pa.scalar(None, pa.string())),
        "probability": _numbers(prediction.leaf_probability[row, leaf]),
        "ranking": pc.if_else(answered, pa.array(rank + 1), pa.scalar(None, pa.int64())),
    }
    order = [
        *("classifier_name", "classifier_version", "class_name", "probability", "ranking"),
        *("status", "reason", *amounts, "model_digest", "lcclassify_version"),
    ]
    return _table(ids, {name: columns[name] for name in order})


def _table(*parts: dict[str, pa.Array]) -> pa.Table:
    """All columns side by side. InputError if two have one name."""
    names = [name for part in parts for name in part]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(
            f"the result would have two columns {twice[0]!r}; rename the id column of the input, "
            "or choose another with --id"
        )
    return pa.table({name: column for part in parts for name, column in part.items()})


def _ids(prediction: Prediction) -> dict[str, pa.Array]:
    return {prediction.batch.id_name: prediction.batch.object_id}


def _status(prediction: Prediction) -> dict[str, pa.Array]:
    status: list[str] = ["ok"] * len(prediction.batch)
    reason: list[str | None] = [None] * len(prediction.batch)
    for row, note in prediction.notes.items():
        status[row] = note.status.name.lower()
        reason[row] = note.reason
    return {"status": pa.array(status, pa.string()), "reason": pa.array(reason, pa.string())}


def _amounts(prediction: Prediction) -> dict[str, pa.Array]:
    """What the model found of each object, whether that was enough or not; null: nobody counted."""
    bundle, n_objects = prediction.bundle, len(prediction.batch)
    needed = pa.scalar(len(bundle.features), pa.int32())
    columns = {
        "features_found": _counts(prediction.found, n_objects),
        "features_needed": pa.repeat(needed, n_objects),
    }
    if bundle.needs_light_curves:
        columns["observations_used"] = _counts(prediction.observations, n_objects)
    return columns


def _counts(counts: np.ndarray | None, n_objects: int) -> pa.Array:
    return pa.nulls(n_objects, pa.int32()) if counts is None else pa.array(counts, pa.int32())


def _provenance(prediction: Prediction, n_rows: int) -> dict[str, pa.Array]:
    bundle = prediction.bundle
    values = {
        "classifier_name": bundle.name,
        "classifier_version": bundle.version,
        "model_digest": bundle.digest,
        "lcclassify_version": __version__,
    }
    return {name: pa.repeat(pa.scalar(value), n_rows) for name, value in values.items()}


def _class_names(prediction: Prediction, leaf: np.ndarray) -> pa.Array:
    """Names of leaves, (N,) int; null where the object has no answer."""
    names = pa.array(prediction.bundle.taxonomy.classes)
    return names.take(pa.array(leaf, mask=~prediction.answered))


def _take(values: np.ndarray, column: np.ndarray) -> np.ndarray:
    """One value of each row. (N, L), (N,) -> (N,)"""
    return np.take_along_axis(values, column[:, None], axis=1)[:, 0]


def _numbers(values: np.ndarray) -> pa.Array:
    """Numbers with null for NaN. (N,)"""
    return pa.array(np.ascontiguousarray(values), from_pandas=True)
