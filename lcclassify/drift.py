"""Whether an input looks like what a model was trained on, as far as its card says."""

import math
from collections.abc import Iterator, Mapping, Sequence

from lcclassify.bundle import ModelBundle
from lcclassify.features import Receipt
from lcclassify.summary import Summary

LEAST_OBJECTS = 100  # fewer say nothing about the shares of missing values
TOLERANCE = 0.10  # a share may differ by so much from one night, field or season to the next
SIGMAS = 5.0  # and by so many standard errors
LEAST_ANSWERS = 1000  # fewer say nothing about the shares of classes
FAR = 0.30  # total variation: the share of the answers that went from one class to another


def find_drift(bundle: ModelBundle, receipt: Receipt, summary: Summary) -> list[str]:
    """A sentence for each feature that is missing more or less often than in training.

    A feature that no object has is told also where the card does not know its share. One more
    sentence, the first, if the answers are spread over the classes otherwise than the card says.
    """
    sentences = [*_classes(bundle, summary.classes)]
    if summary.n_objects >= LEAST_OBJECTS:
        sentences += _features(bundle, receipt, summary.n_objects, summary.n_missing)
    return sentences


def _features(
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


def _classes(bundle: ModelBundle, classes: Mapping[str, int]) -> Iterator[str]:
    n_answers = sum(classes.values())
    if bundle.class_shares is None or n_answers < LEAST_ANSWERS:
        return
    found = {name: classes[name] / n_answers for name in bundle.class_shares}
    moved = {name: found[name] - share for name, share in bundle.class_shares.items()}
    far = sum(map(abs, moved.values())) / 2
    if far > FAR:
        most = sorted(moved, key=lambda name: -abs(moved[name]))[:3]
        examples = (f"{n} {found[n]:.1%} ({bundle.class_shares[n]:.1%})" for n in most)
        yield (
            f"{far:.0%} of the answers are of other classes than in training, where at most "
            f"{FAR:.0%} are usual: now (then) {', '.join(examples)}"
        )


def some_sentences(sentences: Sequence[str], limit: int = 10) -> list[str]:
    """The first few, and how many more there are."""
    rest = len(sentences) - limit
    return [*sentences[:limit], *([f"and {rest} more"] if rest > 0 else [])]
