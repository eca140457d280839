"""The Spark adapters on a local Spark: the answers are those of classify-file."""

import os
import re
import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle
from pyspark.errors import PythonException
from pyspark.sql.functions import col
from pyspark.sql.pandas.types import from_arrow_schema

import lcclassify
from lcclassify.adapters.spark import FINK, classify_frame, map_in_arrow, probabilities_udf
from lcclassify.errors import InputError
from lcclassify.predictors import kept

SMALL = ("spark.sql.execution.arrow.maxRecordsPerBatch", "7")


def rows(table, id_name):
    """A table, or what a frame collects to, in the order of its ids."""
    collected = table if isinstance(table, pa.Table) else table.toArrow()
    return collected.sort_by(id_name).combine_chunks()


def probabilities(table, model):
    """The columns of the classes, (N, L)."""
    return np.stack([table[name].to_numpy() for name in classes(model)], axis=1)


def classes(model):
    return lcclassify.load(model).bundle.taxonomy.classes


@pytest.mark.parametrize("options", [{}, {"tidy": True, "top": 2}, {"hierarchy": True}])
def test_a_frame_has_the_answers_of_classify_file(spark, features, classify_file, options):
    words = [f"--{name}" if on is True else f"--{name}={on}" for name, on in options.items()]
    expected = classify_file(features, "plasticc", *words)
    order = [("object_id", "ascending"), ("ranking", "ascending")][: 1 + ("tidy" in options)]
    found = classify_frame(spark.read.parquet(features), "plasticc", **options)
    assert rows(found, order).equals(rows(expected, order))


def test_answers_do_not_depend_on_partitions_and_batches(spark, features, classify_file):
    spark.conf.set(*SMALL)
    frame = spark.read.parquet(features).repartition(5)
    expected = rows(classify_file(features, "plasticc"), "object_id")
    assert rows(classify_frame(frame, "plasticc"), "object_id").equals(expected)


def test_a_udf_gives_the_probabilities_in_the_order_of_the_classes(spark, features, classify_file):
    spark.conf.set(*SMALL)
    names = [feature.name for feature in lcclassify.load("plasticc").bundle.features]
    frame = spark.read.parquet(features).repartition(3)
    columns = [col(name) for name in names]
    found = frame.select(
        "object_id",
        probabilities_udf("plasticc", names)(*columns).alias("all"),
        probabilities_udf("plasticc", names)(*columns).cast("array<float>").alias("single"),
        probabilities_udf("plasticc", names, class_name="Ia")(*columns).alias("Ia"),
    )
    found, expected = rows(found, "object_id"), classify_file(features, "plasticc")
    expected = probabilities(rows(expected, "object_id"), "plasticc")
    assert np.array_equal(np.array(found["all"].to_pylist()), expected)
    single = np.array(found["single"].to_pylist(), np.float32)
    assert np.array_equal(single, expected.astype(np.float32))
    column = classes("plasticc").index("Ia")
    assert np.array_equal(found["Ia"].to_numpy(), expected[:, column])


@pytest.mark.parametrize("model", ["curves", "both"])
def test_light_curves_in_lists_have_the_answers_of_classify_file(
    spark, light_curves, networks, classify_file, model
):
    expected = classify_file(light_curves, networks[model])
    frame = spark.read.parquet(light_curves)
    found = rows(classify_frame(frame.coalesce(1), networks[model]), "diaObjectId")
    assert found.equals(expected.combine_chunks())
    assert found["status"].to_pylist()[7:10] == [*["too_few_observations"] * 2, "invalid_record"]


def test_a_udf_of_light_curves_takes_the_columns_of_fink(
    spark, light_curves, networks, classify_file
):
    model = networks["curves"]
    expected = classify_file(light_curves, model)
    frame = spark.read.parquet(light_curves).coalesce(1)
    found = frame.select(
        probabilities_udf(model)(*map(col, FINK)).alias("all"),
        probabilities_udf(model, class_name="TDE")(*map(col, FINK)).alias("TDE"),
    ).toArrow()
    null = [n for n, row in enumerate(found["all"].to_pylist()) if row is None]
    assert null == [7, 8, 9]
    answered = np.array(found["all"].drop_null().to_pylist())
    there = np.setdiff1d(np.arange(60), null)
    assert np.array_equal(answered, probabilities(expected, model)[there])
    assert found["TDE"].to_pylist() == expected["TDE"].to_pylist()


def test_a_udf_takes_further_columns_by_name(spark, light_curves, networks, classify_file):
    names = [*FINK, "MWEBV"]
    frame = spark.read.parquet(light_curves).coalesce(1)
    found = frame.select(probabilities_udf(networks["both"], names, class_name="TDE")(*names))
    expected = classify_file(light_curves, networks["both"])
    assert found.toArrow()[0].to_pylist() == expected["TDE"].to_pylist()


def test_batches_change_no_more_of_a_network_than_its_last_digits(
    spark, light_curves, networks, classify_file
):
    model = networks["both"]
    expected = classify_file(light_curves, model)
    spark.conf.set(*SMALL)  # objects 7 to 9 are in a batch with others, and each is on its own
    found = rows(
        classify_frame(spark.read.parquet(light_curves).repartition(3), model), "diaObjectId"
    )
    for name in ("status", "reason", "class"):
        assert found[name].equals(expected[name])
    np.testing.assert_allclose(
        probabilities(found, model), probabilities(expected, model), rtol=0, atol=1e-6
    )


