"""Kernels of forests called with arrays that are no forest; run as a program, in a child.

``compiled`` looks at the compiled kernels, in a process with NUMBA_BOUNDSCHECK=1; ``plain`` at what
they are compiled from, on arrays that refuse an index from the end as well: Numba lets it wrap, and
so does its check. The number of the case being looked at is always in a file, for whoever finds
this process dead or waiting for ever.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from lcclassify.predictors import kernels, walk_kernel
from lcclassify.predictors.compiled import compiled

PARTS = ("_add", "_add_few", "_down", "_down_few", "_last_to_leaves", "_reach", "_step")
PARTS += ("_to_leaves", "_walk_block")
EDGES = [0, 1, 2, 7, 8, 2**20 - 1, 2**31, 2**32 - 1, 2**53, 2**62, 2**63 - 1, -1, -2, -(2**63)]


class Strict(np.ndarray):
    """An array whose places are counted from its beginning alone, and end with it."""

    def __getitem__(self, index):
        return super().__getitem__(self._looked_at(index))

    def __setitem__(self, index, value):
        super().__setitem__(self._looked_at(index), value)

    def _looked_at(self, index):
        places = index if isinstance(index, tuple) else (index,)
        for place, length in zip(places, self.shape, strict=False):
            if isinstance(place, int | np.integer) and not 0 <= int(place) < length:
                raise IndexError(f"place {place} of {length}")
        return index


def words(rng, n):
    """Words of nodes: any bits, or inner nodes and leaves of which some point astray."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(0, 2**64, n, np.uint64)
    if kind == 1:
        return np.full(n, rng.choice(np.array(EDGES).astype(np.uint64)))
    child = rng.integers(0, max(2 * n, 1), n).astype(np.uint64)
    if kind == 2:  # every node goes on to the next: the longest walk there is
        child = np.arange(1, n + 1, dtype=np.uint64)
    feature = rng.integers(0, rng.choice([1, 2, 5, 4096]), n).astype(np.uint64)
    key = rng.integers(0, 2**32, n).astype(np.uint64)
    return key << np.uint64(32) | feature << np.uint64(20) | child & np.uint64(0xFFFFF)


def offsets(rng, n_words):
    """Where trees begin: some are right, some fall, some are anything."""
    kind, n = rng.integers(4), int(rng.integers(1, 9)) + int(rng.choice([0, 0, 600]))
    if kind == 0:
        return np.sort(rng.integers(0, n_words + 1, n))
    if kind == 1:
        return rng.integers(-(2**63), 2**63 - 1, n)
    if kind == 2:
        return rng.choice(EDGES, n)
    return np.linspace(0, n_words, max(n, 2)).astype(np.int64)


