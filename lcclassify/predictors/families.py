"""Families of models, and how a bundle of each is opened."""

from collections.abc import Callable

from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError, ModelError
from lcclassify.predictors.coverage import MORE_THAN_NONE, ObjectCoverage
from lcclassify.predictors.predictor import Predictor

Family = Callable[[ModelBundle, float, ObjectCoverage, int, str], Predictor]
UNFIT = "it cannot be loaded"


def _forest(
    bundle: ModelBundle, min_coverage: float, objects: ObjectCoverage, threads: int, device: str
) -> Predictor:
    from lcclassify.predictors.forest import ForestPredictor  # the engine takes half a second

    with bundle.faults(UNFIT):
        return ForestPredictor(bundle, min_coverage=min_coverage, objects=objects, threads=threads)


def _transformer(
    bundle: ModelBundle, min_coverage: float, objects: ObjectCoverage, threads: int, device: str
) -> Predictor:
    from lcclassify.network_bundle import read_golden_rows, read_transformer

    try:
        from lcclassify.predictors.transformer import TransformerPredictor  # torch takes seconds
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise ModelError(
            f"{bundle.label} is a transformer and needs torch: pip install 'lcclassify[torch]'"
        ) from None
    with bundle.faults(UNFIT):
        model, golden = read_transformer(bundle), read_golden_rows(bundle)
        predictor = TransformerPredictor(
            bundle,
            model,
            min_coverage=min_coverage,
            objects=objects,
            threads=threads,
            device=device,
        )
        predictor.self_test(golden.light_curves, golden.inputs, golden.answers)
    return predictor


FAMILIES: dict[str, Family] = {
    "forest": _forest,
    "transformer": _transformer,
}


def open_predictor(
    bundle: ModelBundle,
    *,
    min_coverage: float = 1.0,
    objects: ObjectCoverage = MORE_THAN_NONE,
    threads: int = 1,
    device: str = "auto",
) -> Predictor:
    """Open a bundle, whose golden rows have to come out. The options are ``load_predictor``'s."""
    if not 0 <= min_coverage <= 1 or threads < 1:
        raise InputError(f"min_coverage={min_coverage} is not in 0 to 1, or threads={threads} < 1")
    return FAMILIES[bundle.family](bundle, min_coverage, objects, threads, device)
