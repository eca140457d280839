"""One local Spark for all tests, a network, and what classify-file says."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from lcclassify.network_bundle import write_transformer
from lcclassify.network_check import network_classes
from lcclassify.testing import make_transformer

ROOT = Path(__file__).parents[3]
CARD = {"name": "net", "version": "1", "licence": "none", "citation": "none"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of the tests' own; Spark's Python workers inherit it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["LCCLASSIFY_CACHE"] = str(folder)
    yield folder
    del os.environ["LCCLASSIFY_CACHE"]


@pytest.fixture(scope="session")
def session(cache, tmp_path_factory):
    """A Spark of two threads."""
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "OFF")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture
def spark(session):
    """That Spark, with the settings it came with."""
    yield session
    session.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")


@pytest.fixture
def classify_file(tmp_path, cache):
    """What the command says of a Parquet file: classify_file(path, model, *options)."""

    def answers(path, model, *options):
        result = tmp_path / "answers.parquet"
        command = [sys.executable, "-m", "lcclassify", "classify-file", str(path), "--quiet"]
        command += ["--force", "--model", str(model), "--to", str(result), *options]
        subprocess.run(command, check=True)
        return pq.read_table(result)

    return answers


@pytest.fixture(scope="session")
def features():
    """A file of features for the model plasticc."""
    return str(ROOT / "examples" / "plasticc_features.parquet")


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """Two small networks: of light curves alone, and of MWEBV besides."""
    folder = tmp_path_factory.mktemp("networks")

    def write(name, **how):
        model = make_transformer(classes=network_classes(19), **how)
        return str(write_transformer(folder / name, model, CARD).path)

    return {
        "curves": write("curves", inputs=(), table="none"),
        "both": write("both", inputs=("MWEBV",)),
    }


@pytest.fixture(scope="session")
def light_curves(tmp_path_factory):
    """A file of 60 light curves as Fink's: 7 is empty, 8 null, and 9 has a flux too many."""
    rng = np.random.default_rng(0)
    n = [*rng.integers(3, 40, 7), 0, 0, *rng.integers(3, 40, 51)]

    def lists(draw, kind):
        return pa.array([None if row == 8 else draw(k) for row, k in enumerate(n)], pa.list_(kind))

    flux = lists(lambda k: rng.normal(300, 400, k), pa.float32()).to_pylist()
    flux[9] = [*flux[9], 1.0]
    table = pa.table(
        {
            "diaObjectId": pa.array(range(2**60, 2**60 + 60), pa.int64()),
            "cmidpointMjdTai": lists(lambda k: rng.uniform(60000, 60700, k), pa.float64()),
            "cband": lists(lambda k: rng.choice(list("ugrizy"), k).tolist(), pa.string()),
            "cpsfFlux": pa.array(flux, pa.list_(pa.float32())),
            "cpsfFluxErr": lists(lambda k: rng.uniform(10, 90, k), pa.float32()),
            "MWEBV": pa.array(rng.uniform(0, 0.5, 60)),
            "cutout": pa.array([b"stamp"] * 60),
        }
    )
    path = tmp_path_factory.mktemp("light_curves") / "light_curves.parquet"
    pq.write_table(table, path)
    return str(path)
