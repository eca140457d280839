"""The newest form of model: its answers are scikit-learn's own, in the file's order."""

import tarfile

import numpy as np
import pytest

from lcclassify.convert import convert, write_forest
from lcclassify.errors import ModelError
from lcclassify.features import accepted_names
from lcclassify.forest import Forest, HierarchicalForest, Tree
from lcclassify.legacy import read_forest
from lcclassify.legacy.layouts import ONE_FILE
from lcclassify.predictors import load_predictor
from lcclassify.status import Problem, Status
from lcclassify.testing import make_batch

FEATURES = ["g_r_max_12", "W1_W2", "PPE_12", "Power_rate_1_2_12", "Amplitude_1", "ps_g_r"]
CARD = {"name": "toy", "version": "1", "licence": "MIT", "citation": "none"}


def awkward_rows(model):
    """Rows on and beside thresholds, and with missing and huge values. (80, 6)"""
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(80, len(FEATURES)))
    for forest in model["model"].values():
        for estimator in forest.estimators_:
            tree = estimator.tree_
            for node in np.flatnonzero(tree.children_left >= 0):
                at = np.nextafter(tree.threshold[node], rng.choice([-9, tree.threshold[node], 9]))
                rows[rng.integers(60), tree.feature[node]] = at
    special = rng.choice([np.nan, np.inf, -np.inf, 1e33, 1.1e32, -1e33, -0.0], size=(20, 6))
    rows[60:] = np.where(rng.random((20, 6)) < 0.5, special, rows[60:])
    return rows


def plain(model, rows):
    """Class -> probability of each row, by scikit-learn; and those of the nodes."""
    rows = np.where(np.isfinite(rows), rows, -999.0)
    forests = model["model"]
    found = dict(zip(forests["top"].classes_, forests["top"].predict_proba(rows).T, strict=True))
    for node in list(found):
        child = forests[node.lower()]
        shares = child.predict_proba(rows).T * found[node]
        found |= dict(zip(child.classes_, shares, strict=True))
    return found


def batch_of(rows, names=FEATURES):
    ids = [str(row) for row in range(len(rows))]
    return make_batch({name: rows[:, i].tolist() for i, name in enumerate(names)}, ids)


@pytest.mark.parametrize("kind", ["newest", "older"])
def test_answers_are_scikit_learns_bit_for_bit_in_the_files_order(
    kind, request, write_whole, tmp_path
):
    model = request.getfixturevalue(kind)
    bundle = convert(write_whole(model), tmp_path / "bundle")
    assert bundle.name == "squidward"
    assert bundle.manifest["missing"] == {"value": -999.0}
    classes = model["list_of_classes"]
    assert list(bundle.taxonomy.classes) == classes
    assert len(classes) == {"newest": 21, "older": 22}[kind]
    rows = awkward_rows(model)
    prediction = load_predictor(bundle).predict(batch_of(rows))
    expected = plain(model, rows)
    joint = bundle.taxonomy.joint(prediction.conditional)
    for node, name in enumerate(bundle.taxonomy.nodes):
        assert joint[:, node].tolist() == expected[name].tolist(), name
    columns = np.column_stack([expected[name] for name in classes])
    assert prediction.leaf_probability.tolist() == columns.tolist()


def test_a_folder_and_an_archive_give_the_same_model(newest, write_whole, tmp_path):
    path = write_whole(newest)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        tar.add(path, f"./{ONE_FILE}")
    folder = tmp_path / "folder"
    folder.mkdir()
    path.rename(folder / ONE_FILE)
    sources = (folder / ONE_FILE, folder, tmp_path / "model.tar.gz")
    bundles = [convert(source, tmp_path / str(n)) for n, source in enumerate(sources)]
    assert len({bundle.manifest["provenance"]["files"][ONE_FILE] for bundle in bundles}) == 1
    arrays = [sorted(bundle.path.glob("*.npy")) for bundle in bundles]
    assert len({tuple(path.read_bytes() for path in paths) for paths in arrays}) == 1


def test_upper_case_nodes_are_kept_as_the_top_forest_spells_them(
    newest, fit, write_whole, tmp_path
):
    forests = dict(newest["model"], top=fit(["Transient", "Stochastic", "Periodic"]))
    hierarchy = {node.upper(): np.array(names) for node, names in newest["class_hierarchy"].items()}
    changes = {"model": {node.title(): forest for node, forest in forests.items()}}
    path = write_whole(newest | changes | {"class_hierarchy": hierarchy})
    bundle = convert(path, tmp_path / "bundle")
    assert bundle.taxonomy.nodes[:3] == ("Periodic", "Stochastic", "Transient")
    rows = awkward_rows(newest)
    expected = plain(newest | {"model": forests}, rows)
    found = load_predictor(bundle).predict(batch_of(rows)).leaf_probability
    for name, column in zip(bundle.taxonomy.classes, found.T, strict=True):
        assert column.tolist() == expected[name].tolist()


