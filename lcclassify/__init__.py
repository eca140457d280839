"""Says what the objects in astronomical alert streams are, from their light-curve features.

>>> import lcclassify
>>> predictor = lcclassify.load("plasticc")
>>> len(predictor.bundle.taxonomy.classes)
13
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Batch", "LcclassifyError", "Prediction", "__version__", "classify_table", "load"]

if TYPE_CHECKING:
    from lcclassify.batch import Batch
    from lcclassify.errors import LcclassifyError
    from lcclassify.prediction import Prediction
    from lcclassify.predictors import load_predictor as load
    from lcclassify.tables import classify_table


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: ``lcclassify --help`` loads none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lcclassify.batch import Batch
    from lcclassify.errors import LcclassifyError
    from lcclassify.prediction import Prediction
    from lcclassify.predictors import load_predictor
    from lcclassify.tables import classify_table

    globals().update(
        Batch=Batch,
        LcclassifyError=LcclassifyError,
        Prediction=Prediction,
        classify_table=classify_table,
        load=load_predictor,
    )
    return globals()[name]
