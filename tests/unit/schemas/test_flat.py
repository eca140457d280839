from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import lcclassify
from lcclassify.schemas.flat import flat_schema
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

TREE = Taxonomy.from_children(["P", "T"], {"T": ["SNIa", "SN/II"], "P": ["RRL"]})
ROWS = [[0.4, 0.6, 0.75, 0.25, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 1.0, 0.0, 1.0]]
PROBLEMS = {1: Problem(Status.INVALID_FEATURES, "x = 'abc' is not a number")}
PREDICTION = replace(
    make_prediction(TREE, ROWS, PROBLEMS, ids=["b", "a", "b"]),
    found=np.array([1, 0, 1], np.int32),
)
AMOUNTS = {"features_found": 1, "features_needed": 1}
PROVENANCE = {
    "classifier_name": "toy",
    "classifier_version": "1.0",
    "model_digest": "0123456789abcdef" * 4,
    "lcclassify_version": lcclassify.__version__,
}


def test_wide_has_a_column_per_class_and_answers_every_row():
    rows = flat_schema()(PREDICTION).to_pylist()
    ok = {"status": "ok", "reason": None} | AMOUNTS
    bad = {"status": "invalid_features", "reason": "x = 'abc' is not a number"}
    bad |= AMOUNTS | {"features_found": 0}
    none = {"SNIa": None, "SN/II": None, "RRL": None}
    # 0.6 * 0.75 = 0.45 and 0.6 * 0.25 = 0.15; a tie goes to the first class in column order
    answers = [
        {"oid": "b", "class": "SNIa", "probability": 0.6 * 0.75, **ok}
        | {"SNIa": 0.6 * 0.75, "SN/II": 0.15, "RRL": 0.4},
        {"oid": "a", "class": None, "probability": None, **bad} | none,
        {"oid": "b", "class": "SNIa", "probability": 0.5, **ok}
        | {"SNIa": 0.5, "SN/II": 0.0, "RRL": 0.5},
    ]
    assert rows == [answer | PROVENANCE for answer in answers]
    assert list(rows[0]) == list(answers[0] | PROVENANCE)


def test_top_keeps_the_most_probable_classes():
    rows = flat_schema(top=2)(PREDICTION).to_pylist()
    best = [
        {key: row[key] for key in ("class_1", "probability_1", "class_2", "probability_2")}
        for row in rows
    ]
    assert best == [
        {"class_1": "SNIa", "probability_1": 0.6 * 0.75, "class_2": "RRL", "probability_2": 0.4},
        {"class_1": None, "probability_1": None, "class_2": None, "probability_2": None},
        {"class_1": "SNIa", "probability_1": 0.5, "class_2": "RRL", "probability_2": 0.5},
    ]
    assert "SN/II" not in rows[0]


def test_hierarchy_adds_conditional_probabilities():
    row = flat_schema(hierarchy=True)(PREDICTION).to_pylist()[0]
    names = ("top/P", "top/T", "child/T/SNIa", "child/T/SN/II", "child/P/RRL")
    assert [row[name] for name in names] == ROWS[0]


def test_tidy_has_a_row_per_object_and_class_and_one_without_class_for_a_problem():
    table = flat_schema(tidy=True)(PREDICTION)
    assert table.column_names == [
        *("oid", "classifier_name", "classifier_version", "class_name", "probability", "ranking"),
        *("status", "reason", *AMOUNTS, "model_digest", "lcclassify_version"),
    ]
    keys = ("oid", "class_name", "probability", "ranking", "status", "features_found")
    assert [tuple(row[key] for key in keys) for row in table.to_pylist()] == [
        ("b", "SNIa", 0.6 * 0.75, 1, "ok", 1),
        ("b", "RRL", 0.4, 2, "ok", 1),
        ("b", "SN/II", 0.15, 3, "ok", 1),
        ("a", None, None, None, "invalid_features", 0),
        ("b", "SNIa", 0.5, 1, "ok", 1),
        ("b", "RRL", 0.5, 2, "ok", 1),
        ("b", "SN/II", 0.0, 3, "ok", 1),
    ]


def test_a_network_also_tells_how_many_observations_it_looked_at():
    network = replace(PREDICTION.bundle, family="transformer")
    seen = replace(PREDICTION, bundle=network, observations=np.array([7, 0, 2], np.int32))
    for options, n_rows in (({}, [1, 1, 1]), ({"tidy": True}, [3, 1, 3])):
        table = flat_schema(**options)(seen)
        place = table.column_names.index("status")
        names = ["status", "reason", *AMOUNTS, "observations_used"]
        assert table.column_names[place : place + 5] == names
        assert table["observations_used"].to_pylist() == np.repeat([7, 0, 2], n_rows).tolist()


def test_what_nobody_counted_is_null():
    table = flat_schema()(replace(PREDICTION, found=None))
    assert table["features_found"].to_pylist() == [None] * 3
    assert table["features_found"].type == table["features_needed"].type == pa.int32()


def test_tidy_top_cuts_the_ranking():
    rows = flat_schema(tidy=True, top=1)(PREDICTION).to_pylist()
    assert [(row["oid"], row["class_name"]) for row in rows] == [
        ("b", "SNIa"),
        ("a", None),
        ("b", "SNIa"),
    ]


@pytest.mark.parametrize("top", [3, 4, 100])
def test_more_than_all_classes_is_all_of_them(top):
    assert flat_schema(tidy=True, top=top)(PREDICTION).num_rows == 7
    assert flat_schema(top=top)(PREDICTION).column_names.count("class_3") == 1
    assert flat_schema(top=top)(PREDICTION).column_names.count("class_4") == 0


@pytest.mark.parametrize("options", [{}, {"tidy": True}, {"top": 2}, {"hierarchy": True}])
def test_no_rows_have_the_same_schema_as_some(options):
    schema = flat_schema(**options)
    table = schema(make_prediction(TREE, np.empty((0, 5)), ids=pa.array([], pa.string())))
    assert table.num_rows == 0
    assert table.schema == schema(PREDICTION).schema
