"""Messages in Avro against what the reference's own step made of them, number for number.

Where this differs on purpose, the tables here say so, case by case.
"""

import json
from pathlib import Path

import fastavro
import numpy as np
import pytest

from lcclassify.convert import convert
from lcclassify.errors import InputError
from lcclassify.features import match_features
from lcclassify.predictors import load_predictor
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.file import FileSet, FileSource
from lcclassify.sources.places import find_places
from lcclassify.status import Status

ZTF = "ztf_hrf_1.1"
RUNS = [
    ("messages_ztf", ZTF),
    ("messages_ztf_map", ZTF),
    ("messages_ztf_tid_upper", ZTF),
    ("messages_ztf_errors", ZTF),
    ("messages_elasticc", "toretto"),
    ("messages_elasticc", "barney"),
    ("messages_elasticc_errors", "toretto"),
    ("messages_elasticc_errors", "barney"),
]
# What the reference said of each message alone and beside a good one.
LINES = {
    ("messages_ztf", ZTF): ["ztf_single"],
    ("messages_ztf_map", ZTF): ["ztf_map_single"],
    ("messages_ztf_errors", ZTF): ["ztf_errors_single", "ztf_errors_beside_good"],
    ("messages_elasticc", "toretto"): ["toretto_single", "toretto_beside_good"],
    ("messages_elasticc", "barney"): ["barney_single", "barney_beside_good"],
    ("messages_elasticc_errors", "toretto"): ["toretto_errors_single", "toretto_beside_good"],
    ("messages_elasticc_errors", "barney"): ["barney_errors_single", "barney_beside_good"],
}
BATCHES = {  # and the number of objects that the reference answered
    "ztf_batch": ("messages_ztf", ZTF, 44),
    "ztf_map_batch": ("messages_ztf_map", ZTF, 8),
    "toretto_batch": ("messages_elasticc", "toretto", 58),
    "barney_batch": ("messages_elasticc", "barney", 60),
}

# Messages without an answer. All others have one, those included that made the reference raise.
PROBLEMS = {
    "features_null": Status.MISSING_FEATURES,
    "features_null_alone": Status.MISSING_FEATURES,
    "double_feature_minus_1e39_overflows_float32": Status.INVALID_FEATURES,
    "truncated_pickle_in_diaObject": Status.INVALID_RECORD,
    "pickled_dict_instead_of_list": Status.INVALID_RECORD,
}
# Barney's answers that differ from the reference's.
NULL = "no features is no answer: the reference gives that of an object that lacks every value"
FLUX = "the header of a detection whose flux is 100 counts: 100 is no mark among fluxes"
DIFFERENCES = {
    "features_null": NULL,
    "features_null_alone": NULL,
    "earliest_detection_invalid": FLUX,
    "all_detections_invalid": FLUX,
}

IN_A_BATCH = {
    "duplicate_oid": "each message has its own header; there one detection's counts for both",
}


def part_of(*paths):
    return AvroPart(*[place for path in paths for place in find_places(str(path), {".avro"})])


