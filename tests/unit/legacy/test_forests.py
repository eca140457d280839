import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from sklearn import __version__ as sklearn_version
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from lcclassify.legacy.forests import FOREST_NAMES, to_forest
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import RefusedError, brief

DATA = Path(__file__).parent / "data"


def read(data):
    return to_forest(read_pickle(data, FOREST_NAMES), len(data))


def vote(saved, x):
    """Average of the leaves of rows (N, D), walked one by one."""
    total = np.zeros((len(x), len(saved.classes)))
    for tree in saved.trees:
        for row, values in enumerate(x.astype(np.float32)):
            node = 0
            while tree.left[node] >= 0:
                low = np.float64(values[tree.feature[node]]) <= tree.threshold[node]
                node = tree.left[node] if low else tree.right[node]
            total[row] += tree.probability[node]
    return total / len(saved.trees)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["balanced", "plain", "table"])
def test_arrays_are_scikit_learns_own(kind, protocol, forest):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 6))
    y = np.array(["b", "a", "c"])[rng.integers(3, size=40)]
    if kind != "balanced":
        forest = RandomForestClassifier(4, random_state=np.random.RandomState(1)).fit(x, y)
    expected = forest.predict_proba(x)
    if kind == "table":  # trained on a table: the forest knows its features' names
        forest.feature_names_in_ = np.array(list("uvwxyz"), dtype=object)
    saved = read(pickle.dumps(forest, protocol))
    assert saved.classes == tuple(forest.classes_)
    assert saved.n_features == 6
    assert saved.feature_names == (tuple("uvwxyz") if kind == "table" else None)
    assert len(saved.trees) == len(forest.estimators_)
    for tree, estimator in zip(saved.trees, forest.estimators_, strict=True):
        inner = estimator.tree_
        assert tree.left.tolist() == inner.children_left.tolist()
        assert tree.right.tolist() == inner.children_right.tolist()
        assert tree.feature.tolist() == inner.feature.tolist()
        assert tree.threshold.tobytes() == inner.threshold.tobytes()
        leaf = tree.left < 0
        assert tree.probability[leaf].tobytes() == inner.value[leaf, 0, :].tobytes()
        assert not tree.probability[~leaf].any()
        assert {array.dtype for array in (tree.left, tree.right, tree.feature)} == {np.dtype("i8")}
    assert np.array_equal(vote(saved, x), expected)


@pytest.mark.parametrize("version", ["0.22.2", "1.3.2"])  # counts; 1.3 has the newer node layout
def test_forests_of_older_versions(version):
    saved = read((DATA / f"sklearn_{version}.pkl").read_bytes())
    assert {found.removesuffix(".post1") for found in saved.versions} == {version}
    assert saved.classes == ("AGN", "QSO", "YSO")
    leaves = np.concatenate([tree.probability[tree.left < 0] for tree in saved.trees])
    assert (leaves.max(axis=1) < 1).sum() > 4  # impure ones, whose counts had to be divided
    with np.load(DATA / f"sklearn_{version}.npz") as expected:
        assert np.array_equal(vote(saved, expected["x"]), expected["probability"])


def edited(forest, **state):
    """The pickle of a forest whose second tree's state differs in some items."""
    copy = pickle.loads(pickle.dumps(forest))
    function, args, original = copy.estimators_[1].tree_.__reduce__()
    args = state.pop("args", args)

    class Edited:
        def __reduce__(self):
            return function, args, {**original, **state}

    copy.estimators_[1].tree_ = Edited()
    return pickle.dumps(copy)


def nodes(forest, **changes):
    """The nodes of the second tree with some cells changed: field=(node, value)."""
    array = forest.estimators_[1].tree_.__getstate__()["nodes"].copy()
    for name, (node, value) in changes.items():
        array[name][node] = value
    return {"nodes": array}


def values(forest, node, row):
    array = forest.estimators_[1].tree_.value.copy()
    array[node, 0] = row
    return {"values": array}


def inner_and_leaf(forest):
    left = forest.estimators_[1].tree_.children_left
    return np.flatnonzero(left >= 0)[-1], np.flatnonzero(left < 0)[-1]


