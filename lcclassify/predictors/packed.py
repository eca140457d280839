"""Random forests as the words that ``walk_kernel`` walks: exactly scikit-learn's sums, much faster.

A node is one 64-bit word, its tree's words lie together and the root comes first::

    bits 63-32   inner node: order key of the threshold      leaf: row of PackedForest.leaves
    bits 31-20   inner node: 1 + column of the batch matrix  leaf: 0
    bits 19-0    inner node: word of the left child          leaf: its own word

Words are counted from the root; the right child follows the left one. The order key of a float32
is an int32 that compares like it. A threshold t is a float64, but x <= t is the same as x <= (the
largest float32 <= t) for every float32 x. Column 0 of the keys is below all thresholds, so that a
leaf steps onto itself and no walk has to ask whether it has ended.

Import this module where a forest is used, not at the top of a program: the functions load Numba.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lcclassify.errors import ModelError
from lcclassify.forest import Forest, Tree

MAX_WORDS = 1 << 20  # of a tree
MAX_COLUMNS = (1 << 12) - 1
ROWS_PER_THREAD = 128  # a thread costs about as much as walking a few dozen rows


@dataclass(frozen=True, slots=True)
class PackedForest:
    """T trees that vote by averaging; the arrays may be mapped from files and are only read."""

    nodes: np.ndarray  # (n,) uint64, see above
    trees: np.ndarray  # (T + 1,) int64; tree t owns nodes[trees[t]:trees[t + 1]]
    leaves: np.ndarray  # (U, K) float64, the different leaves of the forest


def pack(forest: Forest, columns: Sequence[int]) -> PackedForest:
    """The forest in words; its feature j reads column ``columns[j]`` of the batch matrix."""
    column = np.asarray(columns, np.int64)
    if column.shape != (len(forest.features),):
        raise ModelError(f"{len(forest.features)} features need as many columns, not {column.size}")
    if column.size and not 0 <= column.min() <= column.max() < MAX_COLUMNS:
        raise ModelError(
            f"columns {column.min()} to {column.max()} are not in 0 to {MAX_COLUMNS - 1}"
        )
    rows: dict[bytes, int] = {}  # leaf as bytes -> row of leaves, in the order of appearance
    packed = [
        _pack_tree(tree, f"tree {t}", forest, column, rows) for t, tree in enumerate(forest.trees)
    ]
    result = PackedForest(
        np.concatenate([np.zeros(0, np.uint64), *packed]),
        np.cumsum([0, *map(len, packed)]),
        np.frombuffer(b"".join(rows)).reshape(len(rows), len(forest.classes)),
    )
    check(result, MAX_COLUMNS, len(forest.classes))
    return result


def _pack_tree(
    tree: Tree, name: str, forest: Forest, column: np.ndarray, rows: dict[bytes, int]
) -> np.ndarray:
    """The words of one tree; adds the leaves that are new to ``rows``. (n,) uint64"""
    from lcclassify.predictors import kernels

    left, right, feature = (
        np.ascontiguousarray(array, np.int64) for array in (tree.left, tree.right, tree.feature)
    )
    n, n_classes = left.size, len(forest.classes)
    shapes = [array.shape for array in (left, right, feature, tree.threshold, tree.probability)]
    if not n or shapes != [(n,), (n,), (n,), (n,), (n, n_classes)]:
        raise ModelError(f"{name}: the arrays do not describe the same nodes and classes")
    word = np.empty(n, np.int64)
    n_words, fault = kernels.arrange(left, right, word)
    if fault >= 0:
        raise ModelError(f"{name}: the children around node {fault} do not form a tree")
    if n_words > MAX_WORDS:
        raise ModelError(f"{name}: {n_words} words for its nodes are more than {MAX_WORDS}")
    inner = left >= 0
    wrong = inner & ((feature < 0) | (feature >= column.size) | np.isnan(tree.threshold))
    if wrong.any():
        node = np.argmax(wrong)
        raise ModelError(
            f"{name}: node {node} compares feature {feature[node]} of {column.size}"
            f" with {tree.threshold[node]}"
        )
    nodes = np.arange(n_words, dtype=np.uint64)  # leaves, until the inner nodes come
    high, low = nodes.view(np.uint32).reshape(-1, 2).T[::-1]  # little-endian, as files are too
    high[word[inner]] = _threshold_key(tree.threshold[inner]).view(np.uint32)
    low[word[inner]] = (1 + column[feature[inner]]) << 20 | word[left[inner]]
    leaves = np.ascontiguousarray(tree.probability[~inner], np.float64)
    as_bytes = leaves.view(f"V{leaves.itemsize * n_classes}").ravel().tolist()
    high[word[~inner]] = [rows.setdefault(row, len(rows)) for row in as_bytes]
    return nodes


def _threshold_key(threshold: np.ndarray) -> np.ndarray:
    """Order key of the largest float32 <= threshold, of any shape. int32"""
    with np.errstate(over="ignore"):
        single = threshold.astype(np.float32)
    single = np.where(single > threshold, np.nextafter(single, np.float32(-np.inf)), single)
    bits = (single + np.float32(0)).view(np.int32)  # -0.0 + 0.0 is 0.0
    key: np.ndarray = bits ^ (bits >> 31 & 0x7FFFFFFF)
    return key


def check(forest: PackedForest, n_columns: int, n_classes: int) -> None:
    """Refuse a forest that is no forest, which would be walked as safely but to no right answer.

    It may have come from a file: ``n_columns`` of the batch matrix and ``n_classes`` are what the
    caller will read with.
    """
    from lcclassify.predictors import kernels

    nodes, trees, leaves = forest.nodes, forest.trees, forest.leaves
    for name, array, dtype, ndim in (
        ("nodes", nodes, np.uint64, 1),
        ("trees", trees, np.int64, 1),
        ("leaves", leaves, np.float64, 2),
    ):
        if array.dtype != dtype or array.ndim != ndim or not array.flags.c_contiguous:
            raise ModelError(f"{name} of the forest must be {ndim}-dimensional {np.dtype(dtype)}")
    # Compared before they are subtracted: differences of offsets from a file can overflow.
    if (
        trees.size < 2
        or trees[0] != 0
        or trees[-1] != nodes.size
        or (trees[1:] <= trees[:-1]).any()
    ):
        raise ModelError(f"the trees of the forest do not share its {nodes.size} nodes")
    longest = np.diff(trees).max()
    if longest > MAX_WORDS or nodes.size > np.iinfo(np.uint32).max:
        raise ModelError(f"the forest is too large: {nodes.size} nodes, {longest} in one tree")
    if n_columns > MAX_COLUMNS:
        raise ModelError(f"{n_columns} columns are more than {MAX_COLUMNS}")
    if leaves.shape[1] != n_classes:
        raise ModelError(f"the forest's leaves have {leaves.shape[1]} classes, not {n_classes}")
    # Written so that NaN fails. Stored fractions add up to 1 give or take a few ulp.
    with np.errstate(all="ignore"):
        sound = (leaves >= 0).all(1) & (np.abs(leaves.sum(1) - 1) < 1e-6)
    if not sound.all():
        raise ModelError(f"leaf {np.argmin(sound)} of the forest is no probability distribution")
    fault = kernels.first_fault(_read_only(nodes), _read_only(trees), n_columns, len(leaves))
    if fault >= 0:
        tree = np.searchsorted(trees, fault, "right") - 1
        raise ModelError(f"tree {tree}: node {fault - trees[tree]} is corrupted")


def keys(matrix: np.ndarray, zero_above: float = 1e32) -> tuple[np.ndarray, np.ndarray]:
    """Order keys of a batch, and where a value is outside the range of float32.

    ``matrix`` is (N, D) float64; NaN and infinities are missing and become -999, values above
    ``zero_above`` become 0. Returns (N, D + 1) int32 and, per row, the first column with a value
    that only fits as an infinity, or -1. (N,) int64
    """
    from lcclassify.predictors import kernels

    result = np.empty((matrix.shape[0], matrix.shape[1] + 1), np.int32)
    bad = np.empty(matrix.shape[0], np.int64)
    values = _read_only(np.ascontiguousarray(matrix, np.float64))
    kernels.order_keys(values, float(zero_above), result, bad)
    return result, bad


def predict(forest: PackedForest, keys: np.ndarray, threads: int = 1) -> np.ndarray:
    """Mean leaf of each row, bit for bit the same in any batch. (N, K) float64

    ``keys`` come from the function of that name, with as many columns as ``forest`` was checked
    for; ``threads`` share the rows.
    """
    from lcclassify.predictors import kernels

    nodes, trees, leaves = map(_read_only, (forest.nodes, forest.trees, forest.leaves))
    keys = np.require(keys, np.int32, ["C", "W"])  # as those that the walk may have to copy
    out = np.zeros((len(keys), leaves.shape[1]))
    rows = max(-(-len(keys) // threads), ROWS_PER_THREAD)
    if rows >= len(keys):
        kernels.walk(nodes, trees, leaves, keys, out)
        return out
    with ThreadPoolExecutor(threads) as pool:
        for part in [
            pool.submit(kernels.walk, nodes, trees, leaves, keys[i : i + rows], out[i : i + rows])
            for i in range(0, len(keys), rows)
        ]:
            part.result()
    return out


def _read_only(array: np.ndarray) -> np.ndarray:
    """A plain read-only view: kernels are compiled once, for no other kind of array."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
