"""What a model needs, beside what a table has."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.features import match_features
from lcclassify.sources.columns import is_number

UNMET = ("missing", "wrong type")


def feature_rows(
    bundle: ModelBundle, columns: Mapping[str, pa.DataType], id_name: str | None
) -> list[dict[str, Any]]:
    """One row per feature, in the model's order, then one per column that no feature uses."""
    receipt = match_features(bundle.features, list(columns))
    rows = []
    for feature, column in receipt.columns.items():
        if column is None:
            state = "missing"
        elif not is_number(columns[column]):
            state = "wrong type"
        else:
            state = "present" if column == feature else "alias"
        kind = str(columns[column]) if column else None
        rows.append({"feature": feature, "state": state, "column": column, "type": kind})
    extra = columns.keys() - {*receipt.used, id_name}
    return rows + [
        {"feature": None, "state": "extra", "column": name, "type": str(kind)}
        for name, kind in columns.items()
        if name in extra
    ]
