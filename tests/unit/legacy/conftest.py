import pickle
from pathlib import Path

import numpy as np
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier

FEATURES = tuple(f"feature_{number}" for number in range(6))
CLASSES = {
    "top_level_BRF_model.pkl": ["Periodic", "Stochastic", "Transient"],
    "periodic_level_BRF_model.pkl": ["CEP", "DSCT", "E", "LPV", "Periodic-Other", "RRL"],
    "stochastic_level_BRF_model.pkl": ["AGN", "Blazar", "CV/Nova", "QSO", "YSO"],
    "transient_level_BRF_model.pkl": ["SLSN", "SNII", "SNIa", "SNIbc"],
}


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
