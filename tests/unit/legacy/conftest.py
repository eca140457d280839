import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier

from lcclassify.legacy.layouts import ONE_FILE

FEATURES = tuple(f"feature_{number}" for number in range(6))
CLASSES = {
    "top_level_BRF_model.pkl": ["Periodic", "Stochastic", "Transient"],
    "periodic_level_BRF_model.pkl": ["CEP", "DSCT", "E", "LPV", "Periodic-Other", "RRL"],
    "stochastic_level_BRF_model.pkl": ["AGN", "Blazar", "CV/Nova", "QSO", "YSO"],
    "transient_level_BRF_model.pkl": ["SLSN", "SNII", "SNIa", "SNIbc"],
}
WHOLE_FEATURES = ["g_r_max_12", "W1_W2", "PPE_12", "Power_rate_1_2_12", "Amplitude_1", "ps_g_r"]
HIERARCHY = {
    "transient": ["SNIa", "SESN", "SNII", "SNIIn", "SLSN", "TDE"],
    "stochastic": ["QSO", "AGN", "Blazar", "YSO", "CV/Nova", "Microlensing"],
    "periodic": ["LPV", "EA", "EB/EW", "Periodic-Other", "RSCVn", "CEP", "RRLab", "RRLc", "DSCT"],
}
OLDER = HIERARCHY | {"transient": ["SNIa", "SNIbc", "SNIIb", "SNII", "SNIIn", "SLSN", "TDE"]}


def fit_forest(classes, *, seed=0, n_trees=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, len(FEATURES)))
    x[:60] = x[60:]  # each row twice, labels drawn apart: impure leaves
    y = np.array(classes)[rng.integers(len(classes), size=120)]
    options = {"sampling_strategy": "all", "replacement": True, "bootstrap": False}
    return BalancedRandomForestClassifier(n_trees, max_depth=5, random_state=seed, **options).fit(
        x, y
    )


@pytest.fixture(scope="session")
def forest():
    """A balanced random forest of scikit-learn's newest layout; leaves hold fractions."""
    return fit_forest(["AGN", "QSO", "YSO"])


@pytest.fixture(scope="session")
def model():
    """File name -> object of a whole ZTF model, layout 1.1."""
    forests = {name: fit_forest(names, seed=len(names)) for name, names in CLASSES.items()}
    return {"features_RF_model.pkl": list(FEATURES), **forests}


@pytest.fixture
def write_model(model, tmp_path):
    """Write the model with some files replaced (None: left out, bytes: as they are)."""

    def write(replaced=None, *, protocol=5) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        for name, value in {**model, **(replaced or {})}.items():
            if value is not None:
                data = value if isinstance(value, bytes) else pickle.dumps(value, protocol)
                (folder / name).write_bytes(data)
        return folder

    return write


def make_whole(hierarchy):
    """A model of the newest form; its columns are mixed over the nodes and not alphabetic."""
    classes = sorted(name for names in hierarchy.values() for name in names)
    forests = {"top": list(hierarchy)} | hierarchy
    return {
        "feature_list": WHOLE_FEATURES,
        "list_of_classes": random.Random(3).sample(classes, len(classes)),
        "class_hierarchy": hierarchy,
        "model": {node: fit_forest(names, seed=len(names)) for node, names in forests.items()},
    }


@pytest.fixture(scope="session")
def fit():
    """Fits a small forest: fit(classes)."""
    return fit_forest


@pytest.fixture(scope="session")
def newest():
    """What is in the one file of the newest model, 21 classes."""
    return make_whole(HIERARCHY)


@pytest.fixture(scope="session")
def older():
    """The same of 22 classes, from before the file told its hierarchy."""
    model = make_whole(OLDER)
    del model["class_hierarchy"]
    return model


@pytest.fixture
def write_whole(tmp_path):
    """Write a model into one file: write_whole(value or bytes)."""

    def write(value, name=ONE_FILE) -> Path:
        path = tmp_path / name
        path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value))
        return path

    return write
