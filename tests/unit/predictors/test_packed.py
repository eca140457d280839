"""The forest engine against scikit-learn, bit for bit, and against hostile content."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from lcclassify.errors import ModelError
from lcclassify.forest import Forest, Tree
from lcclassify.predictors import packed
from lcclassify.predictors.packed import PackedForest

N_FEATURES = 9
SPECIAL = [np.nan, np.inf, -np.inf, 1e33, -1e33, 1e32, np.nextafter(1e32, 2e32), 0.0, -0.0, 5e-324]
SPECIAL += [-1e-46, 1e-40, 3.4028235677973366e38, -3.4028234663852886e38, -999.0, 16777217.0]
STUMP = Tree(
    left=np.array([1, -1, -1]),
    right=np.array([2, -1, -1]),
    feature=np.array([0, -2, -2]),
    threshold=np.array([0.5, -2.0, -2.0]),
    probability=np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]),
)


def fit(n_classes, n_trees=11, **parameters):
    """A small scikit-learn forest on noise, with missing values among its training rows."""
    random = np.random.default_rng(n_classes)
    matrix = random.normal(size=(300, N_FEATURES)).round(2)
    matrix[random.random(matrix.shape) < 0.1] = -999.0
    classes = random.integers(0, n_classes, 300)
    model = RandomForestClassifier(n_trees, random_state=n_classes, n_jobs=1, **parameters)
    return model.fit(matrix, classes)


def forest_of(model):
    trees = [each.tree_ for each in model.estimators_]
    return Forest(
        classes=tuple(map(str, model.classes_)),
        features=tuple(map(str, range(model.n_features_in_))),
        trees=tuple(
            Tree(t.children_left, t.children_right, t.feature, t.threshold, t.value[:, 0])
            for t in trees
        ),
    )


def awkward_rows(model):
    """Rows on, one float64 step above and below thresholds, and with special values."""
    random = np.random.default_rng(1)
    rows = random.normal(size=(400, N_FEATURES))
    for row in rows[:300]:
        tree = model.estimators_[random.integers(len(model.estimators_))].tree_
        for node in random.integers(tree.node_count, size=20):
            threshold = tree.threshold[node]
            row[max(tree.feature[node], 0)] = random.choice(
                [threshold, np.nextafter(threshold, np.inf), np.nextafter(threshold, -np.inf)]
            )
    special = random.random(rows.shape) < 0.3
    special[:250] = False
    rows[special] = random.choice(SPECIAL, special.sum())
    return rows


def prepared(rows):
    """What the published models are fed: the recipe, in steps."""
    rows = np.where(np.isinf(rows), np.nan, rows)
    rows = np.where(np.isnan(rows), -999.0, rows)
    return np.where(rows > 1e32, 0.0, rows).astype(np.float32)


def predict(forest, rows, **options):
    keys, bad = packed.keys(rows)
    assert (bad == -1).all()
    return packed.predict(forest, keys, **options)


@pytest.fixture(scope="module")
def model():
    return fit(4, n_trees=40, max_depth=8)


@pytest.fixture(scope="module")
def forest(model):
    return packed.pack(forest_of(model), range(N_FEATURES))


@pytest.fixture(scope="module")
def rows(model):
    return awkward_rows(model)


@pytest.fixture(scope="module")
def alone(forest, rows):
    return np.concatenate([predict(forest, row[None]) for row in rows])


def replace(forest, **arrays):
    return PackedForest(
        **{"nodes": forest.nodes, "trees": forest.trees, "leaves": forest.leaves} | arrays
    )


@pytest.mark.parametrize("n_classes", range(2, 13))
@pytest.mark.parametrize("parameters", [{}, {"max_depth": 4}, {"min_samples_split": 1000}])
def test_equals_scikit_learn_bit_for_bit(n_classes, parameters):
    model = fit(n_classes, **parameters)
    rows = awkward_rows(model)
    forest = packed.pack(forest_of(model), range(N_FEATURES))
    packed.check(forest, N_FEATURES, n_classes)
    np.testing.assert_array_equal(predict(forest, rows), model.predict_proba(prepared(rows)))


def test_each_forest_reads_its_own_columns(model, rows):
    columns = np.random.default_rng(2).permutation(500)[:N_FEATURES]
    matrix = np.full((len(rows), 500), np.nan)
    matrix[:, columns] = rows
    forest = packed.pack(forest_of(model), columns)
    packed.check(forest, 500, 4)
    np.testing.assert_array_equal(predict(forest, matrix), model.predict_proba(prepared(rows)))


def test_float32_is_reached_before_the_threshold():
    forest = packed.pack(Forest(("a", "b"), ("x",), (STUMP,)), [0])
    rows = np.array(
        [[0.5], [np.nextafter(0.5, 1)], [0.50000002], [0.50000004], [-np.inf], [1e32], [2e32]]
    )
    assert predict(forest, rows)[:, 0].tolist() == [1, 1, 1, 0.25, 1, 0.25, 1]


def test_values_below_float32_are_reported_and_nothing_else_suffers():
    rows = np.zeros((3, 2))
    rows[1] = -1e39, -1e300
    keys, bad = packed.keys(rows)
    assert bad.tolist() == [-1, 0, -1]
    assert keys[0].tolist() == keys[2].tolist() == [-(2**31), 0, 0]


def test_zero_rows(forest):
    assert predict(forest, np.empty((0, N_FEATURES))).shape == (0, 4)


def test_keys_take_any_layout():
    rows = np.arange(12.0).reshape(3, 4)
    rows.flags.writeable = False
    expected = packed.keys(rows)[0]
    np.testing.assert_array_equal(packed.keys(np.asfortranarray(rows))[0], expected)


def test_mapped_files_are_read_in_place(forest, rows, tmp_path):
    for name in PackedForest.__slots__:
        np.save(tmp_path / name, getattr(forest, name))
    mapped = PackedForest(
        *(np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in PackedForest.__slots__)
    )
    packed.check(mapped, N_FEATURES, 4)
    np.testing.assert_array_equal(predict(mapped, rows), predict(forest, rows))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_company_order_and_threads_change_no_bit(data, forest, rows, alone):
    size = data.draw(st.sampled_from([1, 2, 23, 24, 255, 257, 513, 1100]))
    order = data.draw(st.randoms(use_true_random=False))
    chosen = np.array([order.randrange(len(rows)) for _ in range(size)])
    together = predict(forest, rows[chosen], threads=data.draw(st.integers(1, 5)))
    np.testing.assert_array_equal(together, alone[chosen])


@given(st.lists(st.floats(-(2.0**127), 2.0**106, width=32), min_size=2, max_size=50))
def test_keys_are_ordered_like_floats(values):
    keys = packed.keys(np.array(values)[:, None])[0][:, 1]
    single = np.array(values, np.float32)
    np.testing.assert_array_equal(keys[:, None] < keys, single[:, None] < single)
    assert (keys > -(2**31)).all()


@settings(deadline=None)
@given(st.floats(allow_nan=False), st.lists(st.floats(-3e38, 1e32), min_size=1, max_size=9))
def test_any_threshold_splits_like_float64(threshold, values):
    nodes = np.array([threshold, -2.0, -2.0])
    tree = Tree(STUMP.left, STUMP.right, STUMP.feature, nodes, STUMP.probability)
    forest = packed.pack(Forest(("a", "b"), ("x",), (tree,)), [0])
    rows = np.array([*values, np.clip(threshold, -3e38, 1e32)])
    goes_left = rows.astype(np.float32).astype(np.float64) <= threshold
    np.testing.assert_array_equal(predict(forest, rows[:, None])[:, 0] == 1, goes_left)


def walked(forest, keys):
    """The kernel in plain Python, which looks where it steps."""
    out = np.zeros((len(keys), forest.leaves.shape[1]))
    for begin, end in zip(forest.trees[:-1], forest.trees[1:], strict=True):
        words = [int(word) for word in forest.nodes[begin:end]]
        for row, key in enumerate(keys.tolist()):
            node = steps = 0
            while feature := words[node] >> 20 & 0xFFF:
                threshold = (words[node] >> 32) - (words[node] >> 63 << 32)
                node = (words[node] & 0xFFFFF) + (key[feature] > threshold)
                assert node < len(words)
                steps += 1
                assert steps < len(words)
            out[row] += forest.leaves[words[node] >> 32]
    return out / (len(forest.trees) - 1)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_corrupted_word_is_refused_or_harmless(data, forest, rows):
    forest = replace(forest, nodes=forest.nodes[: forest.trees[3]].copy(), trees=forest.trees[:4])
    node = data.draw(st.integers(0, len(forest.nodes) - 1))
    flipped = data.draw(
        st.integers(0, 2**64 - 1)
        | st.integers(0, 2**20 - 1)
        | st.integers(0, 63).map(lambda b: 1 << b)
    )
    forest.nodes[node] ^= np.uint64(flipped)
    try:
        packed.check(forest, N_FEATURES, 4)
    except ModelError:
        return
    keys, _ = packed.keys(rows[::40])
    np.testing.assert_array_equal(packed.predict(forest, keys), walked(forest, keys))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"left": [0, -1, -1]}, "tree 0: the children around node 0 do not form a tree"),
        ({"left": [1, 0, -1], "right": [2, 0, -1]}, "around node 1 do not"),
        ({"left": [-2, -1, -1]}, "around node 0 do not"),
        ({"left": [2**40, -1, -1]}, "around node 0 do not"),
        ({"right": [1, -1, -1]}, "around node 0 do not"),
        ({"right": [-1, -1, -1]}, "around node 0 do not"),
        ({"left": [-1, -1, -1], "right": [-1, -1, -1]}, "around node 1 do not"),
        ({"feature": [1, 0, 0]}, "tree 0: node 0 compares feature 1 of 1 with 0.5"),
        ({"feature": [-1, 0, 0]}, "node 0 compares feature -1 of 1 with 0.5"),
        ({"threshold": [np.nan, 0, 0]}, "node 0 compares feature 0 of 1 with nan"),
        ({"threshold": [0.5]}, "tree 0: the arrays do not describe the same nodes and classes"),
        ({"probability": np.ones((3, 1))}, "the arrays do not describe the same nodes and classes"),
        ({"probability": np.ones((3, 2))}, "leaf 0 of the forest is no probability distribution"),
    ],
)
def test_what_is_no_tree_is_not_packed(arrays, message):
    fields = {name: getattr(STUMP, name) for name in Tree.__slots__}
    tree = Tree(**fields | {name: np.array(array) for name, array in arrays.items()})
    with pytest.raises(ModelError, match=message):
        packed.pack(Forest(("a", "b"), ("x",), (tree,)), [0])


def chain(n_splits):
    """A tree that is one long branch."""
    n = 2 * n_splits + 1
    left, right = np.full(n, -1), np.full(n, -1)
    left[0:-1:2], right[0:-1:2] = np.arange(1, n, 2), np.arange(2, n, 2)
    return Tree(left, right, np.zeros(n, int), np.arange(n) / 2, np.tile([1.0, 0.0], (n, 1)))


def test_limits_of_the_words_are_named():
    stump, names = Forest(("a", "b"), ("x",), (STUMP,)), ("a", "b")
    packed.pack(stump, [4094])
    with pytest.raises(ModelError, match="columns 4095 to 4095 are not in 0 to 4094"):
        packed.pack(stump, [4095])
    with pytest.raises(ModelError, match="1 features need as many columns, not 2"):
        packed.pack(stump, [0, 1])
    with pytest.raises(ModelError, match="4096 columns are more than 4095"):
        packed.check(packed.pack(stump, [0]), 4096, 2)
    packed.pack(Forest(names, ("x",), (chain(2**19 - 1),)), [0])
    with pytest.raises(
        ModelError, match="tree 0: 1048584 words for its nodes are more than 1048576"
    ):
        packed.pack(Forest(names, ("x",), (chain(2**19),)), [0])
    with pytest.raises(ModelError, match="the trees of the forest do not share its 0 nodes"):
        packed.pack(Forest(names, ("x",), ()), [0])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"nodes": np.zeros(8, np.int64)}, "nodes of the forest must be 1-dimensional uint64"),
        ({"trees": np.array([0.0, 8.0])}, "trees of the forest must be 1-dimensional int64"),
        ({"leaves": np.ones(4)}, "leaves of the forest must be 2-dimensional float64"),
        ({"trees": np.array([], np.int64)}, "the trees of the forest do not share its 8 nodes"),
        ({"trees": np.array([0, 7])}, "do not share its 8 nodes"),
        ({"trees": np.array([1, 8])}, "do not share its 8 nodes"),
        ({"trees": np.array([0, -(2**63), 8])}, "do not share its 8 nodes"),
        ({"trees": np.array([0, 2**63 - 1, -(2**63), -1, 8])}, "do not share its 8 nodes"),
        ({"leaves": np.array([[np.inf, -np.inf], [1e308, 1e308]])}, "leaf 0 of the forest is no"),
        ({"trees": np.array([0, 2, 8])}, "tree 0: node 0 is corrupted"),
        ({"leaves": np.ones((2, 1))}, "the forest's leaves have 1 classes, not 2"),
        ({"leaves": np.array([[0.5, 0.5]])}, "tree 0: node 3 is corrupted"),
        ({"leaves": np.array([[1.0, 0.0], [1.5, -0.5]])}, "leaf 1 of the forest is no probability"),
        (
            {"leaves": np.array([[1.0, 0.0], [np.inf, 0.0]])},
            "leaf 1 of the forest is no probability",
        ),
    ],
)
def test_damaged_arrays_are_refused(arrays, message):
    forest = packed.pack(Forest(("a", "b"), ("x",), (STUMP,)), [0])
    with pytest.raises(ModelError, match=message):
        packed.check(replace(forest, **arrays), 1, 2)