def test_a_preset_says_where_light_curves_lie(
    spark, light_curves, networks, classify_file, tmp_path
):
    table = pq.read_table(light_curves)
    columns = [table[name].combine_chunks() for name in FINK]
    flag = pa.array([None if row is None else [False] * len(row) for row in table[1].to_pylist()])
    names = ["midpointMjdTai", "band", "psfFlux", "psfFluxErr", "psfFlux_flag"]
    curves = pa.StructArray.from_arrays([*columns, flag], names)
    path = str(tmp_path / "objects.parquet")
    pq.write_table(pa.table({"objectId": table[0], "objectForcedSource": curves}), path)
    expected = classify_file(path, networks["curves"], "--columns=rubin-object")
    frame = spark.read.parquet(path).coalesce(1)
    found = classify_frame(frame, networks["curves"], columns="rubin-object")
    assert rows(found, "objectId").equals(expected.combine_chunks())
    assert expected["status"].to_pylist().count("ok") == 57


def test_objects_without_an_answer_may_be_alone_in_a_batch(spark, light_curves, networks):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    frame = spark.read.parquet(light_curves).coalesce(1)
    found = frame.select(probabilities_udf(networks["curves"])(*FINK).alias("all")).toArrow()
    assert [n for n, row in enumerate(found["all"].to_pylist()) if row is None] == [7, 8, 9]


def test_a_damaged_row_costs_itself_alone(spark, features, classify_file):
    frame = spark.read.parquet(features).limit(20).coalesce(1)
    name = lcclassify.load("plasticc").bundle.features[0].name
    rest = [f"`{column}`" for column in frame.columns if column != name]
    third = frame.collect()[3]["object_id"]
    texts = frame.selectExpr(
        *rest, f"if(object_id = {third}, 'bad', cast(`{name}` as string)) as `{name}`"
    )
    found = rows(classify_frame(texts, "plasticc"), "object_id").to_pylist()
    whole = rows(classify_frame(frame, "plasticc"), "object_id").to_pylist()
    assert [row["object_id"] for row in found if row["status"] != "ok"] == [third]
    assert [row for row in found if row["object_id"] != third] == [
        row for row in whole if row["object_id"] != third
    ]


def test_a_worker_loads_the_model_once_for_many_batches(spark, features, tmp_path):
    spark.conf.set(*SMALL)
    copy = tmp_path / "new"  # which no worker has loaded before
    shutil.copytree(lcclassify.load("plasticc").bundle.path, copy)
    frame = spark.read.parquet(features).repartition(6)
    answers, _ = map_in_arrow(frame.schema, copy)

    def count(batches):
        before = kept._load.cache_info().misses
        n_batches = sum(1 for batch in answers(batches))
        loads = kept._load.cache_info().misses - before
        row = {"pid": os.getpid(), "batches": n_batches, "loads": loads}
        yield pa.RecordBatch.from_pylist([row])

    tasks = frame.mapInArrow(count, "pid long, batches long, loads long").collect()
    assert sum(task.batches for task in tasks) > 20
    loads = Counter()
    for task in tasks:
        loads[task.pid] += task.loads
    assert len(tasks) == 6
    assert set(loads.values()) == {1}
    assert len(loads) <= 2


def test_what_travels_is_a_path_and_not_the_model(spark, features, networks):
    schema = spark.read.parquet(features).schema
    function, _ = map_in_arrow(schema, "plasticc")
    udf = probabilities_udf(networks["curves"])
    assert len(cloudpickle.dumps(function)) < 4096
    assert len(cloudpickle.dumps(udf.func)) < 4096


def test_what_the_model_lacks_is_said_before_spark_starts(spark, light_curves, networks):
    frame = spark.read.parquet(light_curves)
    with pytest.raises(InputError, match="net@1 needs 1 features and the input gives 0; missing"):
        classify_frame(frame.drop("MWEBV"), networks["both"])
    with pytest.raises(InputError, match="net@1 needs 1 features and the input gives 0; missing"):
        probabilities_udf(networks["both"])
    with pytest.raises(InputError, match="no light curves: expected columns of time, band and"):
        probabilities_udf(networks["curves"], ["flux"])
    with pytest.raises(InputError, match="no class 'SNIa'; choose from AGN, CART, "):
        probabilities_udf(networks["curves"], class_name="SNIa")


def test_a_row_per_observation_is_refused(spark, networks):
    columns = {"oid": "a", "mjd": 6e4, "band": "g", "FLUXCAL": 1.0, "FLUXCALERR": 1.0}
    frame = spark.createDataFrame([columns])
    with pytest.raises(InputError) as error:
        classify_frame(frame, networks["curves"])
    assert str(error.value) == (
        "the table has a row per observation (mjd, band, FLUXCAL); gather those of each object "
        "into lists first"
    )


def test_a_udf_counts_the_columns_it_is_given(spark, light_curves, networks):
    frame = spark.read.parquet(light_curves)
    with pytest.raises(PythonException, match="expected columns for cmidpointMjdTai, cband, cpsf"):
        frame.select(probabilities_udf(networks["curves"])("cband")).collect()


def test_python_is_sent_what_the_model_needs(spark, light_curves, networks):
    answers = classify_frame(spark.read.parquet(light_curves), networks["curves"])
    plan = answers._jdf.queryExecution().optimizedPlan().toString()
    (projected,) = re.findall(r"Project \[(.*?)\]", plan)
    names = re.findall(r"(\w+)#", projected)
    assert names == ["diaObjectId", "cmidpointMjdTai", "cband", "cpsfFlux", "cpsfFluxErr"]


def test_the_schema_is_that_of_the_answers(spark, features, classify_file):
    _, schema = map_in_arrow(spark.read.parquet(features).schema, "plasticc", top=1)
    assert schema == from_arrow_schema(classify_file(features, "plasticc", "--top=1").schema)
