"""One decision tree of scikit-learn, from what its pickle recorded to a checked Tree."""

import re
from dataclasses import dataclass

import numpy as np

from lcclassify.forest import Tree
from lcclassify.legacy.arrays import listed, to_array, to_integer
from lcclassify.legacy.records import Record, RefusedError, attribute, brief

OUTDATED = "object of scikit-learn 0.21 or older"  # kind of what older versions named otherwise

_OLDEST = (0, 22)
# Until 1.3 a leaf holds (weighted) counts and predict_proba divides them by their sum; from 1.4
# on it holds fractions and they are taken as they stand. The node layout changed earlier, in 1.3.
_FIRST_WITH_FRACTIONS = (1, 4)
_SUM_TOLERANCE = 1e-6  # fractions carry rounding errors of some 1e-16

_FIELDS = ("left_child", "right_child", "feature", "threshold")


@dataclass(frozen=True, slots=True)
class Expected:
    """What every tree of a forest must agree with."""

    n_features: int
    n_classes: int


def to_tree(value: object, expected: Expected) -> tuple[Tree, str]:
    """A recorded DecisionTreeClassifier as a Tree, and the scikit-learn version that saved it."""
    if not isinstance(value, Record) or value.kind != "decision tree":
        raise unexpected(value, "a DecisionTreeClassifier")
    version = attribute(value, "_sklearn_version")
    fractions = _parse_version(version) >= _FIRST_WITH_FRACTIONS
    inner = attribute(value, "tree_")
    if not isinstance(inner, Record) or inner.kind != "tree":
        raise unexpected(inner, "the Tree inside a DecisionTreeClassifier")
    _check_arguments(inner, expected)
    nodes = _nodes(inner)
    left, right, feature = (nodes[name].astype(np.int64) for name in _FIELDS[:3])
    tree = Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=nodes["threshold"].astype(np.float64),
        probability=_values(inner, len(nodes), expected.n_classes),
    )
    _check_links(tree)
    _check_splits(tree, expected.n_features)
    _check_leaves(tree, fractions=fractions, version=str(version))
    _finish_probabilities(tree, fractions=fractions)
    return tree, str(version)


def unexpected(value: object, expected: str) -> RefusedError:
    """The refusal of a value that is something else, with advice where it is only too old."""
    if isinstance(value, Record) and value.kind == OUTDATED:
        return RefusedError(
            "saved by scikit-learn 0.21 or older; files of 0.22 and later are read. "
            "Load it with the version that saved it, then save it again with 0.22"
        )
    return RefusedError(f"{brief(value)} where {expected} is expected")


def _parse_version(version: object) -> tuple[int, int]:
    match = re.match(r"(\d{1,4})\.(\d{1,4})", version) if isinstance(version, str) else None
    if match is None:
        raise RefusedError(f"scikit-learn version {brief(version)} is not known")
    parsed = int(match[1]), int(match[2])
    if parsed < _OLDEST:
        raise RefusedError(f"saved by scikit-learn {version}; versions from 0.22 on are read")
    return parsed


def _check_arguments(inner: Record, expected: Expected) -> None:
    """Tree(n_features, n_classes of each output, n_outputs) as the pickle would have called it."""
    if len(inner.args) != 3:
        raise RefusedError(f"a tree described by {len(inner.args)} numbers instead of 3")
    n_features = to_integer(inner.args[0], "the number of features")
    n_outputs = to_integer(inner.args[2], "the number of outputs")
    n_classes = listed(to_array(inner.args[1]))
    if n_outputs != 1 or not isinstance(n_classes, list) or len(n_classes) != 1:
        raise RefusedError("it answers several questions at once (n_outputs is not 1)")
    if n_features != expected.n_features:
        raise RefusedError(f"it takes {n_features} features, its forest {expected.n_features}")
    if n_classes[0] != expected.n_classes:
        raise RefusedError(f"it has {brief(n_classes[0])} classes, its forest {expected.n_classes}")


