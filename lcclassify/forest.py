"""Decision forests as plain arrays: what the readers of published files give, and training too.

This is the form that people and checks look at. ``predictors.packed`` turns it into what is
stored in a bundle and walked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Tree:
    """One binary decision tree; node 0 is the root. n nodes, K classes."""

    left: np.ndarray  # (n,) int64, index of the left child; -1 at a leaf
    right: np.ndarray  # (n,) int64, likewise
    feature: np.ndarray  # (n,) int64, index into Forest.features; meaningless at a leaf
    threshold: np.ndarray  # (n,) float64; left when float64(float32(value)) <= threshold
    probability: np.ndarray  # (n, K) float64; a leaf's row sums to 1, other rows mean nothing


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees that vote by averaging their leaves, in this order (floating-point sums keep it)."""

    classes: tuple[str, ...]  # K names, columns of Tree.probability
    features: tuple[str, ...]  # names in the order of the training matrix
    trees: Sequence[Tree]  # of a published file: made anew from its bytes whenever one is asked for


@dataclass(frozen=True, slots=True)
class HierarchicalForest:
    """One forest below the root and one below each inner node of a class tree.

    A flat classifier has the root's forest alone.
    """

    root: Forest
    children: dict[str, Forest]  # inner node -> its forest
    leaves: tuple[str, ...] | None = None  # output columns; None: as ``children`` has them
