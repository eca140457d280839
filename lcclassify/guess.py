"""Which model a table was made for."""

from collections.abc import Sequence

from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError
from lcclassify.features import match_features
from lcclassify.store import list_models


def guess_model(columns: Sequence[str], *, has_light_curves: bool = False) -> ModelBundle:
    """Of the models at hand whose features are all there, the one with the most of them.

    One that looks at light curves comes into question only if there are some. InputError, with
    every model's coverage, if there is no such model or more than one.
    """
    models, _ = list_models()
    models = [m for m in models if has_light_curves or not m.bundle.needs_light_curves]
    receipts = [(model.bundle, match_features(model.bundle.features, columns)) for model in models]
    whole = [bundle for bundle, receipt in receipts if not receipt.missing]
    most = max((len(bundle.features) for bundle in whole), default=0)
    best = [bundle for bundle in whole if len(bundle.features) == most]
    if len(best) == 1:
        return best[0]
    if best:
        labels = ", ".join(bundle.label for bundle in best)
        raise InputError(f"these models fit the input equally well: {labels}; name one by --model")
    coverage = ", ".join(
        f"{bundle.label} ({len(receipt.used)} of {len(receipt.columns)} features)"
        for bundle, receipt in sorted(receipts, key=lambda pair: -pair[1].coverage)
    )
    raise InputError(
        f"no model at hand has all its features in the input: {coverage or 'there is no model'}; "
        "name one by --model, and see what it lacks with validate-schema"
    )
