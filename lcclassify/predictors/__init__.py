"""Predictors: a loaded model, whatever its family."""

from os import PathLike, fspath

from lcclassify.bundle import ModelBundle
from lcclassify.predictors.families import open_predictor
from lcclassify.predictors.predictor import Predictor
from lcclassify.resolve import resolve_model

__all__ = ["Predictor", "load_predictor"]


def load_predictor(
    model: str | PathLike[str] | ModelBundle,
    *,
    min_coverage: float = 1.0,
    threads: int = 1,
    device: str = "auto",
) -> Predictor:
    """Load a model by name, NAME@VERSION or path.

    ``min_coverage`` is the share of its features that a table must give (the rest counts as not
    computed), ``threads`` the number of threads that share a batch, ``device`` where transformers
    run: cpu, cuda, or auto for a GPU if there is one.
    """
    bundle = model if isinstance(model, ModelBundle) else resolve_model(fspath(model))
    return open_predictor(bundle, min_coverage=min_coverage, threads=threads, device=device)