def _nodes(inner: Record) -> np.ndarray:
    """The node records, (n,), one field each for child, feature, threshold, ..."""
    nodes = to_array(attribute(inner, "nodes"))
    n_nodes = to_integer(attribute(inner, "node_count"), "node_count")
    if nodes.ndim != 1 or nodes.dtype.names is None:
        raise RefusedError("its nodes are not a list of records")
    for name in _FIELDS:
        wanted = "f" if name == "threshold" else "i"
        if name not in nodes.dtype.names or nodes.dtype[name].kind != wanted:
            raise RefusedError(f"its nodes have no field {name} of the known type")
    if nodes.dtype["threshold"].itemsize != 8:
        raise RefusedError("its thresholds are not float64")
    if len(nodes) != n_nodes:
        raise RefusedError(f"node_count is {n_nodes}, but there are {len(nodes)} nodes")
    if n_nodes == 0:
        raise RefusedError("it has no nodes")
    return nodes


def _values(inner: Record, n_nodes: int, n_classes: int) -> np.ndarray:
    """A writable copy of the values of all nodes. (n, K) float64"""
    values = to_array(attribute(inner, "values"))
    expected = (n_nodes, 1, n_classes)
    if values.shape != expected or values.dtype.kind != "f" or values.dtype.itemsize != 8:
        raise RefusedError(f"its values have shape {values.shape}, expected {expected} in float64")
    # Reshaped without the axis of outputs; C order, so that sums run as scikit-learn's own.
    return np.array(values.reshape(n_nodes, n_classes), np.float64, order="C")


def _check_links(tree: Tree) -> None:
    """Every node but the root is the child of exactly one other, which precedes it: a tree."""
    n_nodes = len(tree.left)
    leaf = tree.left == -1
    _refuse_first(leaf != (tree.right == -1), "it has one child; nodes have two or none")
    inner = np.flatnonzero(~leaf)
    for side, child in (("left", tree.left), ("right", tree.right)):
        here = child[inner]
        outside = inner[(here < 0) | (here >= n_nodes)]
        if len(outside):
            node = outside[0]
            raise RefusedError(f"node {node}: its {side} child is {child[node]} of {n_nodes} nodes")
        # scikit-learn numbers a child after its parent, so a loop must break this somewhere.
        back = inner[here <= inner]
        if len(back):
            node = back[0]
            raise RefusedError(
                f"node {node}: its {side} child {child[node]} is no later node: a loop"
            )
    parents = np.bincount(tree.left[inner], minlength=n_nodes)
    parents += np.bincount(tree.right[inner], minlength=n_nodes)
    parents[0] += 1  # the root has no parent; the check above keeps it from being a child
    _refuse_first(parents == 0, "it cannot be reached from the root")
    _refuse_first(parents > 1, "it is the child of two nodes")


def _check_splits(tree: Tree, n_features: int) -> None:
    inner = tree.left != -1
    outside = inner & ((tree.feature < 0) | (tree.feature >= n_features))
    _refuse_first(outside, f"it splits on a feature outside 0..{n_features - 1}")
    _refuse_first(inner & ~np.isfinite(tree.threshold), "its threshold is not finite")


def _check_leaves(tree: Tree, *, fractions: bool, version: str) -> None:
    leaf = tree.left == -1
    value = tree.probability
    unsound = ~np.isfinite(value).all(axis=1) | (value < 0).any(axis=1)
    _refuse_first(leaf & unsound, "its values are not finite numbers from 0 on")
    with np.errstate(invalid="ignore", over="ignore"):  # rows of inner nodes may hold anything
        total = value.sum(axis=1)
    if fractions:
        off = ~(np.abs(total - 1.0) <= _SUM_TOLERANCE)
        _refuse_first(leaf & off, f"its values do not sum to 1, as those of version {version} do")
    else:
        _refuse_first(leaf & ~((total > 0) & np.isfinite(total)), "its counts have no finite sum")


def _finish_probabilities(tree: Tree, *, fractions: bool) -> None:
    """Turn leaf values into probabilities as scikit-learn would; other rows become 0. In place."""
    leaf = tree.left == -1
    rows = tree.probability[leaf]
    if not fractions:
        rows /= rows.sum(axis=1)[:, np.newaxis]
    tree.probability[:] = 0.0
    tree.probability[leaf] = rows


def _refuse_first(faulty: np.ndarray, reason: str) -> None:
    if faulty.any():
        raise RefusedError(f"node {np.argmax(faulty)}: {reason}")
