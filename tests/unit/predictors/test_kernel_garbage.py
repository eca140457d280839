"""No kernel of the forests leaves its arrays or runs for ever, whatever it is called with."""

import threading

import numpy as np
import pytest
from watched import run_watched, tell

from lcclassify.predictors import packed
from lcclassify.predictors.packed import PackedForest
from lcclassify.testing import TOY_CLASSES, TOY_FEATURES, make_forest

BUDGETS_S = pytest.mark.parametrize("budget_s", [10, pytest.param(360, marks=pytest.mark.long)])


@BUDGETS_S
@pytest.mark.parametrize("how", ["compiled", "plain"])
def test_garbage_is_refused_or_walked_within_its_arrays(
    tmp_path, how, budget_s, record_property, capsys
):
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "numba"), "NUMBA_BOUNDSCHECK": "1"}
    counts = run_watched("kernel_garbage.py", how, budget_s=budget_s, folder=tmp_path, **cache)
    tell(counts, f"kernels, {how}", record_property, capsys)
    assert {"walk ended", "walk refused", "arrange ended", "first_fault ended"} <= counts.keys()


@pytest.fixture(scope="module")
def forest():
    root = make_forest(TOY_FEATURES, TOY_CLASSES, n_trees=40, depth=9).root
    return packed.pack(root, range(len(TOY_FEATURES)))


@pytest.mark.parametrize("n_rows", [1, 40, 700])
def test_words_that_change_while_they_are_walked_end_no_process_and_no_walk(forest, n_rows):
    """As those of a mapped file do that somebody overwrites."""
    rng = np.random.default_rng(0)
    changing = PackedForest(forest.nodes.copy(), forest.trees.copy(), forest.leaves)
    keys, _ = packed.keys(rng.normal(size=(n_rows, len(TOY_FEATURES))))
    done = threading.Event()

    def overwrite():
        nodes, trees = changing.nodes, changing.trees
        while not done.is_set():
            nodes[:] = rng.integers(0, 2**64, nodes.size, np.uint64)
            trees[:] = rng.integers(-(2**63), 2**63 - 1, trees.size)
            nodes[:], trees[:] = forest.nodes, forest.trees

    writer = threading.Thread(target=overwrite)
    writer.start()
    try:
        answers = [packed.predict(changing, keys) for _ in range(300)]
    finally:
        done.set()
        writer.join()
    assert {answer.shape for answer in answers} == {(n_rows, 2)}
    np.testing.assert_array_equal(packed.predict(changing, keys), packed.predict(forest, keys))


@pytest.mark.parametrize(
    "arrays",
    [
        {"nodes": np.zeros(0, np.uint64)},
        {"trees": np.zeros(1, np.int64)},
        {"leaves": np.zeros((0, 2))},
    ],
)
def test_a_forest_of_nothing_is_refused_by_the_walk_itself(forest, arrays):
    fields = {"nodes": forest.nodes, "trees": forest.trees, "leaves": forest.leaves} | arrays
    keys, _ = packed.keys(np.zeros((1, len(TOY_FEATURES))))
    with pytest.raises(ValueError, match="a forest without trees, words or leaves"):
        packed.predict(PackedForest(**fields), keys)
