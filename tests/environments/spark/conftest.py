"""One local Spark for all tests; its workers share the cache of models."""

import os

import pytest
from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of the tests' own; Spark's Python workers inherit it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["LCCLASSIFY_CACHE"] = str(folder)
    yield folder
    del os.environ["LCCLASSIFY_CACHE"]


@pytest.fixture(scope="session")
def spark(cache, tmp_path_factory):
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .getOrCreate()
    )
    yield session
    session.stop()