def test_huge_values_are_taken_as_they_are_until_they_fit_no_float32(newest, write_whole, tmp_path):
    predictor = load_predictor(convert(write_whole(newest), tmp_path / "bundle"))
    highest = float(np.finfo(np.float32).max)
    rows = np.tile(np.linspace(-1, 1, 6), (4, 1))
    rows[:, 2] = highest, 1e39, 1e33, -1e39
    prediction = predictor.predict(batch_of(rows))
    reason = "PPE_12 = {} is {} the range of float32"
    assert prediction.problems == {
        1: Problem(Status.INVALID_FEATURES, reason.format("1e+39", "above")),
        3: Problem(Status.INVALID_FEATURES, reason.format("-1e+39", "below")),
    }
    expected = plain(newest, rows[[0, 2]])
    columns = np.column_stack([expected[name] for name in newest["list_of_classes"]])
    assert prediction.leaf_probability[[0, 2]].tolist() == columns.tolist()
    with pytest.raises(ValueError, match="too large for dtype"), np.errstate(over="ignore"):
        plain(newest, rows[[1]])


def test_features_are_found_under_the_names_of_another_age(newest, write_whole, tmp_path):
    predictor = load_predictor(convert(write_whole(newest), tmp_path / "bundle"))
    rows = awkward_rows(newest)
    expected = predictor.predict(batch_of(rows)).leaf_probability.tolist()
    for names in (
        ["g-r_max", "W1-W2", "PPE", "Power_rate_1/2", "Amplitude_1", "ps_g_r"],
        ["g_r_max", "W1_W2_12", "Period_fit", "Power_rate_1_2", "Amplitude_1", "ps_g_r"],
    ):
        assert predictor.predict(batch_of(rows, names)).leaf_probability.tolist() == expected


def test_the_renamed_features_accept_each_others_names():
    other = {f"Power_rate_{n}_12": f"Power_rate_{n}" for n in (2, 3, 4)}
    other |= {f"Power_rate_1_{n}_12": f"Power_rate_1/{n}" for n in (2, 3, 4)}
    other |= {f"{n}_12": n for n in ("PPE", "Multiband_period")}
    other |= {f"g_r_{n}_12": f"g-r_{n}" for n in ("max", "max_corr", "mean", "mean_corr")}
    other |= {f"{a}_{b}": f"{a}-{b}" for a, b in (("W1", "W2"), ("W2", "W3"), ("W3", "W4"))}
    other |= {f"{a}_W{n}": f"{a}-W{n}" for a in "gr" for n in (1, 2, 3, 4)}
    for name, alias in other.items():
        assert alias in accepted_names(name)[1:]
        assert name in accepted_names(alias)[1:]
    assert accepted_names("ps_g_r") == ("ps_g_r",)


TREE = Tree(*(np.array([value]) for value in (-1, -1, -2, -2.0)), np.array([[0.5, 0.5]]))


def test_ties_go_to_the_first_column_of_the_files_order(tmp_path):
    def forest(*classes):
        return Forest(classes, ("x",), (TREE,))

    children = {"a": forest("a1", "a2"), "b": forest("b1", "b2")}
    order = ("b2", "a2", "a1", "b1")
    model = HierarchicalForest(forest("a", "b"), children, order)
    predictor = load_predictor(write_forest(tmp_path / "toy", model, ("x",), CARD))
    prediction = predictor.predict(make_batch({"x": [0.0]}))
    assert predictor.bundle.taxonomy.classes == order
    assert prediction.leaf_probability.tolist() == [[0.25] * 4]
    assert prediction.leaf_probability.argmax() == 0
    with pytest.raises(ModelError, match="the output columns are not the classes of the forests"):
        write_forest(
            tmp_path / "x", HierarchicalForest(forest("a", "b"), children, order[:3]), ("x",), CARD
        )


def test_trees_that_stay_in_the_file_make_the_same_bundle(newest, write_whole, tmp_path):
    read = read_forest(write_whole(newest))

    def held(forest):
        return Forest(forest.classes, forest.features, tuple(forest.trees))

    children = {node: held(part) for node, part in read.forest.children.items()}
    in_memory = HierarchicalForest(held(read.forest.root), children, read.forest.leaves)
    one = write_forest(tmp_path / "one", read.forest, read.features, CARD)
    other = write_forest(tmp_path / "other", in_memory, read.features, CARD)
    assert one.digest == other.digest
    some = read.forest.root.trees[1:3]
    assert [tree.threshold.tolist() for tree in some] == [
        tree.threshold.tolist() for tree in in_memory.root.trees[1:3]
    ]