def walk_arguments(rng, most):
    n_words, n_classes = int(rng.choice([1, 2, 8, 60, 3000])), int(rng.integers(0, 4))
    n_rows, width = int(rng.choice([0, 1, 3, 40, 600])), int(rng.choice([1, 2, 9]))
    trees = offsets(rng, n_words)
    n_rows = min(n_rows, most // len(trees))
    n_leaves, shape = int(rng.integers(1, 5)), [n_rows, n_classes]
    if rng.random() < 0.2:  # shapes that do not fit
        n_words, width, n_leaves = n_words * rng.integers(2), width * rng.integers(2), 0
        shape[rng.integers(2)] += 1
    return (
        words(rng, n_words),
        trees,
        rng.normal(size=(n_leaves, n_classes)),
        rng.integers(-(2**31), 2**31, (n_rows, width)).astype(np.int32),
        np.zeros(shape),
    )


def fault_arguments(rng, _):
    n_words = int(rng.choice([0, 1, 8, 500]))
    return words(rng, n_words), offsets(rng, n_words), int(rng.choice(EDGES)), int(rng.integers(9))


def arrange_arguments(rng, _):
    n = int(rng.choice([0, 1, 2, 3, 9, 200]))
    sizes = [n if rng.random() < 0.9 else int(rng.integers(0, 12)) for _ in range(3)]
    if rng.random() < 0.5:
        return *(rng.integers(-2, n + 2, size) for size in sizes[:2]), np.zeros(sizes[2], np.int64)
    left, right = random_tree(rng, n)
    for side in (left, right)[: rng.integers(3)]:
        if side.size:
            side[rng.integers(side.size)] = rng.choice([-1, 0, n - 1, n, *EDGES])
    return left, right, np.zeros(sizes[2], np.int64)


def random_tree(rng, n):
    left, right, ends = np.full(n, -1), np.full(n, -1), [0]
    for child in range(1, n - 1, 2):
        node = ends.pop(rng.integers(len(ends)))
        left[node], right[node] = child, child + 1
        ends += [child, child + 1]
    return left, right


def keys_arguments(rng, _):
    n_rows, n_columns = int(rng.integers(0, 9)), int(rng.integers(0, 9))
    values = rng.normal(size=(n_rows, n_columns)) * 10.0 ** rng.integers(-300, 300)
    values[rng.random(values.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    more = rng.integers(-1, 3, 3) * (rng.random(3) < 0.3)
    shape = (max(n_rows + more[0], 0), max(n_columns + 1 + more[1], 0))
    bad = np.zeros(max(n_rows + more[2], 0), np.int64)
    return values, float(rng.choice([1e32, np.inf, np.nan])), np.zeros(shape, np.int32), bad


KERNELS = {
    "walk": walk_arguments,
    "first_fault": fault_arguments,
    "arrange": arrange_arguments,
    "order_keys": keys_arguments,
}


MOST = {"compiled": 10**6, "plain": 400}  # rows in trees: Python takes 10 us for each step


def make_plain():
    """Let the kernels call each other as Python functions, on strict arrays."""
    walk_kernel.prefetch = lambda array, index: None
    for name in PARTS:
        setattr(walk_kernel, name, getattr(walk_kernel, name).py_func)
    for module in (walk_kernel, kernels):
        module.np = StrictNumpy()


class StrictNumpy:
    """numpy, whose new arrays are strict and full of anything."""

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype):
        made = np.full(shape, 0x5A5A5A5A, dtype).view(Strict)
        return made

    def zeros(self, shape, dtype):
        return np.zeros(shape, dtype).view(Strict)


def run(how, name, seed):
    """What becomes of one case; IndexError if it leaves an array."""
    rng = np.random.default_rng(seed)
    arguments = KERNELS[name](rng, MOST[how])
    kernel = getattr(kernels, name)
    if how == "plain":
        kernel = kernel.py_func
        arguments = [a.view(Strict) if isinstance(a, np.ndarray) else a for a in arguments]
    elif name == "walk":
        for array in arguments[:4]:
            array.flags.writeable = False
    try:
        with np.errstate(all="ignore"):
            kernel(*arguments)
    except ValueError:
        return "refused"
    return "ended"


def peek(array, place):
    return array[place]


def check_net(how):
    """An index that leaves its array is seen."""
    array = np.zeros(3, np.int64)
    look = compiled(peek) if how == "compiled" else peek
    for place in (3, 2**40) if how == "compiled" else (3, -1, np.int64(-1)):
        try:
            look(array if how == "compiled" else array.view(Strict), place)
        except IndexError:
            continue
        raise AssertionError(f"{how}: place {place} of 3 was read")


def main():
    how, budget_s, seen = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3])
    check_net(how)
    if how == "plain":
        make_plain()
    counts = Counter()
    end, seed = time.monotonic() + budget_s, 0
    while time.monotonic() < end:
        name = list(KERNELS)[seed % len(KERNELS)]
        seen.write_text(f"{how} {name} {seed}")
        counts[f"{name} {run(how, name, seed)}"] += 1
        seed += 1
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
