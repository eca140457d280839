"""Random forests of scikit-learn and imbalanced-learn, from what their pickles recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from lcclassify.forest import Forest, Tree
from lcclassify.legacy.arrays import NUMPY_NAMES, to_integer
from lcclassify.legacy.names import to_names
from lcclassify.legacy.records import Record, RefusedError, attribute, attributes
from lcclassify.legacy.trees import OUTDATED, Expected, to_tree, unexpected

_SAMPLER = "imblearn.under_sampling._prototype_selection._random_under_sampler"

FOREST_NAMES = NUMPY_NAMES | {
    ("sklearn.ensemble._forest", "RandomForestClassifier"): "forest",
    ("imblearn.ensemble._forest", "BalancedRandomForestClassifier"): "forest",
    ("sklearn.tree._classes", "DecisionTreeClassifier"): "decision tree",
    ("sklearn.tree._tree", "Tree"): "tree",
    # What else hangs on a forest, recorded and never looked at: how it drew its training sets.
    (_SAMPLER, "RandomUnderSampler"): "sampler",
    ("imblearn.pipeline", "Pipeline"): "pipeline",
    ("collections", "OrderedDict"): "ordered dict",
    ("numpy.random._pickle", "__randomstate_ctor"): "random state",
    ("numpy.random._pickle", "__bit_generator_ctor"): "random state",
    ("numpy.random._mt19937", "MT19937"): "random state",
    # scikit-learn up to 0.21 and imbalanced-learn of its time; named here to say so.
    ("sklearn.ensemble.forest", "RandomForestClassifier"): OUTDATED,
    ("sklearn.tree.tree", "DecisionTreeClassifier"): OUTDATED,
}


@dataclass(frozen=True, slots=True, eq=False)
class SavedTrees(Sequence[Tree]):
    """Checked trees, each made from the bytes of its file whenever it is asked for.

    As arrays of their own they would take about as much memory again as the file.
    """

    recorded: list[object]
    expected: Expected

    def __len__(self) -> int:
        return len(self.recorded)

    @overload
    def __getitem__(self, index: int) -> Tree: ...

    @overload
    def __getitem__(self, index: slice) -> "SavedTrees": ...

    def __getitem__(self, index: int | slice) -> "Tree | SavedTrees":
        """One tree, or some of them."""
        if isinstance(index, slice):
            return SavedTrees(self.recorded[index], self.expected)
        return to_tree(self.recorded[index], self.expected)[0]


@dataclass(frozen=True, slots=True)
class SavedForest:
    """A forest as its file has it, which does not know its features' names."""

    classes: tuple[str, ...]  # K names
    n_features: int
    feature_names: tuple[str, ...] | None  # known only if it was trained on a table
    trees: SavedTrees
    versions: frozenset[str]  # of scikit-learn

    def with_features(self, features: tuple[str, ...]) -> Forest:
        """The forest with the names of its features, if they can be those."""
        if self.n_features != len(features):
            raise RefusedError(
                f"it takes {self.n_features} features, its feature list has {len(features)}"
            )
        if self.feature_names not in (None, features):
            raise RefusedError("feature_names_in_ differs from its feature list")
        return Forest(self.classes, features, self.trees)


def to_forest(value: object, n_bytes: int) -> SavedForest:
    """A recorded random forest, checked from its class names to the last leaf of its trees.

    ``n_bytes`` is the size of its pickle, which holds the values of every tree.
    """
    if not isinstance(value, Record) or value.kind != "forest":
        raise unexpected(value, "a random forest")
    classes = to_names(attribute(value, "classes_"), "the list of classes")
    expected = Expected(_n_features(value), len(classes))
    if to_integer(attribute(value, "n_classes_"), "n_classes_") != len(classes):
        raise RefusedError(f"n_classes_ is not {len(classes)}, the number of names in classes_")
    if to_integer(attribute(value, "n_outputs_"), "n_outputs_") != 1:
        raise RefusedError("it answers several questions at once (n_outputs_ is not 1)")
    estimators = attribute(value, "estimators_")
    if not isinstance(estimators, list) or not estimators:
        raise RefusedError("it has no trees")
    versions, left = set(), n_bytes
    for number, estimator in enumerate(estimators):
        try:
            tree, version = to_tree(estimator, expected)
        except RefusedError as refusal:
            raise RefusedError(f"tree {number}: {refusal}") from None
        left -= tree.probability.nbytes
        if left < 0:  # a pickle can name one tree a million times
            raise RefusedError(f"tree {number}: it shares its values with another tree")
        versions.add(version)
    trees = SavedTrees(list(estimators), expected)
    return SavedForest(
        classes, expected.n_features, _feature_names(value), trees, frozenset(versions)
    )


def _n_features(forest: Record) -> int:
    """n_features_in_, which scikit-learn 0.22 still called n_features_."""
    held = attributes(forest)
    numbers = {
        to_integer(held[name], name) for name in ("n_features_in_", "n_features_") if name in held
    }
    if len(numbers) != 1:
        raise RefusedError("it does not say how many features it takes, or says it twice")
    return numbers.pop()


def _feature_names(forest: Record) -> tuple[str, ...] | None:
    names = attributes(forest).get("feature_names_in_")
    return None if names is None else to_names(names, "feature_names_in_")
