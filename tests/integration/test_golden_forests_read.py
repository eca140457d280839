"""lcclassify.legacy on the golden forests: what is read, what it answers, and what is refused."""

import itertools
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import ModelError
from lcclassify.legacy import read_forest, source_digest
from lcclassify.legacy.forests import FOREST_NAMES, to_forest
from lcclassify.legacy.names import NAME_LIST_NAMES, to_names
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import attribute
from lcclassify.legacy.trees import Expected, to_tree

SHARED = Path(__file__).parents[2].parent / "shared"
FORESTS = SHARED / "golden" / "forests"
SAVED = SHARED / "data" / "legacy_models"
pytestmark = pytest.mark.skipif(not FORESTS.is_dir(), reason=f"no golden forests in {FORESTS}")

MODELS = {
    "ztf_hrf_1.0": "ztf-1.0",
    "ztf_hrf_1.1": "ztf-1.1",
    "ztf_hrf_sknew": "ztf-1.1",
    "ztf_baseline": "ztf-baseline",
    "toretto": "elasticc",
    "barney": "elasticc",
}
MAX_REFUSAL_S = 5.0


def load_json(name):
    path = FORESTS / name
    return json.loads(path.read_text("utf-8")) if path.is_file() else []


CASES = [
    case
    for case in load_json("malicious/EXPECTED.json")
    if not case["load_as"].startswith("message")
]


@pytest.fixture(scope="module")
def columns():
    return load_json("expected_columns.json")


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return request.param, read_forest(FORESTS / request.param)


def test_layout_features_and_trees_are_the_expected_ones(model, columns):
    name, read = model
    expected = columns[name]
    parts = {"top": read.forest.root}
    parts |= {node.lower(): part for node, part in read.forest.children.items()}
    assert read.layout == MODELS[name]
    lists = expected.get("feature_lists") or dict.fromkeys(parts, expected["features"])
    assert {node: list(part.features) for node, part in parts.items()} == {
        node: lists[node] for node in parts
    }
    assert set(read.features) == set(itertools.chain(*lists.values()))
    trees = expected["n_trees"] if len(parts) > 1 else {"top": expected["n_trees"]}
    assert {node: len(part.trees) for node, part in parts.items()} == trees
    versions = expected.get("saved_with_sklearn") or [expected["computed_with"]["sklearn"]]
    assert [read.saved_with["scikit-learn"]] == versions


def test_classes_come_in_the_expected_order(model, columns):
    name, read = model
    expected = columns[name]["probabilities"]
    children = read.forest.children.values() or [read.forest.root]
    assert [leaf for part in children for leaf in part.classes] == expected
    if "top" in columns[name]:
        assert list(read.forest.root.classes) == columns[name]["top"]
        assert list(read.forest.children) == list(columns[name]["children"])


@pytest.mark.parametrize("name", ["toretto", "barney"])
def test_archives_equal_their_folders(name):
    folder, archive = read_forest(FORESTS / name), read_forest(FORESTS / f"{name}.tar.gz")
    assert archive.files == folder.files
    assert archive.features == folder.features
    for one, other in zip(
        (folder.forest.root, *folder.forest.children.values()),
        (archive.forest.root, *archive.forest.children.values()),
        strict=True,
    ):
        assert (one.classes, one.features) == (other.classes, other.features)
        for tree, twin in zip(one.trees, other.trees, strict=True):
            for field in ("left", "right", "feature", "threshold", "probability"):
                assert getattr(tree, field).tobytes() == getattr(twin, field).tobytes()


def test_files_have_the_digests_of_the_manifest():
    lines = (FORESTS / "MANIFEST.sha256").read_text("utf-8").splitlines()
    manifest = {Path(path.lstrip("*")): digest for digest, path in (line.split() for line in lines)}
    for name in MODELS:
        for file, digest in read_forest(FORESTS / name).files.items():
            assert manifest[Path(name, file)] == digest
    archive = Path("toretto.tar.gz")
    assert source_digest(FORESTS / archive) == manifest[archive]


def test_the_arrow_list_of_pandas_3_holds_the_same_names():
    data = (FORESTS / "ztf_hrf_sknew" / "features_RF_model.pandas3_arrow_str.pkl").read_bytes()
    names = to_names(read_pickle(data, NAME_LIST_NAMES), "the feature list")
    assert names == read_forest(FORESTS / "ztf_hrf_sknew").features


# A walk of its own, one row and one node at a time.


def prepare(values):
    values = np.where(np.isinf(values), np.nan, values)
    values = np.where(np.isnan(values), -999.0, values)
    return np.where(values > 1e32, 0.0, values).astype(np.float32)


def vote(forest, table):
    """Average of the leaves of every row. (N, K)"""
    x = np.column_stack([prepare(table[name]) for name in forest.features])
    total = np.zeros((len(x), len(forest.classes)))
    for tree in forest.trees:
        left, right = tree.left.tolist(), tree.right.tolist()
        feature, threshold = tree.feature.tolist(), tree.threshold.tolist()
        for row, values in enumerate(x.astype(np.float64).tolist()):  # float32 values, exactly
            node = 0
            while left[node] >= 0:
                low = values[feature[node]] <= threshold[node]
                node = left[node] if low else right[node]
            total[row] += tree.probability[node]
    return total / len(forest.trees)


