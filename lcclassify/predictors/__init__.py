"""Predictors: a loaded model, whatever its family."""

from collections.abc import Callable
from os import PathLike, fspath
from typing import Protocol

from lcclassify.batch import Batch
from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError, ModelError
from lcclassify.prediction import Prediction
from lcclassify.store import resolve_model


class Predictor(Protocol):
    """A loaded model. Stateless between calls; any batch size is fine, even 0."""

    @property
    def bundle(self) -> ModelBundle:
        """What is loaded."""

    def predict(self, batch: Batch, /) -> Prediction:
        """Answer every object of the batch, in its order."""


def _forest(bundle: ModelBundle, min_coverage: float, threads: int, device: str) -> Predictor:
    from lcclassify.predictors.forest import ForestPredictor  # the engine takes half a second

    return ForestPredictor(bundle, min_coverage=min_coverage, threads=threads)


def _transformer(bundle: ModelBundle, min_coverage: float, threads: int, device: str) -> Predictor:
    from lcclassify.network_bundle import read_golden_rows, read_transformer

    try:
        from lcclassify.predictors.transformer import TransformerPredictor  # torch takes seconds
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError(
            f"{bundle.label} is a transformer and needs torch: pip install 'lcclassify[torch]'"
        ) from None
    model, golden = read_transformer(bundle), read_golden_rows(bundle)
    predictor = TransformerPredictor(
        bundle, model, min_coverage=min_coverage, threads=threads, device=device
    )
    predictor.self_test(golden.light_curves, golden.inputs, golden.answers)
    return predictor


FAMILIES: dict[str, Callable[[ModelBundle, float, int, str], Predictor]] = {
    "forest": _forest,
    "transformer": _transformer,
}


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
    if not 0 <= min_coverage <= 1 or threads < 1:
        raise InputError(f"min_coverage={min_coverage} is not in 0 to 1, or threads={threads} < 1")
    bundle = model if isinstance(model, ModelBundle) else resolve_model(fspath(model))
    return FAMILIES[bundle.family](bundle, min_coverage, threads, device)
