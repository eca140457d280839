"""Whether an input looks like what a model was trained on, as far as its card says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np

from lcclassify.batch import SURVEY
from lcclassify.bundle import ModelBundle, Range
from lcclassify.remarks import Kind, Remark, sentences
from lcclassify.tally import Tally

LEAST_OBJECTS = 100  # fewer say nothing about the shares of missing values
MISSING_TOLERANCE = 0.30  # a share may differ by so much from one field or season to the next
OUTSIDE_TOLERANCE = 0.10  # likewise, of values outside a range, which no field has many of
SIGMAS = 5.0  # and by so many standard errors
LEAST_EXPECTED = 25  # values, of which it is no accident if there is none
LEAST_ANSWERS = 1000  # fewer say nothing about the shares of classes
FAR = 0.30  # total variation: the share of the answers that went from one class to another
NO_REMARKS: Mapping[Remark, int] = MappingProxyType({})
NO_RANGE = Range(np.nan, np.nan, np.nan)


class Finding(NamedTuple):
    """One thing that is not as in training."""

    what: Literal["survey", "classes", "missing", "outside"]
    feature: str | None  # None: it is the light curves, or the classes
    sentence: str


def find_drift(
    tally: Tally, absent: Collection[str] = (), remarks: Mapping[Remark, int] = NO_REMARKS
) -> list[Finding]:
    """What is not as in training: the survey, the classes, then feature by feature.

    A feature drifts if it is missing far more or less often, or lies outside its range more often.
    If no object has it where some should, that is told in any case, also where the card does not
    know how often it is missing; but not for those in ``absent``, of which it is known already.
    """
    findings = [*_classes(tally), *_missing(tally, absent), *_outside(tally)]
    return [*_survey(remarks), *findings]


def missing_shares(tally: Tally) -> np.ndarray:
    """The share of the objects that lack each feature. (F,) float64, NaN without objects"""
    return _ratio(tally.n_missing, np.full_like(tally.n_missing, tally.n_objects))


def outside_shares(tally: Tally) -> np.ndarray:
    """The share of each feature's values that lie outside its range. (F,) float64

    NaN where there is no value, or no range in the card.
    """
    known = [feature.range is not None for feature in tally.bundle.features]
    return np.where(known, _ratio(tally.n_outside, tally.n_objects - tally.n_missing), np.nan)


def class_shift(tally: Tally) -> float | None:
    """The share of the answers that went from one class to another since training.

    None if the card does not know the shares of classes, or the answers are too few.
    """
    expected, n_answers = tally.bundle.class_shares, int(tally.n_answers.sum())
    if expected is None or n_answers < LEAST_ANSWERS:
        return None
    found = tally.classes
    return sum(abs(found.get(n, 0) / n_answers - share) for n, share in expected.items()) / 2


def known_of(bundle: ModelBundle) -> str:
    """In words, what the card of a model knows, and so what can be told."""
    features = bundle.features
    n_shares = sum(feature.missing_share is not None for feature in features)
    n_ranges = sum(feature.range is not None for feature in features)
    known = [
        f"the missing values of {n_shares} of {len(features)} features",
        f"the ranges of {n_ranges}",
        "the shares of classes" if bundle.class_shares is not None else "no shares of classes",
    ]
    rest = "; a feature that no object has is always told" if n_shares < len(features) else ""
    return f"the card of {bundle.label} knows {', '.join(known)}{rest}"


def some_sentences(sentences: Sequence[str], limit: int = 10) -> list[str]:
    """The first few, and how many more there are."""
    rest = len(sentences) - limit
    return [*sentences[:limit], *([f"and {rest} more"] if rest > 0 else [])]


def _survey(remarks: Mapping[Remark, int]) -> Iterator[Finding]:
    shown = {each: count for each, count in remarks.items() if each.kind is Kind.OTHER_SURVEY}
    for sentence in sentences(shown):
        yield Finding("survey", None, f"{sentence}; the model's bands are those of {SURVEY}")


def _missing(tally: Tally, absent: Collection[str]) -> Iterator[Finding]:
    if tally.n_objects < LEAST_OBJECTS:
        return
    features = tally.bundle.features
    shares = missing_shares(tally)
    expected = np.array([f.missing_share for f in features], float)  # None is NaN
    usual = np.maximum(MISSING_TOLERANCE, _errors(expected, tally.n_objects))
    is_rare = (1 - expected) * tally.n_objects < LEAST_EXPECTED
    drifts = (np.abs(shares - expected) > usual) | ((shares == 1) & ~is_rare)
    for row in np.flatnonzero(drifts):
        name, share = features[row].name, shares[row]
        if name in absent:
            continue
        sentence = f"{name} is missing in every object"
        if not np.isnan(expected[row]):
            sentence = (
                f"{name} is missing in {share:.1%} of the objects; {expected[row]:.1%} in training"
            )
        yield Finding("missing", name, sentence)


def _outside(tally: Tally) -> Iterator[Finding]:
    ranges = [feature.range or NO_RANGE for feature in tally.bundle.features]
    shares, n_values = outside_shares(tally), tally.n_objects - tally.n_missing
    expected = np.array([limits.outside_share for limits in ranges])
    usual = np.maximum(OUTSIDE_TOLERANCE, _errors(expected, n_values))
    drifts = (n_values >= LEAST_OBJECTS) & (shares - expected > usual)
    for row in np.flatnonzero(drifts):
        name, (low, high, share) = tally.bundle.features[row].name, ranges[row]
        yield Finding(
            "outside",
            name,
            f"{name} is outside {low:g} to {high:g} in {shares[row]:.1%} of the objects that have "
            f"it; at most {share:.1%} in training",
        )


def _errors(expected: np.ndarray, n_objects: int | np.ndarray) -> np.ndarray:
    """How far chance may take a share of so many objects from the expected one."""
    n = np.maximum(n_objects, 1)
    return np.asarray(SIGMAS * np.sqrt(np.maximum(expected * (1 - expected), 1 / n) / n))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def _classes(tally: Tally) -> Iterator[Finding]:
    far, expected = class_shift(tally), tally.bundle.class_shares
    if far is None or far <= FAR or expected is None:
        return
    n_answers = tally.n_answers.sum()
    found = {name: tally.classes.get(name, 0) / n_answers for name in expected}
    most = sorted(expected, key=lambda name: -abs(found[name] - expected[name]))[:3]
    examples = (f"{n} {found[n]:.1%} ({expected[n]:.1%})" for n in most)
    yield Finding(
        "classes",
        None,
        f"{far:.0%} of the answers are of other classes than in training, where at most "
        f"{FAR:.0%} are usual: now (then) {', '.join(examples)}",
    )
