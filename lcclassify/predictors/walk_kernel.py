"""``walk``: rows through all trees of a forest, whose words ``packed`` explains.

A lane is one row in one tree. It trusts no word: these may be anything, and change while they are
read. How every lane stays inside the arrays, and why it ends:

- No step leads further from a tree's first word than ``reach`` + 1, since no more of a word is
  looked at. Lanes of trees that lie so far before the last word are ``sure`` to stay before it;
  those of the few others are cut to it at every step.
- A lane is a place in arrays of LANES or a block's rows, whichever is more, and is only counted by
  loops. Behind the cells of the last row there is room for every feature that a word can name.
- Leaves are cut to the last one.
- A lane takes a fixed number of steps, at most BLIND + 62, and goes on from there only while it
  gets further from the tree's first word: at most ``reach`` + 1 steps more, fewer than twice the
  words of the longest tree.

Indices are uint64: Numba would check signed ones for counting from the end, and turns a mix of
int64 and uint64 into float64. Errors are raised in ``walk`` alone: one in a loop would slow it.
"""

from typing import Any

import numpy as np

from lcclassify.predictors.compiled import compiled, prefetch

# The best of those tried on an AMD EPYC of 2024 (48 KiB L1, 1 MiB L2) with 4 x 500 trees.
BLOCK = 512  # rows whose keys stay in L2 while all trees pass by
LANES = 256  # (tree, row) pairs walked side by side, so that their memory accesses overlap
FEW = 32  # below so many rows fetching the nodes met beats streaming whole trees
BLIND = 4  # levels beyond log2(leaves) walked before looking whether lanes have ended

WORDS_PER_LINE = 8  # 64-byte cache lines
MAX_WORDS = 1 << 32  # of a forest: a uint32 says where a lane is
MAX_CELLS = 1 << 12  # of a row of keys

CHILD = np.uint64(0xFFFFF)
FEATURE = np.uint64(0xFFF)
FEATURE_SHIFT = np.uint64(20)
KEY_SHIFT = np.uint64(32)
ZERO, ONE = np.uint64(0), np.uint64(1)


@compiled
def walk(
    nodes: np.ndarray, trees: np.ndarray, leaves: np.ndarray, keys: np.ndarray, out: np.ndarray
) -> None:
    """Add the mean over the trees of the leaves that ``keys`` (N, D + 1) end in to ``out`` (N, K).

    Each tree's leaf is added in turn, whatever the grouping. ValueError if the shapes do not fit;
    bounded, as is said above, whatever is in the arrays.
    """
    if trees.size < 2 or not 0 < nodes.size <= MAX_WORDS or leaves.shape[0] < 1:
        raise ValueError("a forest without trees, words or leaves, or of too many words")
    if out.shape[0] != keys.shape[0] or out.shape[1] != leaves.shape[1]:
        raise ValueError("out has not the rows of keys and the columns of leaves")
    if not 0 < keys.shape[1] <= MAX_CELLS:
        raise ValueError("rows of keys are empty or too long")
    width, flat = keys.shape[1], keys.reshape(-1)
    for begin in range(0, keys.shape[0], BLOCK):
        stop = min(begin + BLOCK, keys.shape[0])
        if flat.size - stop * width >= MAX_CELLS:  # the next rows are room enough
            cells = flat[begin * width : stop * width + MAX_CELLS]
        else:
            cells = np.empty((stop - begin) * width + MAX_CELLS, np.int32)
            for cell in range(np.uint64((stop - begin) * width)):  # a slice is slow to compile
                cells[cell] = flat[np.uint64(begin * width) + cell]
        _walk_block(nodes, trees, leaves, cells, width, out[begin:stop])


