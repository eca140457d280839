"""ALeRCE's classification records: features, probabilities, class tree, and the class.

``alerce`` has a record of the 178 ZTF features, ``alerce-map`` a map of the features that were
read, under the names they came with. An object without an answer has no record.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa

from lcclassify.features import Receipt
from lcclassify.prediction import Prediction
from lcclassify.predictors.matrix import feature_matrix
from lcclassify.schemas.avro import (
    FEATURES,
    AvroOutput,
    OutputOptions,
    inner_nodes,
    map_array,
    match_names,
    read_avsc,
    struct_array,
    tiled,
    without_answer,
)


def alerce_output(name: str, options: OutputOptions) -> AvroOutput:
    """``alerce`` or ``alerce-map``."""
    features: Callable[[Prediction, np.ndarray], pa.Array] = _feature_map
    fields: dict[str, bool] = {}
    if name == "alerce":
        fields = _fields()
        features = partial(_feature_record, fields=fields)
    return AvroOutput(
        schema_name=name,
        bundle=options.bundle,
        records=partial(_records, features=features),
        refuse=without_answer,
        features=tuple(fields),
        all_features=name == "alerce-map",
    )


def _fields() -> dict[str, bool]:
    """Features of the record in their order, and whether each is a 32-bit float."""
    fields = {field["name"]: field["type"] for field in read_avsc("alerce")["fields"]}
    return {field["name"]: "float" in field["type"] for field in fields["features"]["fields"]}


def _records(
    prediction: Prediction,
    rows: np.ndarray,
    features: Callable[[Prediction, np.ndarray], pa.Array],
) -> pa.Table:
    names = pa.array(prediction.bundle.taxonomy.classes)
    classification = {
        "probabilities": map_array(
            prediction.bundle.taxonomy.classes, prediction.leaf_probability[rows]
        ),
        "class": names.take(pa.array(prediction.ranking[rows, 0])),
        "hierarchical": _hierarchical(prediction, rows),
    }
    return pa.table(
        {
            "oid": prediction.batch.object_id.cast(pa.string()).take(pa.array(rows)),
            "features": features(prediction, rows),
            "lc_classification": struct_array(classification),
        }
    )


def _hierarchical(prediction: Prediction, rows: np.ndarray) -> pa.Array:
    """P(node) below the root, and P(child | node) of each node; both empty for a flat model."""
    tree, conditional = prediction.bundle.taxonomy, prediction.conditional[rows]
    inner = inner_nodes(tree)
    top = tree.children(-1) if len(inner) else inner
    children = [tree.children(node) for node in inner]
    below = np.concatenate([inner[:0], *children])
    sizes = np.tile([len(part) for part in children], len(rows))
    maps = pa.MapArray.from_arrays(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        tiled([tree.nodes[node] for node in below], len(rows)),
        pa.array(conditional[:, below].ravel()),
    )
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * len(inner)
    nodes = tiled([tree.nodes[node] for node in inner], len(rows))
    return struct_array(
        {
            "top": map_array([tree.nodes[node] for node in top], conditional[:, top]),
            "children": pa.MapArray.from_arrays(offsets, nodes, maps),
        }
    )


def _feature_record(prediction: Prediction, rows: np.ndarray, fields: dict[str, bool]) -> pa.Array:
    table = prediction.batch.features
    matrix = feature_matrix(table, match_names(list(fields), table.column_names))[rows]
    single = np.array(list(fields.values()))
    matrix[:, single] = _within_single(matrix[:, single])
    return struct_array(
        {
            name: pa.array(np.ascontiguousarray(matrix[:, column]), from_pandas=True)
            for column, name in enumerate(fields)
        }
    )


def _feature_map(prediction: Prediction, rows: np.ndarray) -> pa.Array:
    context, table = prediction.batch.context, prediction.batch.features
    if FEATURES in context.column_names:  # each message brought its own
        maps = context[FEATURES].combine_chunks().take(pa.array(rows))
        values = _within_single(maps.items.to_numpy(zero_copy_only=False))
        items = pa.array(values, from_pandas=True)
        return pa.MapArray.from_arrays(maps.offsets, maps.keys, items)
    if not table.column_names:
        return map_array([], np.empty((len(rows), 0)))
    as_they_came = Receipt({name: name for name in table.column_names})
    matrix = feature_matrix(table, as_they_came)[rows]
    return map_array(table.column_names, _within_single(matrix))


def _within_single(values: np.ndarray) -> np.ndarray:
    """Numbers for a 32-bit float: NaN where a finite one would become infinite."""
    with np.errstate(over="ignore"):
        overflows = np.isinf(values.astype(np.float32)) & np.isfinite(values)
    return np.where(overflows, np.nan, values)
