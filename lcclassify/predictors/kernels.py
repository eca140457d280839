"""The compiled loops of ``packed``, which explains the words they read. Importing this costs Numba.

No loop here trusts the content of what it is given: words and offsets may be anything, and change
while they are read. Each says how it stays within its arrays; their shapes are compared once, at
the start: ValueError.
"""

import numpy as np

from lcclassify.predictors.compiled import compiled
from lcclassify.predictors.walk_kernel import (
    CHILD,
    FEATURE,
    FEATURE_SHIFT,
    KEY_SHIFT,
    WORDS_PER_LINE,
    walk,
)

__all__ = ["arrange", "compiled", "first_fault", "order_keys", "walk"]

PAIRS_PER_LINE = WORDS_PER_LINE // 2


@compiled
def order_keys(matrix: np.ndarray, zero_above: float, keys: np.ndarray, bad: np.ndarray) -> None:
    """Fill ``keys`` (N, D + 1) int32 and ``bad`` (N,) int64 from ``matrix`` (N, D) float64.

    Bounded: every index is a loop's own, and the shapes are compared first.
    """
    n_rows, n_columns = matrix.shape
    if keys.shape[0] != n_rows or keys.shape[1] != n_columns + 1 or bad.shape[0] != n_rows:
        raise ValueError("matrix, keys and bad are not of the same rows and columns")
    for row in range(matrix.shape[0]):
        keys[row, 0] = np.int32(-(2**31))
        bad[row] = -1
        for column in range(matrix.shape[1]):
            value = matrix[row, column]
            if not abs(value) < np.inf:  # NaN too
                value = -999.0
            if value > zero_above:
                value = 0.0
            single = np.float32(np.float32(value) + np.float32(0))  # -0.0 + 0.0 is 0.0
            if abs(single) == np.inf and bad[row] < 0:
                bad[row] = column
            bits = single.view(np.int32)
            keys[row, column + 1] = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


@compiled
def first_fault(nodes: np.ndarray, trees: np.ndarray, n_columns: int, n_leaves: int) -> int:
    """Index of the first word that a walk must not meet; -1 if there is none.

    Children lie behind their parent and inside their tree, so every walk ends. A tree that is
    empty or not within ``nodes`` is at fault with its first word, or the one behind them all.
    Bounded: the offsets of a tree are read once and compared with ``nodes`` before they are used.
    """
    for tree in range(trees.size - 1):
        begin, end = trees[tree], trees[tree + 1]
        if not 0 <= begin < end <= nodes.size:
            return int(min(max(begin, 0), nodes.size))
        size = end - begin
        for node in range(size):
            word = nodes[np.uint64(begin + node)]
            child = np.int64(word & CHILD)
            feature = np.int64((word >> FEATURE_SHIFT) & FEATURE)
            if feature == 0:
                sound = child == node and np.int64(word >> KEY_SHIFT) < n_leaves
            else:
                sound = node < child < size - 1 and feature <= n_columns
            if not sound:
                return int(begin + node)
    return -1


@compiled
def arrange(left: np.ndarray, right: np.ndarray, position: np.ndarray) -> tuple[int, int]:
    """Lay a tree's sibling pairs out in cache lines, so that a walk meets few of them.

    Fills ``position`` (n,) int64 with the words of the nodes: the root's is 0, the words of
    siblings follow each other and come after their parent's. Returns the number of words and -1,
    or the first node in the way of that, be it outside, met twice or never, or with one child.

    Bounded: children are checked one by one, in a copy that nobody else changes, before any of them
    is an index; what follows goes by a tree, each of whose nodes is laid out once.
    """
    n = left.size
    if n == 0 or right.size != n or position.size != n:
        raise ValueError("left, right and position are not of the same nodes, or of none")
    left, right = left.copy(), right.copy()
    order = np.zeros(n, np.int64)  # breadth first
    met = np.zeros(n, np.bool_)
    met[0] = True
    found = 1
    for place in range(n):
        if place == found:
            return 0, int(np.argmin(met))
        node = order[place]
        if left[node] == -1 and right[node] == -1:
            continue
        for child in (left[node], right[node]):
            if child < 0 or child >= n or met[child]:
                return 0, node
            met[child] = True
            order[found] = child
            found += 1
    pairs = np.zeros(n, np.int64)  # sibling pairs below a node
    for node in order[::-1]:
        if left[node] >= 0:
            pairs[node] = 1 + pairs[left[node]] + pairs[right[node]]

    # Large subtrees: each line takes the pairs most often met below one node.
    position[0] = 0
    words = 2  # the word beside the root's stays empty
    large = np.empty(n, np.int64)
    small = np.empty((PAIRS_PER_LINE, n), np.int64)  # subtrees that fit in one line, by their pairs
    waiting = np.zeros(PAIRS_PER_LINE, np.int64)
    fringe = np.empty(WORDS_PER_LINE, np.int64)
    large[0] = 0
    n_large = np.int64(pairs[0] > 0)
    for place in range(n):
        if place == n_large:
            break
        fringe[0], width = large[place], 1
        while width > 0:
            largest = np.argmax(pairs[fringe[:width]])
            node = fringe[largest]
            width -= 1
            fringe[largest] = fringe[width]
            for child in (left[node], right[node]):
                position[child] = words
                words += 1
                if pairs[child] > 0:
                    fringe[width] = child
                    width += 1
            if words % WORDS_PER_LINE == 0:
                break
        for node in fringe[:width]:
            if pairs[node] >= PAIRS_PER_LINE:
                large[n_large] = node
                n_large += 1
            else:
                small[pairs[node], waiting[pairs[node]]] = node
                waiting[pairs[node]] += 1

    # Small subtrees share lines, the largest that still fits first.
    while waiting.sum() > 0:
        room = PAIRS_PER_LINE - words % WORDS_PER_LINE // 2
        count = min(room, PAIRS_PER_LINE - 1)
        while count > 0 and waiting[count] == 0:
            count -= 1
        if count == 0:
            words += 2 * room
            continue
        waiting[count] -= 1
        fringe[0], width = small[count, waiting[count]], 1
        while width > 0:
            width -= 1
            node = fringe[width]
            for child in (left[node], right[node]):
                position[child] = words
                words += 1
                if pairs[child] > 0:
                    fringe[width] = child
                    width += 1
    return words + -words % WORDS_PER_LINE, -1
