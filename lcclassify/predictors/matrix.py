"""Tables of features to matrices in a model's order; needs no engine, which takes time to load."""

import numpy as np
import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError
from lcclassify.features import Receipt

ROWS = 64  # that are looked at at a time: what is known of them stays in the cache


def feature_matrix(table: pa.Table, receipt: Receipt) -> np.ndarray:
    """The features in the model's order, null and absent as NaN. (N, D) float64, C-contiguous"""
    columns = [
        pa.nulls(table.num_rows, pa.float64()) if name is None else _float64(table, name)
        for name in receipt.columns.values()
    ]
    batch = pa.record_batch(columns, names=list(receipt.columns))
    return np.ascontiguousarray(batch.to_tensor(null_to_nan=True).to_numpy())


def usable_values(matrix: np.ndarray, bundle: ModelBundle) -> np.ndarray:
    """Which values are usable: finite, and not what the model has for missing ones. (N, D) bool"""
    usable: np.ndarray = np.isfinite(matrix)
    usable &= matrix != bundle.manifest.get("missing", {}).get("value", np.nan)
    return usable


def count_usable(matrix: np.ndarray, bundle: ModelBundle) -> np.ndarray:
    """How many of each row's values are usable. (N, D) -> (N,) int32"""
    counts = np.empty(len(matrix), np.int32)
    for first in range(0, len(matrix), ROWS):
        rows = slice(first, first + ROWS)
        usable_values(matrix[rows], bundle).sum(axis=1, dtype=np.int32, out=counts[rows])
    return counts


def _float64(table: pa.Table, name: str) -> pa.Array:
    array = table[name].combine_chunks()
    if pa.types.is_float64(array.type):
        return array
    try:
        return array.cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise InputError(f"column {name!r} holds {array.type}, not numbers: {error}") from None
