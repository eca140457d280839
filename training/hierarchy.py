"""Fit the forests of a class tree with scikit-learn and copy them out as plain arrays."""

from dataclasses import dataclass

import numpy as np
from imblearn.ensemble import BalancedRandomForestClassifier
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from lcclassify.forest import Forest, HierarchicalForest, Tree
from lcclassify.taxonomy import Taxonomy

Names = NDArray[np.str_]

MISSING = -999.0  # what the engine reads in place of NaN and +-infinity
TOO_LARGE = 1e32  # the engine reads 0 in place of anything above


@dataclass(frozen=True, slots=True)
class Settings:
    """How one forest is grown."""

    n_trees: int
    max_features: float  # share of the features tried at each split
    most_per_class: int  # objects of one class that a tree sees, drawn anew with replacement


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One fitted forest below the root and one below each inner node."""

    root: RandomForestClassifier
    children: dict[str, RandomForestClassifier]

    @property
    def taxonomy(self) -> Taxonomy:
        """Top nodes as the root's forest has them, then the leaves under each inner node."""
        leaves = {name: forest.classes_.tolist() for name, forest in self.children.items()}
        return Taxonomy.from_children(self.root.classes_.tolist(), leaves)

    def leaf_probability(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """P(leaf) of N objects in the order of ``taxonomy.classes``. (N, L)"""
        forests = (self.root, *self.children.values())
        taxonomy = self.taxonomy
        conditional = np.hstack([forest.predict_proba(matrix) for forest in forests])
        return np.asarray(taxonomy.joint(conditional)[:, taxonomy.leaves])


def engine_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
    """Feature values as the engine compares them with thresholds. (N, F)"""
    clean = np.where(np.isfinite(matrix), matrix, MISSING)
    clean[clean > TOO_LARGE] = 0.0
    return clean.astype(np.float32)


def grow(
    matrix: NDArray[np.float32],
    classes: Names,
    parents: dict[str, str],
    settings: dict[str, Settings],
    seed: int,
) -> Hierarchy:
    """Fit all forests; ``parents`` gives each class its inner node.

    ``settings`` has the key "root" and one key per inner node, in the order of the children.
    """
    top = np.array([parents[name] for name in classes])
    children = {
        node: _forest(matrix[top == node], classes[top == node], settings[node], seed)
        for node in settings
        if node != "root"
    }
    return Hierarchy(_forest(matrix, top, settings["root"], seed), children)


def _forest(
    matrix: NDArray[np.float32], classes: Names, settings: Settings, seed: int
) -> RandomForestClassifier:
    """A forest in which each tree sees at most ``most_per_class`` objects of a class."""
    names, counts = np.unique(classes, return_counts=True)
    seen = {
        str(c): min(int(n), settings.most_per_class) for c, n in zip(names, counts, strict=True)
    }
    forest = BalancedRandomForestClassifier(
        settings.n_trees,
        max_features=settings.max_features,
        sampling_strategy=seen,
        replacement=True,
        bootstrap=False,  # the draw per class is with replacement already
        random_state=seed,
    )
    return forest.fit(matrix, classes)


def hierarchical_forest(fitted: Hierarchy, features: tuple[str, ...]) -> HierarchicalForest:
    """The fitted forests as plain arrays, leaf rows bit for bit as ``predict_proba`` sums them."""
    children = {name: plain_forest(forest, features) for name, forest in fitted.children.items()}
    return HierarchicalForest(plain_forest(fitted.root, features), children)


def plain_forest(fitted: RandomForestClassifier, features: tuple[str, ...]) -> Forest:
    """One fitted scikit-learn forest as plain arrays."""
    trees = []
    for estimator in fitted.estimators_:
        grown = estimator.tree_
        left, right = (
            side.astype(np.int64) for side in (grown.children_left, grown.children_right)
        )
        feature = grown.feature.astype(np.int64)
        # Since scikit-learn 1.3 the value of a leaf is the row of probabilities itself.
        trees.append(Tree(left, right, feature, grown.threshold.copy(), grown.value[:, 0].copy()))
    return Forest(tuple(map(str, fitted.classes_)), features, tuple(trees))
