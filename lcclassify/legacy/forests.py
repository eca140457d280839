"""Random forests of scikit-learn and imbalanced-learn, from what their pickles recorded."""

from dataclasses import dataclass

from lcclassify.forest import Tree
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


@dataclass(frozen=True, slots=True)
class SavedForest:
    """A forest as its file has it, which does not know its features' names."""

    classes: tuple[str, ...]  # K names
    n_features: int
    feature_names: tuple[str, ...] | None  # known only if it was trained on a table
    trees: tuple[Tree, ...]
    versions: frozenset[str]  # of scikit-learn


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
    trees, versions, left = [], set(), n_bytes
    for number, estimator in enumerate(estimators):
        try:
            tree, version = to_tree(estimator, expected)
        except RefusedError as refusal:
            raise RefusedError(f"tree {number}: {refusal}") from None
        left -= tree.probability.nbytes
        if left < 0:  # a pickle can name one tree a million times
            raise RefusedError(f"tree {number}: it shares its values with another tree")
        trees.append(tree)
        versions.add(version)
    return SavedForest(
        classes, expected.n_features, _feature_names(value), tuple(trees), frozenset(versions)
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