def test_an_unedited_tree_is_read(forest):
    assert len(read(edited(forest)).trees) == 3


FAULTS = {
    "half leaf": (lambda f, i, e: nodes(f, left_child=(i, -1)), "it has one child"),
    "out of range": (lambda f, i, e: nodes(f, left_child=(i, 9999)), "its left child is 9999 of"),
    "negative": (lambda f, i, e: nodes(f, right_child=(i, -7)), "its right child is -7 of"),
    "huge": (lambda f, i, e: nodes(f, right_child=(i, 2**62)), f"its right child is {2**62} of"),
    "to the root": (lambda f, i, e: nodes(f, left_child=(i, 0)), "its left child 0 is no later"),
    "itself": (lambda f, i, e: nodes(f, right_child=(0, 0)), "its right child 0 is no later"),
    "shared": (lambda f, i, e: nodes(f, right_child=(0, 2)), "cannot be reached|child of two"),
    "feature": (lambda f, i, e: nodes(f, feature=(i, 6)), r"splits on a feature outside 0\.\.5"),
    "no feature": (lambda f, i, e: nodes(f, feature=(i, -2)), "splits on a feature outside"),
    "threshold": (lambda f, i, e: nodes(f, threshold=(i, np.nan)), "its threshold is not finite"),
    "infinite": (lambda f, i, e: nodes(f, threshold=(i, np.inf)), "its threshold is not finite"),
    "sum": (lambda f, i, e: values(f, e, [0.5, 0.4, 0]), r"do not sum to 1, as those of version 1"),
    "counts": (lambda f, i, e: values(f, e, [3, 2, 0]), "do not sum to 1"),
    "zero": (lambda f, i, e: values(f, e, [0, 0, 0]), "do not sum to 1"),
    "NaN": (lambda f, i, e: values(f, e, [np.nan, 0, 1]), "not finite numbers from 0 on"),
    "below 0": (lambda f, i, e: values(f, e, [-1, 1, 1]), "not finite numbers from 0 on"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_nodes_are_refused(fault, forest):
    change, reason = FAULTS[fault]
    with pytest.raises(RefusedError, match=rf"^tree 1: node \d+: .*({reason})"):
        read(edited(forest, **change(forest, *inner_and_leaf(forest))))


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"node_count": 5000}, r"node_count is 5000, but there are \d+ nodes"),
        ({"node_count": "x"}, "node_count is 'x', not a whole number"),
        ({"nodes": np.arange(3)}, "its nodes are not a list of records"),
        ({"nodes": np.zeros(1, [("left_child", "i8")])}, "no field right_child of the known type"),
        ({"nodes": None}, "None where an array is expected"),
        ({"values": np.zeros((3, 1, 3))}, r"its values have shape \(3, 1, 3\), expected \("),
        ({"values": np.zeros((3, 1, 3), "f4")}, "in float64"),
        ({"args": (5, np.array([3]), 1)}, "it takes 5 features, its forest 6"),
        ({"args": (6, np.array([4]), 1)}, "it has 4 classes, its forest 3"),
        ({"args": (6, np.array([3, 3]), 2)}, "n_outputs is not 1"),
        ({"args": (6, np.array([3]))}, "a tree described by 2 numbers instead of 3"),
    ],
)
def test_faulty_trees_are_refused(state, reason, forest):
    with pytest.raises(RefusedError, match=f"^tree 1: .*{reason}"):
        read(edited(forest, **state))


def test_thresholds_of_another_precision_are_refused(forest):
    array = forest.estimators_[1].tree_.__getstate__()["nodes"]
    types = [
        (name, "f4" if name == "threshold" else array.dtype[name]) for name in array.dtype.names
    ]
    with pytest.raises(RefusedError, match="tree 1: its thresholds are not float64"):
        read(edited(forest, nodes=array.astype(types)))


def test_a_classifier_without_its_tree_is_refused(forest):
    copy = pickle.loads(pickle.dumps(forest))
    copy.estimators_[2].tree_ = "none"
    with pytest.raises(RefusedError, match="tree 2: 'none' where the Tree inside a DecisionTreeCl"):
        read(pickle.dumps(copy))