def answers(forest, table):
    """Column name -> probabilities, named as in the expected files. (N,)"""
    root = dict(zip(forest.root.classes, vote(forest.root, table).T, strict=True))
    if not forest.children:
        return root
    named = {f"top/{node}": column for node, column in root.items()}
    for node, part in forest.children.items():
        for leaf, column in zip(part.classes, vote(part, table).T, strict=True):
            named[f"child/{node}/{leaf}"] = column
            named[leaf] = column * root[node]
    return named


def read_table(name):
    table = pq.read_table(FORESTS / f"{name}.parquet")
    keys = np.array(table["oid"].to_pylist())
    numbers = {
        column: table[column].to_numpy().astype(np.float64)  # null and NaN both become NaN
        for column in table.column_names
        if column not in ("oid", "class")
    }
    return keys, numbers


def header_columns(keys, names):
    """Those of ``names`` that are header columns, from the raw fields with other names."""
    oids, raw = read_table("elasticc_diaobject")
    place = {oid: row for row, oid in enumerate(oids)}
    rows = [place[oid] for oid in keys]
    absent = raw.pop("has_diaobject")[rows] == 0
    by_name = {}
    for name, values in raw.items():
        name = name if "_zphot_q" in name else name.replace("zphot", "photoz")
        name = name.replace("zspec", "specz").replace("z_final", "redshift_helio")
        by_name[name.lower()] = np.where(absent, np.nan, values[rows])
    return {name: by_name[name.lower()] for name in names if name.lower() in by_name}


def test_answers_are_the_references_bit_for_bit(model):
    name, read = model
    keys, table = read_table("ztf_features" if name.startswith("ztf") else "elasticc_features")
    if name == "barney":
        header = header_columns(keys, set(read.features) - table.keys())
        assert len(header) == 54
        table |= header
    expected_keys, expected = read_table(f"expected_{name}")
    assert keys.tolist() == expected_keys.tolist()
    assert len(keys) > 300
    found = answers(read.forest, table)
    for column, values in expected.items():
        assert np.array_equal(found[column], values), column


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_hostile_models_are_refused(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(Path("/var/tmp").iterdir())
    start = time.monotonic()
    if case["expectation"] == "load":
        assert read_forest(FORESTS / case["path"]).forest.root.trees
    else:
        with pytest.raises(ModelError) as caught:
            read_forest(FORESTS / case["path"])
        assert str(caught.value).startswith(str(FORESTS / case["path"]))
        assert len(str(caught.value)) > len(str(FORESTS / case["path"])) + 10
    assert time.monotonic() - start < MAX_REFUSAL_S
    assert not list(tmp_path.parent.glob("PWNED*")) + list(tmp_path.rglob("*"))
    assert not {path for path in Path("/var/tmp").iterdir() if "PWNED" in path.name} - before


def test_there_are_51_hostile_or_control_cases():
    assert len(CASES) == 51


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("lc_classifier_toy", r"ztf-1\.1 lacks features_RF_model\.pkl, periodic_level_BRF_model"),
        ("lc_classifier_toy/top_level_BRF_model.pkl", "BalancedRandomForestClassifier saved with"),
        ("lc_classifier_toy/feature_list.pkl", r"_new_Index; .*ztf-baseline lacks baseline_rf"),
        ("fink", r"KN_model_1PC\.pkl is a pickle of sklearn\.pipeline\.Pipeline saved with scikit"),
        ("fink/KN_model_1PC.pkl", r"a pickle of sklearn\.pipeline\.Pipeline saved with scikit-lea"),
        ("fink/model_20230907.pkl", "RandomForestClassifier saved with scikit-learn 1"),
    ],
)
def test_other_pickles_are_refused_with_what_they_are(path, reason):
    with pytest.raises(ModelError, match=reason):
        read_forest(SAVED / path)


@pytest.mark.parametrize("name", ["top_level_BRF_model.pkl", "transient_level_BRF_model.pkl"])
def test_a_saved_forest_of_full_size_is_read(name):
    data = (SAVED / "lc_classifier_toy" / name).read_bytes()
    saved = to_forest(read_pickle(data, FOREST_NAMES), len(data))
    assert len(saved.trees) == 500
    assert saved.n_features == 178


@pytest.mark.parametrize(
    ("name", "version", "n_trees"),
    [("model_20230907.pkl", "1.0.2", 1000), ("KN_model_1PC.pkl", "0.24.1", 50)],
)
def test_the_trees_of_another_broker_and_age_are_read(name, version, n_trees):
    """No models of ours (their classes are no names), but trees of versions that ours lack."""
    others = [("sklearn.pipeline", "Pipeline"), ("sklearn.preprocessing._data", "RobustScaler")]
    allowed = FOREST_NAMES | dict.fromkeys(others, "other")
    value = read_pickle((SAVED / "fink" / name).read_bytes(), allowed)
    if value.kind == "other":
        value = attribute(value, "steps")[-1][1]
    expected = Expected(attribute(value, "n_features_in_"), 2)
    trees = [to_tree(estimator, expected) for estimator in attribute(value, "estimators_")]
    assert {saved_with for _, saved_with in trees} == {version}
    assert len(trees) == n_trees
    assert max(len(tree.left) for tree, _ in trees) > 1