@pytest.fixture(scope="module")
def predictors(golden, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    names = {model for _, model in RUNS}
    return {
        name: load_predictor(convert(golden / name, folder / name), reference_nulls=True)
        for name in names
    }


def classify(predictor, part, size=5000):
    names = match_features(predictor.bundle.features, tuple(part.columns)).used
    source = FileSource(FileSet((part,), "oid"), names, size)
    return [predictor.predict(batch) for batch in source]


@pytest.fixture(scope="module")
def index(golden):
    return json.loads((golden / "messages_index.json").read_text())


@pytest.fixture(scope="module")
def answers(golden, index, predictors):
    """One prediction for each run, made from the container of all messages."""
    return {
        (folder, model): classify(predictors[model], part_of(golden / f"{folder}.avro"))[0]
        for folder, model in RUNS
    }


def lines(golden, name):
    path = golden / "expected_step" / name
    return [json.loads(line) for line in path.read_text().splitlines()]


def is_reference(answer, row, command):
    """Whether a row has, bit for bit, the probabilities of a scribe command."""
    expected = [command["data"][name] for name in answer.bundle.taxonomy.classes]
    return answer.leaf_probability[row].tolist() == expected


@pytest.mark.parametrize(("folder", "model"), RUNS)
def test_one_message_a_file_is_the_same_as_all_in_one(
    golden, index, answers, predictors, folder, model
):
    part = part_of(*[golden / message["file"] for message in index[folder]])
    assert part.columns == part_of(golden / f"{folder}.avro").columns
    whole = answers[folder, model]
    done = 0
    for answer in classify(predictors[model], part, size=5):
        rows = slice(done, done + len(answer.batch))
        assert np.array_equal(answer.conditional, whole.conditional[rows], equal_nan=True)
        assert answer.batch.object_id.equals(whole.batch.object_id[rows])
        assert repr(answer.batch.features.to_pylist()) == repr(  # NaN too
            whole.batch.features[rows].to_pylist()
        )
        assert answer.batch.context.equals(whole.batch.context[rows])
        assert {row + done: problem for row, problem in answer.problems.items()} == {
            row: problem
            for row, problem in whole.problems.items()
            if row in range(len(whole.batch))[rows]
        }
        done += len(answer.batch)
    assert done == len(whole.batch)


@pytest.mark.parametrize(("folder", "model"), RUNS)
def test_every_message_has_its_status(index, answers, folder, model):
    answer = answers[folder, model]
    assert answer.batch.object_id.to_pylist() == [message["oid"] for message in index[folder]]
    expected = [PROBLEMS.get(message["case"], Status.OK) for message in index[folder]]
    assert answer.status.tolist() == expected
    answered = ~np.isnan(answer.leaf_probability).any(axis=1)
    assert answered.tolist() == [status == Status.OK for status in expected]


@pytest.mark.parametrize(("folder", "model"), LINES)
def test_probabilities_are_the_references(golden, index, answers, folder, model):
    answer, compared, different = answers[folder, model], 0, set()
    rows = {message["file"]: row for row, message in enumerate(index[folder])}
    for name in LINES[folder, model]:
        for line in lines(golden, f"{name}.jsonl"):
            for command in line["scribe"]:
                if command["criteria"]["_id"] == line["oid"] and line["file"] in rows:
                    compared += 1
                    if not is_reference(answer, rows[line["file"]], command):
                        different.add(line["case"])
    cases = {message["case"] for message in index[folder]}
    expected = cases & set(DIFFERENCES) if model == "barney" else set()
    assert different == expected
    assert (
        compared
        == {
            ("messages_ztf", ZTF): 44,
            ("messages_ztf_map", ZTF): 6,
            ("messages_ztf_errors", ZTF): 2,
            ("messages_elasticc", "toretto"): 65,
            ("messages_elasticc", "barney"): 62,
            ("messages_elasticc_errors", "toretto"): 18,
            ("messages_elasticc_errors", "barney"): 15,
        }[folder, model]
    )


@pytest.mark.parametrize("batch", BATCHES)
def test_a_batch_is_answered_as_the_reference_does_it(golden, index, answers, batch):
    """But that each of two messages with one id is answered: there only the last one is."""
    folder, model, n_commands = BATCHES[batch]
    answer, different = answers[folder, model], set()
    last = {message["oid"]: row for row, message in enumerate(index[folder])}
    commands = lines(golden, f"{batch}/scribe.jsonl")
    for command in commands:
        row = last[command["criteria"]["_id"]]
        if not is_reference(answer, row, command):
            different.add(index[folder][row]["case"])
    expected = {*DIFFERENCES, *IN_A_BATCH} - {"features_null_alone"}
    assert different == (expected if model == "barney" else set())
    assert len(commands) == n_commands


@pytest.mark.parametrize("model", ["toretto", "barney"])
@pytest.mark.parametrize("folder", ["messages_elasticc", "messages_elasticc_errors"])
def test_context_is_the_references_but_exact(golden, index, answers, folder, model):
    rows = {message["file"]: row for row, message in enumerate(index[folder])}
    context, compared, rounded = answers[folder, model].batch.context.to_pylist(), 0, 0
    with (golden / f"{folder}.avro").open("rb") as file:
        candids = {
            message["file"]: [d["candid"] for d in record["detections"] if d["has_stamp"]]
            for message, record in zip(index[folder], fastavro.reader(file), strict=True)
        }
    for name in LINES[folder, model]:
        for line in lines(golden, f"{name}.jsonl"):
            if line["file"] not in rows or not line["records"] or "single" not in name:
                continue
            [record], mine = line["records"], context[rows[line["file"]]]
            compared += 1
            assert mine["alertId"] == record["alertId"]
            assert mine["elasticcPublishTimestamp"] == record["elasticcPublishTimestamp"]
            # The reference has seconds where the schema says milliseconds.
            assert mine["brokerIngestTimestamp"] == record["brokerIngestTimestamp"] * 1000
            if mine["diaSourceId"] != record["diaSourceId"]:  # that is not the id any more
                assert int(np.float32(record["diaSourceId"])) == record["diaSourceId"]
                assert str(mine["diaSourceId"]) in candids[line["file"]]
                rounded += 1
    assert (compared, rounded) == {
        ("messages_elasticc", "toretto"): (60, 50),
        ("messages_elasticc", "barney"): (55, 45),
        ("messages_elasticc_errors", "toretto"): (3, 0),
        ("messages_elasticc_errors", "barney"): (1, 0),
    }[folder, model]


def test_awkward_messages_have_a_context_of_nulls(index, answers):
    batch = answers["messages_elasticc_errors", "toretto"].batch
    context = {
        message["case"]: row
        for message, row in zip(
            index["messages_elasticc_errors"], batch.context.to_pylist(), strict=True
        )
    }
    nothing = dict.fromkeys(batch.context.column_names)
    assert context["no_detections"] == nothing
    assert context["no_detection_with_stamp"] | {"lastmjd": None} == nothing
    assert context["no_publish_timestamp"]["elasticcPublishTimestamp"] is None
    assert context["ingest_timestamp_null"]["brokerIngestTimestamp"] is None
    assert context["candid_not_an_integer"]["alertId"] is None
    ids = context["ingest_timestamp_null"]
    assert (ids["alertId"], ids["elasticcPublishTimestamp"]) == (65974492755047227, 1690352222208)


def test_the_last_date_leaves_out_what_was_not_measured(golden, index, answers):
    context = answers["messages_ztf", ZTF].batch.context.to_pylist()
    found = {
        m["case"]: row["lastmjd"] for m, row in zip(index["messages_ztf"], context, strict=True)
    }
    assert found["no_detections"] is None
    assert found["all_detections_invalid"] is None
    with (golden / "messages_ztf.avro").open("rb") as file:
        messages = list(fastavro.reader(file))
    for message, row in zip(messages, context, strict=True):
        valid = [
            detection["mjd"]
            for detection in message["detections"]
            if not np.isclose([detection["mag"], detection["e_mag"]], 100).any()
        ]
        assert row["lastmjd"] == max(valid, default=None)


def test_the_newest_names_lack_features_of_the_old_forest(golden, predictors):
    """As for the reference; but an error says which, instead of no answers."""
    part = part_of(golden / "messages_ztf_newnames.avro")
    with pytest.raises(InputError, match="needs 178 features and the input gives 137; missing: "):
        classify(predictors[ZTF], part)
    [batch] = part.batches("oid", ["Period_band_1", "Power_rate_1/2"], 10)
    assert len(batch) == 3


def test_hostile_messages_run_nothing_and_cost_only_themselves(
    golden, predictors, answers, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cases = json.loads((golden / "malicious" / "EXPECTED.json").read_text())
    paths = [golden / case["path"] for case in cases if case["load_as"] == "message_elasticc"]
    assert len(paths) == 4
    with (golden / "messages_elasticc" / "0000.avro").open("rb") as file:
        reader = fastavro.reader(file)
        good, schema = next(reader), reader.writer_schema
    messages = [good]
    for path in paths:
        with path.open("rb") as file:
            messages += [*fastavro.reader(file), good]
    with open("mixed.avro", "wb") as file:
        fastavro.writer(file, schema, messages)
    for part in (part_of("mixed.avro"), part_of(golden / "messages_elasticc/0000.avro", *paths)):
        [answer] = classify(predictors["barney"], part)
        hostile = {1, 3, 5, 7} if len(answer.batch) == 9 else {1, 2, 3, 4}
        assert set(answer.problems) == hostile
        assert {p.status for p in answer.problems.values()} == {Status.INVALID_RECORD}
        expected = answers["messages_elasticc", "barney"].conditional[0]
        for row in set(range(len(answer.batch))) - hostile:
            assert answer.conditional[row].tolist() == expected.tolist()
    assert [path.name for path in Path().iterdir()] == ["mixed.avro"]
