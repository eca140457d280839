import re
from importlib.resources import files

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from shards import SMALL_SHARD_S
from sklearn.preprocessing import QuantileTransformer

from lcclassify.convert import write_forest
from lcclassify.features import network_inputs
from lcclassify.jobs import plan
from lcclassify.network_check import network_classes, tensor_shapes
from lcclassify.shapes import read_rows, spread
from lcclassify.testing import TOY_CLASSES as CHILDREN
from lcclassify.testing import TOY_FEATURES as FEATURES
from lcclassify.testing import make_forest
from lcclassify.transformer import QuantileTable, Settings, Transformer

CARD = {"name": "toy", "version": "1.0", "licence": "MIT", "citation": "none"}


@pytest.fixture(scope="session")
def forest():
    return make_forest(FEATURES, CHILDREN)


@pytest.fixture(scope="session")
def make_model(forest):
    """Writes a small bundle: make_model(path, name=..., version=..., features=...)."""

    def make(path, features=FEATURES, **card):
        made = forest if features == FEATURES else make_forest(features, CHILDREN)
        return write_forest(path, made, features, CARD | card)

    return make


@pytest.fixture
def model(tmp_path, make_model):
    return make_model(tmp_path / "toy")


SIZES = {"D": 12, "Dt": 8, "M": 5, "H": 20, "Ht": 10, "C": 19, "Cl": 19, "Ct": 19, "F": 64, "V": 1}


def length(part, sizes):
    terms = [re.fullmatch(r"([0-9]*)([A-Za-z]*)", term) for term in part.split("+")]
    return sum(int(term[1] or 1) * sizes.get(term[2], 1) for term in terms)


@pytest.fixture(scope="session")
def make_state():
    """State dict of a small random network, as torch names and shapes it."""

    def make(generation="A", table="beside", *, layers=2, seed=0, **sizes):
        sizes = SIZES | sizes
        rng = np.random.default_rng(seed)
        state = {}
        for row in read_rows(files("lcclassify.legacy") / "networks.csv"):
            if row["generation"] == generation and table in row["tables"].split("|"):
                for name in spread(row["published"], {"b": 6, "i": layers}):
                    shape = [length(part, sizes) for part in row["shape"].split()]
                    values = rng.normal(0, 0.2, shape).astype(np.float32)
                    if name.endswith(".ar"):
                        values = np.arange(values.size).reshape(shape)
                    state[name] = torch.from_numpy(values)
        return state

    return make


@pytest.fixture(scope="session")
def make_transformer():
    """A small random Transformer."""

    def make(table="beside", *, generation="A", layers=2, seed=0, heads=2, **sizes):
        sizes = SIZES | sizes
        rng = np.random.default_rng(seed)
        n_inputs = 0 if table == "none" else sizes["F"]
        tensors = {
            name: rng.normal(0, 0.2, [length(part, sizes) for part in shape.split()]).astype("f4")
            for name, shape in tensor_shapes(table, layers, layers).items()
        }
        tables = tuple(
            QuantileTable(np.sort(rng.normal(size=20 + n)), np.linspace(0, 1, 20 + n))
            for n in range(n_inputs)
        )
        names = (network_inputs(n_inputs) or tuple(f"x{n}" for n in range(n_inputs)))[:n_inputs]
        settings = Settings(
            generation, table, heads, heads if table == "beside" else 0, 900.0, 31.4
        )
        classes = network_classes(sizes["C"])
        return Transformer(settings, classes, tensors, names, tables)

    return make


@pytest.fixture(scope="session")
def fit_quantiles():
    """A QuantileTransformer of scikit-learn, fitted on random values."""

    def fit(n_columns=1, names=None, seed=0, n_quantiles=20):
        values = np.random.default_rng(seed).normal(size=(200, n_columns))
        table = values if names is None else pd.DataFrame(values, columns=list(names))
        return QuantileTransformer(n_quantiles=n_quantiles, output_distribution="normal").fit(table)

    return fit


@pytest.fixture
def make_network(make_state, fit_quantiles, tmp_path):
    """A folder as published: a state dict and a folder of quantile transformers."""

    def make(generation="A", table="beside", *, n_inputs=64, name="network", **sizes):
        folder = tmp_path / name
        (folder / "HeaderNorm1QT").mkdir(parents=True)
        torch.save(make_state(generation, table, F=n_inputs, **sizes), folder / "state.pth")
        for column in network_inputs(n_inputs):
            path = folder / "HeaderNorm1QT" / f"norm_{column.replace('/', '&&&')}.joblib"
            joblib.dump(fit_quantiles(), path)
        return folder

    return make


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of its own for each test; nothing of the user's is read or written."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LCCLASSIFY_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def small_shards():
    """Every file, and every large row group, is a shard of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHARD_S", SMALL_SHARD_S)
        yield
