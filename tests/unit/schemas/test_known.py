import json
from dataclasses import replace
from importlib.resources import files

import pyarrow as pa
import pytest

from lcclassify.schemas import OUTPUTS, open_output
from lcclassify.schemas.avro import OutputOptions, read_avsc
from lcclassify.schemas.avsc import parse_schema
from lcclassify.schemas.evolution import differences
from lcclassify.schemas.known import (
    Match,
    known_schemas,
    match_inputs,
    recognise,
    recognise_values,
)
from lcclassify.sinks import open_sink
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

IDS = "classifier_name,classifier_id,class_name,class_id\ntoy,5,Ia,0\ntoy,5,II,1\n"
CONTEXT = {
    "alertId": [1],
    "diaSourceId": [2],
    "elasticcPublishTimestamp": [3],
    "lastmjd": [59000.5],
}


def schema_of(name, **fields):
    """A published schema, some of its fields of another type (None: left out), or more."""
    made = read_avsc(name)
    kinds = {field["name"]: field["type"] for field in made["fields"]} | fields
    made["fields"] = [{"name": n, "type": kind} for n, kind in kinds.items() if kind]
    return parse_schema(json.dumps(made))


def states(match):
    return [(d.path, d.state) for d in match.differences]


@pytest.mark.parametrize("name", known_schemas())
def test_each_known_schema_is_itself(name):
    match = recognise(known_schemas()[name].schema)
    assert (match.name, match.fit) == (name, "exact")


def test_what_reads_without_loss_is_compatible():
    match = recognise(schema_of("elasticc-v0_9", alertId="int"))
    assert (match.name, match.fit) == ("elasticc-v0_9", "compatible")
    assert states(match) == [("alertId", "other type")]


def test_messages_of_2023_may_be_named_otherwise_and_have_ids_of_text():
    text = (files("lcclassify") / "schemas/feature_step/feature-step-2023.avsc").read_text()
    for name in ("detections_record_2023", "non_detections_record"):
        path = files("lcclassify") / f"schemas/feature_step/{name}.avsc"
        text = text.replace(f'"{name}"', path.read_text())
    text = text.replace('["long", "string"]', '"string"').replace('"double"', '"float"')
    match = recognise(parse_schema(text.replace("detections_record_2023", "alert", 1)))
    assert (match.name, match.fit) == ("feature-step-2023", "compatible")


def test_the_nearest_is_named_with_what_differs():
    match = recognise(schema_of("elasticc-v0_9", alertId=None, brokerName="int", more="string"))
    assert (match.name, match.fit) == ("elasticc-v0_9", "different")
    assert states(match) == [
        ("brokerName", "other type"),
        ("alertId", "missing"),
        ("more", "extra"),
    ]


@pytest.mark.parametrize("kind", ["string", {"type": "map", "values": "int"}])
def test_what_is_like_none_of_them_has_no_name(kind):
    assert recognise(schema_of("scribe", payload=None, oid=kind)) == Match(None)
    assert recognise(parse_schema(json.dumps(kind))).fit == "none"


def test_illegal_names_are_told_of_any_schema():
    match = recognise(schema_of("scribe", payload=None, **{"g-r": "int", "W1": "int"}))
    assert (match.fit, states(match)) == ("none", [("g-r", "illegal name")])


def test_a_feature_under_another_spelling_is_an_alias():
    old, new = (known_schemas()[f"feature-step-ztf-{n}"].schema for n in (178, 209))
    match = Match("", tuple(differences(new, old)))
    assert ("features.W1-W2", "alias") in states(match)
    assert ("features.PPE", "alias") in states(match)
    assert ("features.Timespan", "extra") in states(match)
    assert ("features.iqr_1", "missing") in states(match)


@pytest.mark.parametrize("suffix", [".avro", ".parquet"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_all_that_output_schema_writes_is_recognised(name, suffix, tmp_path):
    ids = tmp_path / "ids.csv"
    ids.write_text(IDS)
    prediction = make_prediction(Taxonomy.from_children(["Ia", "II"], {}), [[0.25, 0.75]])
    batch = replace(prediction.batch, object_id=pa.array([7]), context=pa.table(CONTEXT))
    options = {"classifier_version": "1", "scribe_ids": ids, "sid": 1}
    schema = open_output(name, OutputOptions(prediction.bundle, **options))
    with open_sink(str(tmp_path / f"out{suffix}")) as sink:
        sink.write(schema(replace(prediction, batch=batch)))
        sink.flush()
    [match] = match_inputs([str(tmp_path / f"out{suffix}")])
    expected = "scribe" if name.startswith("scribe") else name
    assert (match.name, match.fit) == (expected, "exact")


@pytest.mark.parametrize("name", sorted(set(OUTPUTS) & known_schemas().keys()))
def test_records_of_json_are_known_by_their_values(name):
    sample = json.loads((files("lcclassify") / "schemas" / f"{name}.sample.json").read_text())
    assert recognise_values([sample, sample]) == Match(name)
    assert recognise_values([sample, sample | {"more": 1}]) == Match(None)
    assert recognise_values([sample, "text"]) == Match(None)


def test_nothing_at_all_is_no_known_schema():
    assert recognise_values([]) == Match(None)


def test_files_of_one_schema_are_one_answer(tmp_path):
    text = json.dumps(read_avsc("scribe"))
    for name in ("a", "b"):
        (tmp_path / f"{name}.avsc").write_text(text)
    (tmp_path / "c.csv").write_text("oid\n1\n")
    (tmp_path / "d.jsonl").write_text('{"payload": "x"}\n')
    (tmp_path / "e.jsonl").write_text("no json\n")
    matches = match_inputs([str(tmp_path)])
    assert [(match.name, match.fit, len(match.files)) for match in matches] == [
        ("scribe", "exact", 1),
        ("scribe", "exact", 1),
        (None, "none", 1),
        ("scribe", "exact", 1),
        (None, "none", 1),
    ]
