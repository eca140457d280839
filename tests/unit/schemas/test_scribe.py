import json
from dataclasses import replace

import pyarrow as pa
import pytest

from lcclassify.errors import InputError
from lcclassify.schemas import open_output
from lcclassify.schemas.avro import OutputOptions
from lcclassify.sinks.records import records
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

TREE = Taxonomy.from_children(["P", "Tr"], {"Tr": ["SNIa", "SNII"], "P": ["RRL"]})
FLAT = Taxonomy.from_children(["A", "B", "C"], {})
ROWS = [[0.4, 0.6, 0.75, 0.25, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
PROBLEMS = {1: Problem(Status.MISSING_FEATURES, "no features")}
IDS = """classifier_name,classifier_id,class_name,class_id
toy,5,A,0
toy,5,B,1
toy,5,C,2
"""


def payloads(name, prediction, **options):
    table = open_output(name, OutputOptions(prediction.bundle, **options))(prediction)
    return [row["payload"] for row in records(table)]


def test_a_command_per_answered_object_to_the_letter():
    prediction = make_prediction(TREE, ROWS, PROBLEMS, ids=["ZTF1", "ZTF2"])
    assert payloads("scribe", prediction) == [
        '{"collection": "object", "type": "update_probabilities", "criteria": {"_id": "ZTF1"}, '
        '"data": {"classifier_name": "toy", "classifier_version": "1.0", '
        '"SNIa": 0.44999999999999996, "SNII": 0.15, "RRL": 0.4}, '
        '"options": {"upsert": true, "set_on_insert": false}}'
    ]


def test_names_may_be_given():
    prediction = make_prediction(FLAT, [[1.0, 0.0, 0.0]])
    options = {"classifier_name": "lc_classifier", "classifier_version": "9"}
    [text] = payloads("scribe", prediction, **options)
    assert list(json.loads(text)["data"].values()) == ["lc_classifier", "9", 1.0, 0.0, 0.0]


def test_the_tree_comes_node_by_node_and_the_top_last():
    prediction = make_prediction(TREE, ROWS, PROBLEMS)
    data = [json.loads(text)["data"] for text in payloads("scribe-hierarchy", prediction)]
    names = ["toy", "toy_p", "toy_tr", "toy_top"]
    assert [command.pop("classifier_name") for command in data] == names
    assert [command.pop("classifier_version") for command in data] == ["1.0"] * 4
    tree = [{"RRL": 1.0}, {"SNIa": 0.75, "SNII": 0.25}, {"P": 0.4, "Tr": 0.6}]
    assert data[1:] == tree


def test_scores_keep_the_case_of_nodes_and_the_top_comes_first():
    prediction = make_prediction(TREE, ROWS, PROBLEMS)
    commands = [json.loads(text) for text in payloads("scribe-score", prediction)]
    assert {(command["collection"], command["type"]) for command in commands} == {
        ("score", "insert")
    }
    data = [command["data"] for command in commands]
    assert [command["detector_name"] for command in data] == ["toy", "toy_top", "toy_P", "toy_Tr"]
    assert data[1] == {
        "detector_name": "toy_top",
        "detector_version": "1.0",
        "categories": [{"name": "P", "score": 0.4}, {"name": "Tr", "score": 0.6}],
    }


@pytest.mark.parametrize("name", ["scribe", "scribe-hierarchy", "scribe-score"])
def test_a_flat_model_has_one_command_in_any_form(name):
    assert len(payloads(name, make_prediction(FLAT, [[0.5, 0.25, 0.25]]))) == 1


def test_commands_come_classifier_by_classifier():
    prediction = make_prediction(TREE, [ROWS[0], ROWS[0]])
    commands = [json.loads(text) for text in payloads("scribe-hierarchy", prediction)]
    assert [command["criteria"]["_id"] for command in commands] == ["a", "b"] * 4


@pytest.fixture
def ids(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text(IDS)
    return path


def flat_prediction(oids, mjd, rows=((0.25, 0.5, 0.25),)):
    prediction = make_prediction(FLAT, list(rows) * len(oids), ids=oids)
    context = pa.table({"lastmjd": pa.array(mjd, pa.float64())})
    return replace(prediction, batch=replace(prediction.batch, context=context))


def test_per_class_ranks_densely_and_names_ids(ids):
    prediction = flat_prediction([2**62 + 1], [60000.5])
    options = {"scribe_ids": ids, "sid": 1, "classifier_version": "210"}
    common = {"oid": 2**62 + 1, "sid": 1, "classifier_id": 5, "classifier_version": 210}
    answers = [(0, 0.25, 2), (1, 0.5, 1), (2, 0.25, 2)]  # class_id, probability, ranking
    assert [json.loads(text) for text in payloads("scribe-per-class", prediction, **options)] == [
        {
            "step": "update-probability",
            "survey": "ztf",
            "payload": common
            | {"class_id": number, "probability": probability, "ranking": ranking}
            | {"lastmjd": 60000.5},
        }
        for number, probability, ranking in answers
    ]


def test_ranks_are_those_of_the_distinct_probabilities(ids):
    rows = [[0.25, 0.5, 0.25], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0], [1 / 3] * 3]
    prediction = make_prediction(FLAT, rows, ids=list("12345"))
    context = pa.table({"lastmjd": [60000.0] * 5})
    prediction = replace(prediction, batch=replace(prediction.batch, context=context))
    options = {"scribe_ids": ids, "sid": 1, "classifier_version": "210"}
    commands = map(json.loads, payloads("scribe-per-class", prediction, **options))
    ranks = [command["payload"]["ranking"] for command in commands]
    assert ranks == [*(2, 1, 2), *(2, 2, 1), *(3, 2, 1), *(1, 1, 2), *(1, 1, 1)]


def test_per_class_refuses_what_the_database_cannot_hold(ids):
    oids = ["123", "-5", "ZTF18abc", str(2**63), "1_0", "7", "8"]
    mjd = [60000.0, 60000.0, 60000.0, 60000.0, 60000.0, float("inf"), None]
    prediction = flat_prediction(oids, mjd)
    output = open_output(
        "scribe-per-class",
        OutputOptions(prediction.bundle, classifier_version="1", scribe_ids=ids, sid=0),
    )
    commands = [json.loads(row["payload"]) for row in records(output(prediction))]
    assert [command["payload"]["oid"] for command in commands] == [123] * 3 + [-5] * 3
    assert output.left_out == {
        "the object id is no 64-bit integer": 3,
        "lastmjd is not finite": 1,
        "no lastmjd": 1,
    }


def test_per_class_writes_the_heads_that_have_ids(tmp_path):
    path = tmp_path / "ids.csv"
    lines = ["toy,5,SNIa,0", "toy,5,SNII,1", "toy,5,RRL,2", "toy_tr,7,SNIa,0", "toy_tr,7,SNII,1"]
    path.write_text("\n".join([IDS.splitlines()[0], *lines]))
    prediction = make_prediction(TREE, ROWS[:1], ids=["1"])
    context = pa.table({"lastmjd": [60000.0]})
    prediction = replace(prediction, batch=replace(prediction.batch, context=context))
    options = {"scribe_ids": path, "sid": 0, "classifier_version": "1"}
    commands = map(json.loads, payloads("scribe-per-class", prediction, **options))
    rows = [command["payload"] for command in commands]
    assert [(row["classifier_id"], row["class_id"], row["ranking"]) for row in rows] == [
        (5, 0, 1),
        (5, 1, 3),
        (5, 2, 2),
        (7, 0, 1),
        (7, 1, 2),
    ]


@pytest.mark.parametrize(
    ("options", "table", "text"),
    [
        (
            {"sid": None},
            IDS,
            "scribe-per-class needs a survey's sid (--sid) and a table of ids (--scribe-ids)",
        ),
        (
            {"classifier_version": "1.0"},
            IDS,
            "scribe-per-class needs a version that is a small integer, not '1.0'",
        ),
        (
            {},
            IDS.replace("C,2", "D,2"),
            "{path} and toy@1.0 do not agree about toy: one of them has no class C, D",
        ),
        ({"classifier_name": "other"}, IDS, "{path} has no classifier other"),
        (
            {},
            "a,b\n1,2\n",
            "{path} is not a table of classifier_name, classifier_id, class_name, class_id",
        ),
        ({}, None, "cannot read {path}: No such file or directory"),
    ],
)
def test_per_class_says_what_it_lacks(tmp_path, options, table, text):
    path = tmp_path / "ids.csv"
    if table is not None:
        path.write_text(table)
    bundle = make_prediction(FLAT, []).bundle
    given = {"sid": 1, "classifier_version": "1", "scribe_ids": path} | options
    with pytest.raises(InputError) as error:
        open_output("scribe-per-class", OutputOptions(bundle, **given))
    assert str(error.value) == text.format(path=path)


def test_per_class_needs_a_last_date(ids):
    prediction = make_prediction(FLAT, [[0.5, 0.25, 0.25]])
    with pytest.raises(InputError) as error:
        payloads("scribe-per-class", prediction, scribe_ids=ids, sid=1, classifier_version="1")
    assert "no column lastmjd" in str(error.value)


@pytest.mark.parametrize("name", ["scribe", "scribe-hierarchy", "scribe-score"])
def test_no_objects_no_commands(name):
    assert payloads(name, make_prediction(TREE, [])) == []
