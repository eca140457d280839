import hashlib
import io
import pickle
import random
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier
from sklearn import __version__ as sklearn_version
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from lcclassify.errors import ModelError
from lcclassify.legacy import read_forest, source_digest
from lcclassify.legacy.classes import allowed_parents
from lcclassify.legacy.layouts import MAX_LIST_BYTES, MAX_ONE_FILE_BYTES
from lcclassify.legacy.records import RefusedError
from lcclassify.legacy.sources import Folder

FEATURES = tuple(f"feature_{number}" for number in range(6))


def pack(folder, path, mode="w:gz", prefix=""):
    with tarfile.open(path, mode) as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, prefix + file.name)
    return path


def same(one, other):
    """Whether two LegacyForests agree to the last bit."""
    parts = [(read.forest.root, *read.forest.children.values()) for read in (one, other)]
    return (one.layout, one.features, list(one.forest.children)) == (
        other.layout,
        other.features,
        list(other.forest.children),
    ) and all(
        (a.classes, a.features, len(a.trees)) == (b.classes, b.features, len(b.trees))
        and all(
            getattr(s, name).tobytes() == getattr(t, name).tobytes()
            for s, t in zip(a.trees, b.trees, strict=True)
            for name in ("left", "right", "feature", "threshold", "probability")
        )
        for a, b in zip(*parts, strict=True)
    )


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_whole_model(write_model, model, protocol):
    folder = write_model(protocol=protocol)
    read = read_forest(folder)
    assert read.layout == "ztf-1.1"
    assert read.features == FEATURES
    assert read.forest.root.classes == ("Periodic", "Stochastic", "Transient")
    assert list(read.forest.children) == ["Periodic", "Stochastic", "Transient"]
    assert read.forest.children["Transient"].classes == ("SLSN", "SNII", "SNIa", "SNIbc")
    assert read.saved_with == {"scikit-learn": sklearn_version}
    assert read.files == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in model
    }


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_an_archive_is_read_as_its_folder(write_model, tmp_path, mode, prefix):
    folder = write_model()
    path = pack(folder, tmp_path / "model.bin", mode, prefix)  # known by content, not by name
    read = read_forest(path)
    assert same(read, read_forest(folder))
    assert read.files == read_forest(folder).files
    assert source_digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_digests_follow_the_bytes_of_known_files(write_model):
    folder = write_model()
    before = source_digest(folder)
    (folder / "notes.txt").write_text("not part of the model")
    assert source_digest(folder) == before
    write_model({"features_RF_model.pkl": b"N."})
    assert source_digest(folder) != before


def test_a_flat_baseline(tmp_path):
    rng = np.random.default_rng(1)
    classes = np.array(sorted(allowed_parents("ztf")))
    x, y = rng.normal(size=(150, 3)), np.tile(classes, 10)
    options = {"sampling_strategy": "all", "replacement": True, "bootstrap": False}
    forest = BalancedRandomForestClassifier(2, random_state=0, **options).fit(x, y)
    (tmp_path / "baseline_rf.pkl").write_bytes(pickle.dumps(forest))
    (tmp_path / "feature_list.pkl").write_bytes(pickle.dumps(pd.Index(["a", "b", "c"])))
    read = read_forest(tmp_path)
    assert read.layout == "ztf-baseline"
    assert read.forest.children == {}
    assert read.forest.root.classes == tuple(classes)
    assert read.features == ("a", "b", "c")


def elasticc(folder, write_forest, *, ulens, top="Periodic Stochastic Transient"):
    """An ELAsTiCC model, with its own feature list for each forest."""
    leaves = {"stochastic": [], "periodic": [], "transient": []}
    for name, parents in allowed_parents("elasticc").items():
        leaves[(ulens if len(parents) > 1 else min(parents)).lower()].append(name)
    lists = {}
    for seed, (key, classes) in enumerate({"top": top.split(), **leaves}.items()):
        lists[key] = [f"{key}_{number}" for number in range(2)] + ["shared"]
        write_forest(folder / f"{key}_level_HRF_model.pkl", classes, seed)
    lists["periodic"] = pd.Index(lists["periodic"], dtype=object)
    lists["transient"] = np.array(lists["transient"], dtype=object)
    (folder / "features_HRF_model.pkl").write_bytes(pickle.dumps(lists))
    return folder


def write_tiny_forest(path, classes, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(len(classes) * 8, 3)), np.repeat(classes, 8)
    options = {"sampling_strategy": "all", "replacement": True, "bootstrap": False}
    forest = BalancedRandomForestClassifier(2, random_state=0, **options).fit(x, y)
    path.write_bytes(pickle.dumps(forest))


