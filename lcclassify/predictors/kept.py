"""Models that a process keeps: each is verified and mapped into memory once."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

from lcclassify.bundle import ModelBundle, open_bundle
from lcclassify.errors import ModelError
from lcclassify.predictors import Predictor, load_predictor
from lcclassify.predictors.coverage import MORE_THAN_NONE, ObjectCoverage

_alone = Lock()  # of two threads that ask at once, one loads


@lru_cache(maxsize=2)
def kept_bundle(path: str, digest: str) -> ModelBundle:
    """The bundle at a path, of this digest. ModelError if it is not there, or another by now."""
    bundle = open_bundle(Path(path))
    if bundle.digest != digest:
        raise ModelError(f"{path} is another model now: its digest is {bundle.digest}")
    return bundle


def kept_predictor(
    path: str,
    digest: str,
    *,
    min_coverage: float = 1.0,
    objects: ObjectCoverage = MORE_THAN_NONE,
    threads: int = 1,
    device: str = "auto",
) -> Predictor:
    """The predictor of the bundle at a path, of this digest. ModelError as for ``kept_bundle``."""
    with _alone:
        return _load(path, digest, min_coverage, objects, threads, device)


@lru_cache(maxsize=2)
def _load(
    path: str,
    digest: str,
    min_coverage: float,
    objects: ObjectCoverage,
    threads: int,
    device: str,
) -> Predictor:
    return load_predictor(
        kept_bundle(path, digest),
        min_coverage=min_coverage,
        min_object_coverage=objects.share,
        reference_nulls=objects.reference_nulls,
        threads=threads,
        device=device,
    )