@compiled
def _walk_block(
    nodes: np.ndarray,
    trees: np.ndarray,
    leaves: np.ndarray,
    cells: np.ndarray,
    width: int,
    out: np.ndarray,
) -> None:
    """The same for the rows of one block, whose ``cells`` are ``width`` each."""
    n_trees, rows = trees.size - 1, out.shape[0]
    last_word = np.uint64(nodes.size - 1)
    reach = np.uint32(_reach(trees))  # narrow, as the sums of a step are: which is faster
    behind = np.uint64(reach) + ONE
    last_root = last_word - behind  # of a tree whose lanes are sure, where there is one
    size = max(LANES, rows)
    root_of = np.empty(size, np.uint32)  # first word of the lane's tree
    row_of = np.empty(size, np.uint32)  # first cell of the lane's row
    at_of = np.empty(size, np.uint32)  # the word that the lane has come to
    active = np.empty(size, np.uint32)  # lanes that have not reached a leaf
    few = rows < FEW
    group = max(1, LANES // rows)
    for tree in range(group):
        for row in range(rows):
            row_of[tree * rows + row] = row * width

    for first in range(0, n_trees, group):
        stop = min(first + group, n_trees)
        within = stop if last_word >= behind else first
        while within > first and np.uint64(trees[within - 1]) > last_root:
            within -= 1
        for tree in range(stop - first):
            last = last_root if first + tree < within else last_word
            root = min(np.uint64(trees[first + tree]), last)
            for row in range(rows):
                root_of[tree * rows + row] = root
                at_of[tree * rows + row] = root
        lanes, sure = np.uint64((stop - first) * rows), np.uint64((within - first) * rows)

        # Few lanes end before the mean depth, log2(leaves) at the least: walk them all.
        levels = BLIND
        half = (trees[stop] - trees[first]) // (stop - first)
        while half > 2:
            half //= 2
            levels += 1
        if few:
            _down_few(nodes, cells, root_of, row_of, at_of, lanes, sure, reach, levels)
        else:
            ahead, end = trees[stop], trees[min(stop + group, n_trees)]
            _down(nodes, cells, root_of, row_of, at_of, lanes, sure, reach, levels, ahead, end)
        _to_leaves(nodes, cells, root_of, row_of, at_of, active, sure, reach, few)
        if sure < lanes:
            _last_to_leaves(nodes, cells, root_of, row_of, at_of, active, lanes, sure, reach)
        if few:
            _add_few(nodes, leaves, at_of, lanes, out)
        else:
            _add(nodes, leaves, at_of, stop - first, out)

    for row in range(rows):
        for k in range(leaves.shape[1]):
            out[row, k] /= n_trees


@compiled
def _reach(trees: np.ndarray) -> Any:
    """The bits that the words of the longest tree need, all set; at most those of CHILD."""
    longest = np.int64(1)
    for tree in range(np.uint64(trees.size - 1)):
        longest = max(longest, trees[tree + ONE] - trees[tree])
    reach = ONE
    while reach < np.uint64(longest) and reach < CHILD:
        reach = reach + reach + ONE
    return reach


@compiled
def _step(
    nodes: np.ndarray,
    cells: np.ndarray,
    root: np.uint64,
    row: np.uint64,
    at: np.uint64,
    reach: np.uint32,
) -> Any:
    """The word after the one at ``at``, up to ``reach`` + 1 from the root; leaves stay there."""
    word = nodes[at]
    cell = cells[row + ((word >> FEATURE_SHIFT) & FEATURE)]
    is_right = np.uint64(cell > np.int32(np.int64(word) >> np.int64(32)))
    child = np.uint64(np.uint32(word) & reach)
    return np.uint64(np.uint32(root + child + is_right))


@compiled
def _down_few(
    nodes: np.ndarray,
    cells: np.ndarray,
    root_of: np.ndarray,
    row_of: np.ndarray,
    at_of: np.ndarray,
    lanes: np.uint64,
    sure: np.uint64,
    reach: np.uint32,
    levels: int,
) -> None:
    """Take all lanes down so many levels, and fetch the word that each has come to."""
    last = np.uint64(nodes.size - 1)
    for _ in range(levels):
        for lane in range(sure):
            root, row = np.uint64(root_of[lane]), np.uint64(row_of[lane])
            at = _step(nodes, cells, root, row, np.uint64(at_of[lane]), reach)
            at_of[lane] = at
            prefetch(nodes, at)
        for lane in range(sure, lanes):
            root, row = np.uint64(root_of[lane]), np.uint64(row_of[lane])
            at = _step(nodes, cells, root, row, np.uint64(at_of[lane]), reach)
            at_of[lane] = min(at, last)


@compiled
def _down(
    nodes: np.ndarray,
    cells: np.ndarray,
    root_of: np.ndarray,
    row_of: np.ndarray,
    at_of: np.ndarray,
    lanes: np.uint64,
    sure: np.uint64,
    reach: np.uint32,
    levels: int,
    ahead: int,
    end: int,
) -> None:
    """Take all lanes down so many levels, and fetch the words from ``ahead`` to ``end``."""
    last = np.uint64(nodes.size - 1)
    for _ in range(levels):
        for lane in range(sure):
            root, row = np.uint64(root_of[lane]), np.uint64(row_of[lane])
            at_of[lane] = _step(nodes, cells, root, row, np.uint64(at_of[lane]), reach)
            if ahead < end:
                prefetch(nodes, ahead)
                ahead += WORDS_PER_LINE
        for lane in range(sure, lanes):
            root, row = np.uint64(root_of[lane]), np.uint64(row_of[lane])
            at = _step(nodes, cells, root, row, np.uint64(at_of[lane]), reach)
            at_of[lane] = min(at, last)


@compiled
def _to_leaves(
    nodes: np.ndarray,
    cells: np.ndarray,
    root_of: np.ndarray,
    row_of: np.ndarray,
    at_of: np.ndarray,
    active: np.ndarray,
    sure: np.uint64,
    reach: np.uint32,
    few: bool,
) -> None:
    """Take the sure lanes to their leaves, stepping only with those that move.

    Whether the word just reached is a leaf's is not asked: that would wait for the line being
    fetched.
    """
    for lane in range(sure):
        active[lane] = lane
    left = sure
    while left > ZERO:
        still = ZERO
        for place in range(left):
            mover = np.uint64(active[place])
            root, row = np.uint64(root_of[mover]), np.uint64(row_of[mover])
            before = np.uint64(at_of[mover])
            at = _step(nodes, cells, root, row, before, reach)
            at_of[mover] = at
            if few:
                prefetch(nodes, at)
            active[still] = mover
            still += np.uint64(at > before)
        left = still


@compiled
def _last_to_leaves(
    nodes: np.ndarray,
    cells: np.ndarray,
    root_of: np.ndarray,
    row_of: np.ndarray,
    at_of: np.ndarray,
    active: np.ndarray,
    lanes: np.uint64,
    sure: np.uint64,
    reach: np.uint32,
) -> None:
    """Take the lanes that are not sure to their leaves, each step cut to the last word.

    Cutting all lanes would cost a tenth of the walk.
    """
    last = np.uint64(nodes.size - 1)
    left = lanes - sure
    for place in range(left):
        active[place] = sure + place
    while left > ZERO:
        still = ZERO
        for place in range(left):
            mover = np.uint64(active[place])
            root, row = np.uint64(root_of[mover]), np.uint64(row_of[mover])
            before = np.uint64(at_of[mover])
            at = min(_step(nodes, cells, root, row, before, reach), last)
            at_of[mover] = at
            active[still] = mover
            still += np.uint64(at > before)
        left = still


@compiled
def _add(
    nodes: np.ndarray, leaves: np.ndarray, at_of: np.ndarray, n_trees: int, out: np.ndarray
) -> None:
    """Add the leaf of each lane to its row, tree by tree."""
    last_leaf, rows = np.uint64(leaves.shape[0] - 1), np.uint64(out.shape[0])
    lane = ZERO
    for _ in range(n_trees):
        for row in range(rows):
            leaf = min(nodes[np.uint64(at_of[lane])] >> KEY_SHIFT, last_leaf)
            for k in range(np.uint64(leaves.shape[1])):
                out[row, k] += leaves[leaf, k]
            lane += ONE


@compiled
def _add_few(
    nodes: np.ndarray, leaves: np.ndarray, at_of: np.ndarray, lanes: np.uint64, out: np.ndarray
) -> None:
    """The same sums, in the same order, row by row."""
    last_leaf, rows = np.uint64(leaves.shape[0] - 1), np.uint64(out.shape[0])
    for lane in range(lanes):
        at_of[lane] = min(nodes[np.uint64(at_of[lane])] >> KEY_SHIFT, last_leaf)
    for row in range(rows):
        for k in range(np.uint64(leaves.shape[1])):
            total = out[row, k]
            at = np.uint64(row)
            while at < lanes:
                total += leaves[np.uint64(at_of[at]), k]
                at += rows
            out[row, k] = total
