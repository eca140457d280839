"""Whether an input looks like what a model was trained on, as far as its card says."""

import math
from collections.abc import Iterator, Mapping, Sequence

from lcclassify.bundle import ModelBundle
from lcclassify.features import Receipt

LEAST_OBJECTS = 100  # fewer say nothing about shares
TOLERANCE = 0.10  # a share may differ by so much from one night, field or season to the next
SIGMAS = 5.0  # and by so many standard errors


def find_drift(
    bundle: ModelBundle,
    receipt: Receipt,
    n_objects: int,
    n_missing: Mapping[str, int],
) -> list[str]:
    """A sentence for each feature that is missing more or less often than in training.

    ``n_missing`` counts objects without a value by column. A feature that no object has is told
    also where the card does not know its share.
    """
    return [] if n_objects < LEAST_OBJECTS else [*_told(bundle, receipt, n_objects, n_missing)]


def _told(
    bundle: ModelBundle, receipt: Receipt, n_objects: int, n_missing: Mapping[str, int]
) -> Iterator[str]:
    for feature in bundle.features:
        column = receipt.columns[feature.name]
        if column is None:
            continue  # the receipt has told
        share = n_missing[column] / n_objects
        if feature.missing_share is None:
            if share == 1:
                yield f"{feature.name} is missing in every object"
        elif _differs(share, feature.missing_share, n_objects):
            yield (
                f"{feature.name} is missing in {share:.1%} of the objects; "
                f"{feature.missing_share:.1%} in training"
            )


def _differs(share: float, expected: float, n_objects: int) -> bool:
    spread = math.sqrt(max(expected * (1 - expected), 1 / n_objects) / n_objects)
    return abs(share - expected) > max(TOLERANCE, SIGMAS * spread)


def some_sentences(sentences: Sequence[str], limit: int = 10) -> list[str]:
    """The first few, and how many more there are."""
    rest = len(sentences) - limit
    return [*sentences[:limit], *([f"and {rest} more"] if rest > 0 else [])]