@pytest.mark.parametrize("ulens", ["Stochastic", "Transient"])
def test_elasticc_models_keep_their_own_tree(tmp_path, ulens):
    read = read_forest(elasticc(tmp_path, write_tiny_forest, ulens=ulens))
    assert read.layout == "elasticc"
    assert list(read.forest.children) == ["Stochastic", "Periodic", "Transient"]
    assert [name for name, part in read.forest.children.items() if "uLens" in part.classes] == [
        ulens
    ]
    assert read.forest.children["Periodic"].features == ("periodic_0", "periodic_1", "shared")
    assert read.features == (
        *("top_0", "top_1", "shared", "stochastic_0", "stochastic_1"),
        *("periodic_0", "periodic_1", "transient_0", "transient_1"),
    )


def test_a_class_given_twice(tmp_path):
    elasticc(tmp_path, write_tiny_forest, ulens="Transient")
    stochastic = ["AGN", "Dwarf Novae", "M-dwarf Flare", "uLens"]
    write_tiny_forest(tmp_path / "stochastic_level_HRF_model.pkl", stochastic, 0)
    with pytest.raises(ModelError, match="two forests give the class 'uLens'"):
        read_forest(tmp_path)


def test_a_flat_class_that_the_survey_lacks(tmp_path):
    write_tiny_forest(tmp_path / "baseline_rf.pkl", ["SNIa", *map(str, range(30))], 0)
    (tmp_path / "feature_list.pkl").write_bytes(pickle.dumps(["a", "b", "c"]))
    with pytest.raises(ModelError, match=r"ztf has no class '0', '1', .*, \.\.\.$"):
        read_forest(tmp_path)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        (["a", "b"], "a list of 2 where a dict of feature lists is expected"),
        ({"top": ["a"], "periodic": ["a"]}, "no feature list for stochastic, transient"),
        ({key: ["a"] for key in ("top", "stochastic", "periodic", "transient")}, "has 1"),
    ],
)
def test_faulty_lists_per_node(tmp_path, lists, reason):
    elasticc(tmp_path, write_tiny_forest, ulens="Transient")
    (tmp_path / "features_HRF_model.pkl").write_bytes(pickle.dumps(lists))
    with pytest.raises(ModelError, match=reason):
        read_forest(tmp_path)


def test_faulty_class_trees(tmp_path, write_model, model):
    with pytest.raises(ModelError, match="its classes are 'Other', 'Periodic', 'Stochastic', exp"):
        read_forest(
            elasticc(
                tmp_path, write_tiny_forest, ulens="Transient", top="Periodic Stochastic Other"
            )
        )
    swapped = {"transient_level_BRF_model.pkl": model["stochastic_level_BRF_model.pkl"]}
    with pytest.raises(ModelError, match="ztf has no class 'AGN', 'Blazar', 'CV/Nova', 'QSO', 'YS"):
        read_forest(write_model(swapped))


def test_a_class_given_by_no_forest(tmp_path, write_model):
    write_tiny_forest(tmp_path / "few", ["SLSN", "SNII", "SNIa"], 0)
    few = (tmp_path / "few").read_bytes()
    folder = write_model(
        {"transient_level_BRF_model.pkl": few, "features_RF_model.pkl": list("abc")}
    )
    for name in ("top", "periodic", "stochastic"):
        classes = read_forest_classes(name)
        write_tiny_forest(folder / f"{name}_level_BRF_model.pkl", classes, 0)
    with pytest.raises(ModelError, match=r"model: no forest gives the class 'SNIbc' of ztf$"):
        read_forest(folder)


def read_forest_classes(name):
    if name == "top":
        return ["Periodic", "Stochastic", "Transient"]
    return [leaf for leaf, parents in allowed_parents("ztf").items() if name.title() in parents]


def test_errors_name_the_file(write_model):
    folder = write_model({"top_level_BRF_model.pkl": b"cos\nsystem\n(S'true'\ntR."})
    with pytest.raises(ModelError) as caught:
        read_forest(folder)
    assert str(caught.value) == (
        f"{folder}/top_level_BRF_model.pkl: it names os.system, which is not among the few names "
        "allowed here; nothing was imported or run (byte 0)"
    )
    assert caught.value.exit_code == 4


def test_feature_names_must_agree(write_model, model):
    with pytest.raises(ModelError, match="it takes 6 features, its feature list has 5"):
        read_forest(write_model({"features_RF_model.pkl": FEATURES[:5]}))
    forest = pickle.loads(pickle.dumps(model["top_level_BRF_model.pkl"]))
    forest.feature_names_in_ = np.array(FEATURES[::-1], dtype=object)
    replaced = {"top_level_BRF_model.pkl": forest, "features_RF_model.pkl": FEATURES}
    with pytest.raises(ModelError, match="feature_names_in_ differs from its feature list"):
        read_forest(write_model(replaced))


