"""Predictors: a loaded model, whatever its family."""

from os import PathLike, fspath

from lcclassify.bundle import ModelBundle
from lcclassify.predictors.coverage import ObjectCoverage
from lcclassify.predictors.families import open_predictor
from lcclassify.predictors.predictor import Predictor
from lcclassify.resolve import resolve_model

__all__ = ["Predictor", "load_predictor"]


def load_predictor(
    model: str | PathLike[str] | ModelBundle,
    *,
    min_coverage: float = 1.0,
    min_object_coverage: float = 0.0,
    reference_nulls: bool = False,
    threads: int = 1,
    device: str = "auto",
) -> Predictor:
    """Load a model by name, NAME@VERSION or path.

    ``min_coverage`` is the share of its features that a table must give (the rest counts as not
    computed), ``min_object_coverage`` that of which each object must have a value; at 0 it must
    have one, unless ``reference_nulls`` asks for answers of nothing, as ALeRCE gives them.
    ``threads`` is the number of threads that share a batch, ``device`` where transformers run: cpu,
    cuda, or auto for a GPU if there is one.
    """
    bundle = model if isinstance(model, ModelBundle) else resolve_model(fspath(model))
    objects = ObjectCoverage(min_object_coverage, reference_nulls)
    return open_predictor(
        bundle, min_coverage=min_coverage, objects=objects, threads=threads, device=device
    )
