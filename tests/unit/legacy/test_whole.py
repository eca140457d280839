"""The newest form of model, one pickle with everything in it: what is read and what is refused."""

import pickle
import random

import numpy as np
import pandas as pd
import pytest

from lcclassify.errors import ModelError
from lcclassify.legacy import read_forest


@pytest.mark.parametrize("kind", ["newest", "older"])
def test_what_is_read(kind, request, write_whole):
    model = request.getfixturevalue(kind)
    read = read_forest(write_whole(model, "any name.pkl"))
    assert read.layout == "ztf-2"
    assert read.features == tuple(model["feature_list"])
    assert read.forest.leaves == tuple(model["list_of_classes"])
    assert read.zero_above is None
    assert list(read.files) == ["any name.pkl"]
    assert list(read.forest.children) == ["stochastic", "periodic", "transient"]
    transient = read.forest.children["transient"].classes
    assert (
        transient
        == {
            "newest": ("SESN", "SLSN", "SNII", "SNIIn", "SNIa", "TDE"),
            "older": ("SLSN", "SNII", "SNIIb", "SNIIn", "SNIa", "SNIbc", "TDE"),
        }[kind]
    )


def test_names_of_a_table_in_any_container(newest, write_whole):
    lists = {
        "feature_list": pd.Index(newest["feature_list"]),
        "list_of_classes": np.array(newest["list_of_classes"]),
    }
    read = read_forest(write_whole(newest | lists))
    assert read.features == tuple(newest["feature_list"])
    assert read.forest.leaves == tuple(newest["list_of_classes"])


def without(items, *keys):
    return {key: item for key, item in items.items() if key not in keys}


def forests(model, **changes):
    return model | {"model": model["model"] | changes}


def hierarchy(model, **changes):
    return model | {"class_hierarchy": model["class_hierarchy"] | changes}


FAULTS = {
    "a dict without feature_list, list_of_classes$": (
        lambda m, fit: without(m, "feature_list", "list_of_classes")
    ),
    "model has the keys 'stochastic', 'top', 'transient', expected 'periodic', 'stochastic', '": (
        lambda m, fit: m | {"model": without(m["model"], "periodic")}
    ),
    "model has the keys 'fast', 'periodic', ": lambda m, fit: forests(m, fast=1),
    "model has the keys 'Top', 'periodic', ": lambda m, fit: forests(m, Top=1),
    "model has the keys 'periodic', 's.*, 3": lambda m, fit: m | {"model": m["model"] | {3: 1}},
    "model is a list of 1, not a dict of top, st": lambda m, fit: m | {"model": [1]},
    "forest top: 3 where a random forest is": lambda m, fit: forests(m, top=3),
    "forest top: it takes 6 features, its feature list has 1": (
        lambda m, fit: m | {"feature_list": ["PPE_12"]}
    ),
    "7 where a list of names is expected": lambda m, fit: m | {"feature_list": 7},
    "class_hierarchy has 'CEP', .*'RSCVn' under periodic, its forest 'SESN', 'SLSN', ": (
        lambda m, fit: forests(m, periodic=m["model"]["transient"])
    ),
    "its classes are 'other', 'periodic', 'transient', expected 'periodic', 'stochastic', 'tr": (
        lambda m, fit: forests(m, top=fit(["transient", "periodic", "other"]))
    ),
    "its classes are 'Periodic', 'periodic', 'transient', expected 'periodic', 'stochastic', ": (
        lambda m, fit: forests(m, top=fit(["transient", "periodic", "Periodic"]))
    ),
    "class_hierarchy has 'CEP', 'LPV' under periodic, its forest 'CEP', 'DSCT', ": (
        lambda m, fit: hierarchy(m, periodic=["LPV", "CEP"])
    ),
    "class_hierarchy has the keys 'SNIa', expected 'periodic', 'stochastic', 'transient'": (
        lambda m, fit: m | {"class_hierarchy": {"SNIa": "transient"}}
    ),
    "a dict of 1 where a list of names is": lambda m, fit: hierarchy(m, periodic={"LPV": []}),
    "class_hierarchy is a list of 1, not a": lambda m, fit: m | {"class_hierarchy": ["SNIa"]},
    "ztf-forced has no class 'SESN' under tr": lambda m, fit: without(m, "class_hierarchy"),
    "list_of_classes lacks '": (lambda m, fit: m | {"list_of_classes": m["list_of_classes"][1:]}),
    "no forest gives 'KN' of list_of_classes": (
        lambda m, fit: m | {"list_of_classes": [*m["list_of_classes"], "KN"]}
    ),
    "list_of_classes holds 'QSO' twice": (
        lambda m, fit: m | {"list_of_classes": ["QSO", *m["list_of_classes"]]}
    ),
    "two forests give the class 'QSO'$": (
        lambda m, fit: hierarchy(forests(m, periodic=fit(["LPV", "QSO"])), periodic=["LPV", "QSO"])
    ),
    "two forests give the class 'transient'$": (
        lambda m, fit: hierarchy(
            forests(m, periodic=fit(["LPV", "transient"])), periodic=["LPV", "transient"]
        )
    ),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_parts_that_disagree_are_refused_with_the_reason(reason, newest, fit, write_whole):
    path = write_whole(FAULTS[reason](newest, fit))
    with pytest.raises(ModelError, match=f"^{path}: {reason}"):
        read_forest(path)


def test_a_class_missing_from_the_default_hierarchy_is_refused(older, fit, write_whole):
    few = fit(["SNIa", "SNIbc", "SNIIb", "SNII", "SNIIn", "SLSN"])
    with pytest.raises(ModelError, match="no forest gives the class 'TDE' of ztf-forced$"):
        read_forest(write_whole(forests(older, transient=few)))


def test_a_faulty_tree_is_named(newest, write_whole):
    forest = pickle.loads(pickle.dumps(newest["model"]["periodic"]))
    forest.estimators_[2].tree_.threshold[0] = np.nan
    path = write_whole(forests(newest, periodic=forest))
    with pytest.raises(ModelError, match="forest periodic: tree 2: node 0: its threshold is not"):
        read_forest(path)


def test_a_list_in_the_file_of_that_name_is_refused(write_whole):
    path = write_whole([1, 2])
    with pytest.raises(ModelError, match=f"{path}: a list of 2 where a dict with a model is expe"):
        read_forest(path.parent)
    with pytest.raises(ModelError, match="is one file, a pickle of a list of 2; a model is a fold"):
        read_forest(path)


def test_code_in_the_dict_is_refused(newest, write_whole):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    path = write_whole(newest | {"feature_list": Evil()})
    with pytest.raises(ModelError, match=f"^{path}: it names builtins.print, which is not among"):
        read_forest(path)


def test_mutated_files_are_read_or_refused(newest, write_whole, tmp_path):
    original = pickle.dumps(newest)
    rng = random.Random(12)
    refused = 0
    for _ in range(200):
        data = bytearray(original)
        for _ in range(rng.choice([1, 1, 4, 32])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path = write_whole(bytes(data))
        try:
            read_forest(rng.choice([path, tmp_path]))
        except ModelError:
            refused += 1
    assert 20 < refused < 200


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_truncated_files_are_refused(share, newest, write_whole):
    data = pickle.dumps(newest)
    path = write_whole(data[: int(share * len(data))])
    with pytest.raises(ModelError, match="is one file, not a readable pickle"):
        read_forest(path)