def test_an_incomplete_folder_says_what_is_missing(write_model):
    folder = write_model({"top_level_BRF_model.pkl": None, "periodic_level_BRF_model.pkl": None})
    (folder / "top_level_BRF_model.pkl").unlink(missing_ok=True)
    with pytest.raises(ModelError) as caught:
        read_forest(folder)
    assert str(caught.value).startswith(
        f"{folder}: is part of a model: ztf-1.1 lacks periodic_level_BRF_model.pkl, "
        "top_level_BRF_model.pkl. Found: features_RF_model.pkl is a pickle of a list of 6; "
        "stochastic_level_BRF_model.pkl is a pickle of imblearn.ensemble._forest."
        f"BalancedRandomForestClassifier saved with scikit-learn {sklearn_version}; "
    )


def test_one_pickle_is_no_model(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(make_pipeline(RobustScaler()), 4))
    with pytest.raises(ModelError) as caught:
        read_forest(path)
    assert str(caught.value).startswith(
        f"{path}: is one file, a pickle of sklearn.pipeline.Pipeline saved with scikit-learn "
        f"{sklearn_version}; a model is a folder, a tar archive or a dict with its forests. It "
        "holds no file of a published model: ztf-1.0 lacks features_RF_model.pkl, "
    )


@pytest.mark.parametrize("act", [read_forest, source_digest])
def test_sources_that_are_not_there(tmp_path, act):
    with pytest.raises(ModelError, match="nothing: there is no such file or folder"):
        act(tmp_path / "nothing")
    with pytest.raises(ModelError, match="holds no(ne of the)? files? of a published model"):
        act(tmp_path)


def test_a_source_that_is_neither_folder_nor_file():
    with pytest.raises(ModelError, match="/dev/null: is neither a folder nor a file"):
        read_forest(Path("/dev/null"))


def test_a_file_over_the_limit(write_model):
    folder = write_model()
    with (folder / "features_RF_model.pkl").open("r+b") as file:
        file.truncate(MAX_LIST_BYTES + 1)  # a hole: no disk space is taken
    reason = r"features_RF_model\.pkl: it has 16777217 bytes, at most 16777216 are read"
    with pytest.raises(ModelError, match=reason):
        read_forest(folder)


def test_files_too_large_to_look_into(tmp_path):
    path = tmp_path / "other.pkl"
    with path.open("wb") as file:
        file.truncate(MAX_ONE_FILE_BYTES + 1)
    with pytest.raises(ModelError, match=r"other\.pkl: is too large to be one pickle"):
        read_forest(path)
    with pytest.raises(ModelError, match=r"Found: other\.pkl: it has 4294967297 bytes, at most"):
        read_forest(tmp_path)


def test_a_file_that_vanishes(tmp_path):
    folder = Folder(tmp_path, frozenset({"top_level_BRF_model.pkl"}))
    with pytest.raises(RefusedError, match="cannot be read: No such file or directory"):
        folder.read("top_level_BRF_model.pkl")


def test_pickles_that_are_none_are_described(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"<html>")
    with pytest.raises(ModelError, match=r"Found: model\.pkl is not a readable pickle \(not a pi"):
        read_forest(tmp_path)


def test_two_models_in_one_folder(write_model):
    folder = write_model()
    for node in ("periodic", "stochastic", "transient"):
        (folder / f"{node}_level_RF_model.pkl").write_bytes(b"N.")
    (folder / "hierarchical_level_RF_model.pkl").write_bytes(b"N.")
    with pytest.raises(ModelError, match=r"holds more than one model \(ztf-1\.0 and ztf-1\.1\)"):
        read_forest(folder)


def test_mutated_models_are_read_or_refused(write_model, model):
    folder = write_model()
    rng = random.Random(11)
    refused = 0
    for _ in range(150):
        name = rng.choice(sorted(model))
        original = (folder / name).read_bytes()
        mutated = bytearray(original)
        for _ in range(rng.choice([1, 2, 5])):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        (folder / name).write_bytes(mutated)
        try:
            read_forest(folder)
        except ModelError as error:
            refused += name in str(error)
        (folder / name).write_bytes(original)
    assert refused > 20


def test_an_archive_of_links_is_refused(tmp_path):
    info = tarfile.TarInfo("top_level_BRF_model.pkl")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "model.tgz", "w:gz") as tar:
        tar.addfile(info, io.BytesIO())
    with pytest.raises(ModelError, match=r"model\.tgz: 'top_level_BRF_model\.pkl' in the archive"):
        read_forest(tmp_path / "model.tgz")
