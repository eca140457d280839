"""What a model needs, beside what a table has."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.features import match_features
from lcclassify.sources.columns import is_number
from lcclassify.sources.curve_forms import CurveForm

UNMET = ("missing", "wrong type")
LIGHT_CURVES = "light curves"


def feature_rows(
    bundle: ModelBundle,
    columns: Mapping[str, pa.DataType],
    id_name: str | None,
    form: CurveForm | None,
) -> list[dict[str, Any]]:
    """One row per feature, in the model's order, then one per column that no feature uses.

    For a model of light curves the first says how these lie in the table.
    """
    receipt = match_features(bundle.features, list(columns))
    rows = [_light_curve_row(form)] if bundle.needs_light_curves else []
    for feature, column in receipt.columns.items():
        if column is None:
            state = "missing"
        elif not is_number(columns[column]):
            state = "wrong type"
        else:
            state = "present" if column == feature else "alias"
        kind = brief(columns[column]) if column else None
        rows.append({"feature": feature, "state": state, "column": column, "type": kind})
    used = {*receipt.used, id_name}
    if form is not None and bundle.needs_light_curves:
        used |= {*(form.structs or form.observed), *([form.band] if form.has_row_band else [])}
    extra = columns.keys() - used
    return rows + [
        {"feature": None, "state": "extra", "column": name, "type": brief(kind)}
        for name, kind in columns.items()
        if name in extra
    ]


def _light_curve_row(form: CurveForm | None) -> dict[str, Any]:
    """How light curves lie in a table; what their flux is may be for the user to say."""
    if form is None:
        return {"feature": LIGHT_CURVES, "state": "missing", "column": None, "type": None}
    names = ", ".join(filter(None, (form.mjd, form.band, form.flux, form.flux_err)))
    where = f"{' and '.join(form.structs)}: " if form.structs else ""
    unit = "--zero-point is wanted" if form.zero_point is None else f"zero point {form.zero_point}"
    kind = unit
    if form.is_magnitude:
        kind = "magnitudes" if form.is_declared else "magnitudes: --magnitudes is wanted"
    return {"feature": LIGHT_CURVES, "state": "present", "column": where + names, "type": kind}


def brief(kind: pa.DataType) -> str:
    """A type in a word or two, however many fields it has."""
    if pa.types.is_struct(kind):
        return f"struct of {kind.num_fields}"
    if pa.types.is_nested(kind) and not pa.types.is_map(kind):
        return f"list of {brief(kind.value_type)}"
    return str(kind)
