"""Tally: what is counted of the objects that a model answered, to be held against its card."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from lcclassify.bundle import ModelBundle, Range
from lcclassify.features import match_features
from lcclassify.prediction import Prediction
from lcclassify.predictors.matrix import feature_matrix, usable_values


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts over objects with an answer. F features, L classes, in the order of the bundle."""

    bundle: ModelBundle  # who answered
    n_objects: int
    n_missing: np.ndarray  # (F,) int64, objects without a value that is a number
    n_outside: np.ndarray  # (F,) int64, objects whose value is outside of the card's range
    n_answers: np.ndarray  # (L,) int64, objects of which each class is the most probable

    def __add__(self, other: "Tally") -> "Tally":
        """Both together; of the same model."""
        return Tally(
            self.bundle,
            self.n_objects + other.n_objects,
            self.n_missing + other.n_missing,
            self.n_outside + other.n_outside,
            self.n_answers + other.n_answers,
        )

    @property
    def classes(self) -> dict[str, int]:
        """Class -> objects, of those that are answered at all."""
        names = self.bundle.taxonomy.classes
        return {names[leaf]: int(self.n_answers[leaf]) for leaf in np.flatnonzero(self.n_answers)}


def total(tallies: Iterable[Tally | None]) -> Tally | None:
    """All together; None if there is none."""
    there = [tally for tally in tallies if tally is not None]
    return reduce(add, there) if there else None


class Tallier:
    """Counts batches of one model's answers."""

    def __init__(self, bundle: ModelBundle) -> None:
        self.bundle = bundle
        limits = [feature.range or Range(-np.inf, np.inf) for feature in bundle.features]
        with np.errstate(over="ignore"):
            ends = np.array([[low, high] for low, high, _ in limits]).astype(np.float32)
        # Messages hold the values of training rounded to float32, which may be a step further out.
        self._low, self._high = np.nextafter(
            ends.reshape(-1, 2), [[-np.inf, np.inf]], dtype=np.float32
        ).T

    def __call__(self, prediction: Prediction) -> Tally:
        """Count what has an answer; the rest says nothing about what the model was given."""
        answered = prediction.answered
        matrix = self._matrix(prediction)[answered]
        usable = usable_values(matrix, self.bundle)
        outside = matrix < self._low
        outside |= matrix > self._high
        outside &= usable
        best = prediction.leaf_probability[answered].argmax(axis=1)
        return Tally(
            self.bundle,
            len(matrix),
            len(matrix) - np.count_nonzero(usable, axis=0),
            np.count_nonzero(outside, axis=0),
            np.bincount(best, minlength=len(self.bundle.taxonomy.classes)),
        )

    def _matrix(self, prediction: Prediction) -> np.ndarray:
        features = prediction.batch.features
        if prediction.matrix is not None:
            return prediction.matrix
        if not self.bundle.features:
            return np.empty((len(features), 0))
        return feature_matrix(features, match_features(self.bundle.features, features.column_names))