def test_a_tree_without_nodes_is_refused(forest):
    empty = {"node_count": 0, "values": np.zeros((0, 1, 3))}
    nothing = forest.estimators_[1].tree_.__getstate__()["nodes"][:0]
    with pytest.raises(RefusedError, match="tree 1: it has no nodes"):
        read(edited(forest, nodes=nothing, **empty))


def with_attribute(forest, name, value):
    copy = pickle.loads(pickle.dumps(forest))
    vars(copy)[name] = value
    return pickle.dumps(copy)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("estimators_", [], "it has no trees"),
        ("estimators_", (), "it has no trees"),
        ("estimators_", [1], "tree 0: 1 where a DecisionTreeClassifier is expected"),
        ("classes_", np.array(["a", "b"]), "n_classes_ is not 2"),
        ("classes_", np.array(["a", "b", "b"]), "the list of classes holds 'b' twice"),
        ("classes_", np.array([0, 1, 2]), "holds 0, where only names are expected"),
        ("classes_", None, "None where a list of names is expected"),
        ("n_outputs_", 2, "n_outputs_ is not 1"),
        ("n_features_in_", 7, "tree 0: it takes 6 features, its forest 7"),
        ("n_features_", 5, "does not say how many features it takes, or says it twice"),
        ("feature_names_in_", 3, "3 where a list of names is expected"),
    ],
)
def test_faulty_forests_are_refused(name, value, reason, forest):
    with pytest.raises(RefusedError, match=reason):
        read(with_attribute(forest, name, value))


def with_version(forest, version):
    """The forest's pickle of protocol 2, where texts have four bytes of length, with a version."""
    new, old = (
        b"X" + len(text).to_bytes(4, "little") + text.encode()
        for text in (version, sklearn_version)
    )
    return pickle.dumps(forest, 2).replace(old, new)


@pytest.mark.parametrize("version", ["0.21.3", "0.2"])
def test_too_old_versions_are_refused(version, forest):
    with pytest.raises(RefusedError, match=f"tree 0: saved by scikit-learn {version}; versions"):
        read(with_version(forest, version))


def test_a_version_that_is_none_is_refused(forest):
    with pytest.raises(RefusedError, match="scikit-learn version 'new' is not known"):
        read(with_version(forest, "new"))


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (b"sklearn.tree._classes", b"sklearn.tree.tree"),
        (
            b"imblearn.ensemble._forest\nBalancedRandomForest",
            b"sklearn.ensemble.forest\nRandomForest",
        ),
    ],
)
def test_modules_of_version_0_21_are_told_apart(new, old, forest):
    data = pickle.dumps(forest, 2)
    assert new in data
    with pytest.raises(RefusedError, match=r"scikit-learn 0\.21 or older; .* save it again with"):
        read(data.replace(new, old))


def test_other_things_are_no_forests(forest):
    with pytest.raises(RefusedError, match="a dict of 1 where a random forest is expected"):
        read(pickle.dumps({"a": 1}))
    with pytest.raises(RefusedError, match=r"it names sklearn\.ensemble\._forest\.ExtraTreesCl"):
        read(pickle.dumps(ExtraTreesClassifier()))
    with pytest.raises(RefusedError, match="forest has no attribute classes_"):
        read(pickle.dumps(RandomForestClassifier()))
    with pytest.raises(RefusedError, match="decision tree where a random forest is expected"):
        read(pickle.dumps(forest.estimators_[0]))


def test_one_tree_many_times_is_refused(forest):
    copy = pickle.loads(pickle.dumps(forest))
    copy.estimators_ = copy.estimators_[:1] * 100_000
    with pytest.raises(RefusedError, match=r"tree \d+: it shares its values with another tree"):
        read(pickle.dumps(copy))


@pytest.mark.parametrize("protocol", [2, 5])
def test_mutations_are_read_or_refused(protocol, forest):
    original = pickle.dumps(forest, protocol)
    rng = random.Random(5)
    refused = 0
    for _ in range(1500):
        data = bytearray(original)
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read(bytes(data))
        except RefusedError as refusal:
            refused += len(str(refusal)) < 400
    assert 100 < refused < 1500
    assert brief(read(original).classes) == "a tuple of 3"
