"""Quantile transformers of scikit-learn, from joblib files to tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lcclassify.errors import ModelError
from lcclassify.legacy.arrays import listed, to_integer, to_scalar
from lcclassify.legacy.joblib_files import read_joblib
from lcclassify.legacy.names import to_names
from lcclassify.legacy.records import Record, RefusedError, attribute, attributes, brief
from lcclassify.network_check import check_quantiles
from lcclassify.transformer import QuantileTable

PREFIX = "norm_"  # of the columns' names, in files and in names of files

_NAMES: Mapping[tuple[str, str], str] = {
    ("sklearn.preprocessing._data", "QuantileTransformer"): "quantile transformer",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """The tables in one file."""

    names: tuple[str, ...] | None  # without prefix; None: the file does not say
    tables: tuple[QuantileTable, ...]
    saved_with: str  # version of scikit-learn


def read_quantiles(data: bytes) -> Columns:
    """Read a joblib file of one QuantileTransformer; nothing is run. RefusedError"""
    value = read_joblib(data, _NAMES)
    if not isinstance(value, Record) or value.kind != "quantile transformer":
        raise RefusedError(f"{brief(value)} where a QuantileTransformer is expected")
    output = attribute(value, "output_distribution")
    if output != "normal":
        raise RefusedError(f"its output_distribution is {brief(output)}, expected 'normal'")
    quantiles = _floats(attribute(value, "quantiles_"), "quantiles_", 2)
    references = _floats(attribute(value, "references_"), "references_", 1)
    count = to_integer(attribute(value, "n_features_in_"), "n_features_in_")
    if quantiles.shape != (len(references), count):
        raise RefusedError(
            f"quantiles_ of shape {quantiles.shape}, expected {(len(references), count)}"
        )
    names = _column_names(attributes(value).get("feature_names_in_"), count)
    version = to_scalar(attributes(value).get("_sklearn_version"))
    tables = tuple(
        QuantileTable(np.ascontiguousarray(column), references) for column in quantiles.T
    )
    for number, table in enumerate(tables):
        try:
            check_quantiles(names[number] if names else f"column {number}", table)
        except ModelError as error:
            raise RefusedError(str(error)) from None
    saved_with = version if isinstance(version, str) and version.isprintable() else "unknown"
    return Columns(names, tables, saved_with[:20])


def _floats(value: object, what: str, n_dimensions: int) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.ndim != n_dimensions:
        raise RefusedError(f"{what} is no array of numbers with {n_dimensions} dimensions")
    return value.astype(np.float64)


def _column_names(value: object, count: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, np.ndarray) or value.shape != (count,):
        raise RefusedError(f"feature_names_in_ is not an array of {count} names")
    return tuple(name.removeprefix(PREFIX) for name in to_names(listed(value), "feature_names_in_"))
