"""Catalogues that LSDB makes: PLAsTiCC's features and light curves at made-up places."""

from pathlib import Path

import lsdb
import nested_pandas as npd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.testing import make_transformer

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Nothing of the user's is read or written, by no worker either."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LCCLASSIFY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def frame():
    """201 objects with features and places; 26 of them have light curves."""
    features = pd.read_parquet(EXAMPLES / "plasticc_features.parquet")
    places = np.random.default_rng(1)
    features["ra"] = places.uniform(0, 40, len(features))
    features["dec"] = places.uniform(-20, 20, len(features))
    curves = pd.read_parquet(EXAMPLES / "plasticc_light_curves.parquet")
    whole = npd.NestedFrame(features).set_index("object_id")
    return whole.join_nested(curves.set_index("object_id"), "curve").reset_index()


@pytest.fixture(scope="session")
def collection(frame, tmp_path_factory):
    """A collection of 8 leaves, with a margin that repeats 82 objects."""
    folder = tmp_path_factory.mktemp("lsdb") / "collection"
    catalogue = lsdb.from_dataframe(
        frame, catalog_name="toy", partition_rows=60, margin_threshold=3600
    )
    catalogue.write_catalog(folder, catalog_name="toy", as_collection=True)
    return folder


@pytest.fixture(scope="session")
def curve_model(tmp_path_factory):
    """A small random transformer that looks at light curves alone."""
    card = {"name": "curves", "version": "1.0", "licence": "MIT", "citation": "none"}
    network = make_transformer((), network_classes(19), table="none")
    return write_transformer(tmp_path_factory.mktemp("models") / "curves", network, card).path


@pytest.fixture
def classify(tmp_path):
    """classify(input, options...): the table that classify-file makes of it."""

    def run(source, *options):
        to = tmp_path / "classes.parquet"
        with pytest.raises(SystemExit) as stop:
            main(["classify-file", str(source), "-o", str(to), "--force", *map(str, options)])
        assert stop.value.code == 0
        return pq.read_table(to)

    return run
