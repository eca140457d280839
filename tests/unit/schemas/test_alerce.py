import ast
import re
from dataclasses import replace
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lcclassify
from lcclassify.schemas import open_output
from lcclassify.schemas.avro import OutputOptions, read_avsc
from lcclassify.sinks import open_sink
from lcclassify.sinks.records import records
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

SEED = Path(__file__).parents[3].parent / "shared" / "seed"
TREE = Taxonomy.from_children(["P", "T"], {"P": ["RRL"], "T": ["SNIa", "SN/II"]})
ROWS = [[0.4, 0.6, 1.0, 0.75, 0.25], [0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 1.0, 1.0, 0.0]]
PROBLEMS = {1: Problem(Status.INVALID_FEATURES, "x = 'abc' is not a number")}
CLASSIFICATION = {
    "probabilities": {"RRL": 0.4, "SNIa": 0.6 * 0.75, "SN/II": 0.15},
    "class": "SNIa",
    "hierarchical": {
        "top": {"P": 0.4, "T": 0.6},
        "children": {"P": {"RRL": 1.0}, "T": {"SNIa": 0.75, "SN/II": 0.25}},
    },
}


def predict(features, ids=("b", "a", "b")):
    prediction = make_prediction(TREE, ROWS, PROBLEMS, ids=ids)
    return replace(prediction, batch=replace(prediction.batch, features=pa.table(features)))


def output(name, prediction):
    return open_output(name, OutputOptions(prediction.bundle))


def test_an_answered_object_has_a_record_and_any_other_is_counted():
    prediction = predict({"odd": [0.1, 0.2, float("nan")], "x": [None, 1.0, 2.0]})
    schema = output("alerce-map", prediction)
    first, last = records(schema(prediction))
    assert first == {
        "oid": "b",
        "features": {"odd": 0.1, "x": None},
        "lc_classification": CLASSIFICATION,
    }
    assert last["features"] == {"odd": None, "x": 2.0}
    assert last["lc_classification"]["class"] == "RRL"  # a tie: the first in column order
    assert schema.left_out == {"no answer (invalid_features)": 1}


def test_ids_are_text():
    rows = records(output("alerce-map", p := predict({"x": [1.0] * 3}, ids=[7, 8, 9]))(p))
    assert [row["oid"] for row in rows] == ["7", "9"]


def test_the_record_finds_features_under_any_spelling_and_the_rest_is_null():
    prediction = predict({"PPE": [0.5, 0.0, 0.25], "W1-W2": [1.0, 0.0, None]})
    schema = output("alerce", prediction)
    features = records(schema(prediction))[0]["features"]
    assert len(features) == 178
    assert {name: value for name, value in features.items() if value is not None} == {
        "Period_fit": 0.5,
        "W1-W2": 1.0,
    }
    assert schema.columns(["oid", "PPE", "W1-W2", "other"]) == ("PPE", "W1-W2")
    assert output("alerce-map", prediction).columns(["PPE"]) == ()


def test_what_a_32_bit_float_cannot_hold_is_null_but_infinity_is_infinity():
    values = [1e300, 0.0, float("inf")]  # Amplitude_1 is a float, n_det_1 a double
    prediction = predict({"Amplitude_1": values, "n_det_1": values, "rb": [-3e38, 0.0, -4e38]})
    rows = [row["features"] for row in records(output("alerce", prediction)(prediction))]
    assert [row["Amplitude_1"] for row in rows] == [None, float("inf")]
    assert [row["n_det_1"] for row in rows] == [1e300, float("inf")]
    assert [row["rb"] for row in rows] == [-3e38, None]
    rows = [row["features"] for row in records(output("alerce-map", prediction)(prediction))]
    assert [row["n_det_1"] for row in rows] == [None, float("inf")]


def test_a_flat_model_has_no_tree():
    flat = Taxonomy.from_children(["A", "B"], {})
    prediction = make_prediction(flat, [[0.25, 0.75]])
    [row] = records(output("alerce-map", prediction)(prediction))
    assert row["lc_classification"] == {
        "probabilities": {"A": 0.25, "B": 0.75},
        "class": "B",
        "hierarchical": {"top": {}, "children": {}},
    }


@pytest.mark.parametrize("name", ["alerce", "alerce-map"])
def test_what_a_reader_of_the_file_sees(tmp_path, name):
    prediction = predict({"Amplitude_1": [0.1, 0.2, None]})
    table = output(name, prediction)(prediction)
    with open_sink(str(tmp_path / "out.avro")) as sink:
        sink.write(table)
        sink.write(table.slice(0, 0))
    with (tmp_path / "out.avro").open("rb") as file:
        reader = fastavro.reader(file)
        rows = list(reader)
    assert [row["oid"] for row in rows] == ["b", "b"]
    assert rows[0]["features"]["Amplitude_1"] == np.float32(0.1)
    tree = rows[0]["lc_classification"]["hierarchical"]
    assert tree["children"]["T"] == {"SNIa": 0.75, "SN/II": 0.25}
    assert {key: text for key, text in reader.metadata.items() if key[:5] != "avro."} == {
        "lcclassify.model_name": "toy",
        "lcclassify.model_version": "1.0",
        "lcclassify.model_digest": "0123456789abcdef" * 4,
        "lcclassify.version": lcclassify.__version__,
    }
    with open_sink(str(tmp_path / "out.parquet")) as sink:
        sink.write(table)
    assert pq.read_table(tmp_path / "out.parquet").schema.metadata == table.schema.metadata


@pytest.mark.parametrize("name", ["alerce", "alerce-map"])
def test_no_objects_no_records(name):
    prediction = make_prediction(TREE, [])
    assert records(output(name, prediction)(prediction)) == []


def test_a_batch_without_columns_has_empty_maps():
    prediction = predict({"x": [1.0] * 3})
    empty = prediction.batch.features.select([])
    prediction = replace(prediction, batch=replace(prediction.batch, features=empty))
    rows = records(output("alerce-map", prediction)(prediction))
    assert [row["features"] for row in rows] == [{}, {}]


def readme_schemas():
    """The fenced blocks of the step's README, read as data."""
    [text] = [path.read_text() for path in SEED.glob("*.txt")]
    blocks = re.findall(r"^``` ?(?:python|json)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    [features] = [block for block in blocks if '"features_record"' in block]
    [alerce] = [block for block in blocks if "probabilities_and_features" in block]
    [elasticc] = [block for block in blocks if block.startswith("ELASTICC_SCHEMA =")]
    return {
        "alerce": ast.literal_eval(alerce.replace("FEATURES_SCHEMA", features.strip())),
        "elasticc-v0_9": ast.literal_eval(elasticc.partition("=")[2].strip()),
    }


@pytest.mark.skipif(not SEED.is_dir(), reason="the README of the step is not beside the checkout")
@pytest.mark.parametrize("name", ["alerce", "elasticc-v0_9"])
def test_the_schemas_are_those_of_the_steps_readme(name):
    """Fields are lists, so equality asks for names, types and order."""
    assert read_avsc(name) == readme_schemas()[name]
