"""The compiled loops of ``packed``, which explains the words they walk. Importing this costs Numba.

Indices are uint64 throughout: Numba would check signed ones for counting from the end, and turns a
mix of int64 and uint64 into float64. Nothing here checks bounds: ``first_fault`` has, once.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

# The best of those tried on an AMD EPYC of 2024 (48 KiB L1, 1 MiB L2) with 4 x 500 trees.
BLOCK = 512  # rows whose keys stay in L2 while all trees pass by
LANES = 256  # (tree, row) pairs walked side by side, so that their memory accesses overlap
FEW = 32  # below so many rows fetching the nodes met beats streaming whole trees
BLIND = 4  # levels beyond log2(leaves) walked before looking whether lanes have ended

WORDS_PER_LINE = 8  # 64-byte cache lines
PAIRS_PER_LINE = WORDS_PER_LINE // 2

CHILD = np.uint64(0xFFFFF)
FEATURE = np.uint64(0xFFF)
FEATURE_SHIFT = np.uint64(20)
KEY_SHIFT = np.uint64(32)
ONE = np.uint64(1)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """``function`` compiled at its first call, kept on disk where a cache folder can be written."""
    try:
        kernel: Kernel = njit(function, nogil=True, cache=True)
    except RuntimeError:  # "cannot cache function: no locator available"
        kernel = njit(function, nogil=True)
    return kernel


def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]`` without waiting; any index is allowed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(fetch, [address, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch: Any = intrinsic(_prefetch)


@compiled
def order_keys(matrix: np.ndarray, zero_above: float, keys: np.ndarray, bad: np.ndarray) -> None:
    """Fill ``keys`` (N, D + 1) int32 and ``bad`` (N,) int64 from ``matrix`` (N, D) float64."""
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

    Children lie behind their parent and inside their tree, so every walk ends.
    """
    for tree in range(trees.size - 1):
        size = np.int64(trees[tree + 1] - trees[tree])
        for node in range(size):
            word = nodes[np.uint64(trees[tree] + node)]
            child = np.int64(word & CHILD)
            feature = np.int64((word >> FEATURE_SHIFT) & FEATURE)
            if feature == 0:
                sound = child == node and np.int64(word >> KEY_SHIFT) < n_leaves
            else:
                sound = node < child < size - 1 and feature <= n_columns
            if not sound:
                return int(trees[tree] + node)
    return -1


@compiled
def step(
    nodes: np.ndarray, cells: np.ndarray, tree: np.uint64, row: np.uint64, node: np.uint64
) -> Any:
    """The node after ``node``, both counted from ``tree``; leaves stay where they are."""
    word = nodes[tree + node]
    cell = cells[row + ((word >> FEATURE_SHIFT) & FEATURE)]
    return (word & CHILD) + np.uint64(cell > np.int32(np.int64(word) >> np.int64(32)))


@compiled
def walk(
    nodes: np.ndarray, trees: np.ndarray, leaves: np.ndarray, keys: np.ndarray, out: np.ndarray
) -> None:
    """Add the mean over the trees of the leaves that ``keys`` (N, D + 1) end in to ``out`` (N, K).

    A lane is one row in one tree. Each tree's leaf is added in turn, whatever the grouping.
    """
    n_trees = trees.size - 1
    size = max(LANES, min(BLOCK, keys.shape[0]))
    tree_of = np.empty(size, np.uint32)  # first word of the lane's tree
    row_of = np.empty(size, np.uint32)  # first cell of the lane's row
    node_of = np.empty(size, np.uint32)  # where the lane has come to, counted from tree_of
    active = np.empty(size, np.uint32)  # lanes that have not reached a leaf
    for begin in range(0, keys.shape[0], BLOCK):
        block = keys[begin : begin + BLOCK]
        cells = block.reshape(-1)
        rows = block.shape[0]
        few = rows < FEW
        group = max(1, LANES // rows)
        for tree in range(group):
            for row in range(rows):
                row_of[tree * rows + row] = row * keys.shape[1]

        for first in range(0, n_trees, group):
            stop = min(first + group, n_trees)
            for tree in range(stop - first):
                for row in range(rows):
                    tree_of[tree * rows + row] = trees[first + tree]
                    node_of[tree * rows + row] = 0
            lanes = np.uint64((stop - first) * rows)

            # Few lanes end before the mean depth, log2(leaves) at the least: walk them all.
            ahead, end = trees[stop], trees[min(stop + group, n_trees)]
            levels = BLIND
            half = (trees[stop] - trees[first]) // (stop - first)
            while half > 2:
                half //= 2
                levels += 1
            for _ in range(levels):
                for lane in range(lanes):
                    tree_at, row_at = np.uint64(tree_of[lane]), np.uint64(row_of[lane])
                    node = step(nodes, cells, tree_at, row_at, np.uint64(node_of[lane]))
                    node_of[lane] = node
                    if few:
                        prefetch(nodes, tree_at + node)
                    elif ahead < end:
                        prefetch(nodes, ahead)
                        ahead += WORDS_PER_LINE

            # From now on only those that move. Whether the word just reached is a leaf's is not
            # asked: that would wait for the line being fetched.
            for lane in range(lanes):
                active[lane] = lane
            left = lanes
            while left > np.uint64(0):
                still = np.uint64(0)
                for place in range(left):
                    lane_at = np.uint64(active[place])
                    tree_at, row_at = np.uint64(tree_of[lane_at]), np.uint64(row_of[lane_at])
                    before = np.uint64(node_of[lane_at])
                    node = step(nodes, cells, tree_at, row_at, before)
                    node_of[lane_at] = node
                    if few:
                        prefetch(nodes, tree_at + node)
                    active[still] = lane_at
                    still += np.uint64(node != before)
                left = still

            lane_at = np.uint64(0)
            for _ in range(first, stop):
                for row in range(begin, begin + rows):
                    word = nodes[np.uint64(tree_of[lane_at]) + np.uint64(node_of[lane_at])]
                    leaf = word >> KEY_SHIFT
                    for k in range(leaves.shape[1]):
                        out[row, k] += leaves[leaf, k]
                    lane_at += ONE

        for row in range(begin, begin + rows):
            for k in range(leaves.shape[1]):
                out[row, k] /= n_trees


@compiled
def arrange(left: np.ndarray, right: np.ndarray, position: np.ndarray) -> tuple[int, int]:
    """Lay a tree's sibling pairs out in cache lines, so that a walk meets few of them.

    Fills ``position`` (n,) int64 with the words of the nodes: the root's is 0, the words of
    siblings follow each other and come after their parent's. Returns the number of words and -1,
    or the first node in the way of that, be it outside, met twice or never, or with one child.
    """
    n = left.size
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
