"""Records and commands against the reference step's own, exactly, and its bytes.

The reference's messages are read here, and answered by the reference's models; what the records
should be is in ``expected_step``. Where ours differ on purpose, DIFFERENCES says so, and a test
shows each difference.
"""

import base64
import csv
import io
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import fastavro
import pyarrow as pa
import pytest

from lcclassify.batch import Batch
from lcclassify.convert import convert
from lcclassify.legacy.pickles import read_pickle
from lcclassify.predictors import load_predictor
from lcclassify.schemas import open_output
from lcclassify.schemas.avro import OutputOptions, read_avsc
from lcclassify.sinks.records import records
from lcclassify.status import Problem, Status

DIFFERENCES = {  # what the reference does, what we do instead; tests name them as they meet them
    "one bad message fails all": "a record that lacks what its schema demands is left out alone, "
    "and counted; a null brokerIngestTimestamp is written as the schema allows",
    "the last alert for all": "both records of a repeated object carry the last message's ids and "
    "answer, and one command is sent; each row has its own",
    "an answer from nothing": "Barney answers for an object without features if others are in the "
    "batch, and refuses it alone; it is NotClassified, always",
    "no scores of the tree": "Toretto's and Barney's scores are without their class tree; it is "
    "written for every model that has one",
    "raises on a flat model": "asked for the class tree of a flat model; there is none to write",
    "infinity beyond float32": "of finite features; they are null",
    "booleans among numbers": "features are all numbers here: a boolean is a float of equal value",
    "another order of classes": "when no object of a batch is answered; it is always the same",
}
ZTF, TORETTO = ("messages_ztf", "ztf_hrf_1.1"), ("messages_elasticc", "toretto")
BARNEY, MAP = ("messages_elasticc", "barney"), ("messages_ztf_map", "ztf_hrf_1.1")
with Path(__file__).with_name("step_runs.csv").open(encoding="utf-8", newline="") as file:
    RUNS = {row["run"]: row for row in csv.DictReader(file)}
BYTES = ["ztf_batch", "ztf_batch_min_detections", "ztf_map_batch", "toretto_batch", "barney_batch"]
SINGLES = {  # messages, model; schema; how many the reference answers
    "ztf_single": (*ZTF, "alerce-map", 44),
    "ztf_map_single": (*MAP, "alerce-map", 6),
    "toretto_single": (*TORETTO, "elasticc-v0_9_1", 60),
    "barney_single": (*BARNEY, "elasticc-v0_9_1", 55),
    "toretto_errors_single": (*TORETTO, "elasticc-v0_9_1", 3),
    "barney_errors_single": (*BARNEY, "elasticc-v0_9_1", 1),
}
CONTEXT = ("alertId", "diaSourceId", "elasticcPublishTimestamp", "brokerIngestTimestamp")
ABOUT = {"classifier_name": "x", "classifier_version": "1"}
OUTPUT, SCRIBE = "avro_output.jsonl", "avro_scribe.jsonl"


@pytest.fixture(scope="module")
def step(golden):
    return golden / "expected_step"


@pytest.fixture(scope="module")
def predictors(golden, tmp_path_factory):
    """Loads a golden model once."""
    folder, loaded = tmp_path_factory.mktemp("models"), {}

    def load(name):
        if name not in loaded:
            loaded[name] = load_predictor(
                convert(golden / name, folder / name), reference_nulls=True
            )
        return loaded[name]

    return load


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_messages(files):
    return [next(fastavro.reader(io.BytesIO(file.read_bytes()))) for file in files]


def valid(detection):
    return not any(abs(detection[name] - 100) <= 1e-8 + 1e-3 for name in ("mag", "e_mag"))


def header(message):
    """The diaObject of the earliest valid detection that has one."""
    detections = sorted(filter(valid, message["detections"]), key=lambda d: d["mjd"])
    found = [d["extra_fields"].get("diaObject") for d in detections]
    return next((read_pickle(data, {})[0] for data in found if data), {})


def reference_detection(message):
    """The detection that is answered: a new one with a stamp, else the last with a stamp."""
    stamped = [d for d in message["detections"] if d["has_stamp"]]
    new = [d for d in stamped if d["new"]]
    return new[0] if new else max(stamped, key=lambda d: d["mjd"])


def alert(message):
    """Context as the reference reads it, which rounds some ids; reading ids is not tested here."""
    detection = reference_detection(message)
    extra = detection["extra_fields"]
    ids = [extra.get(name) or detection["candid"] for name in ("alertId", "diaSourceId")]
    times = [extra.get("surveyPublishTimestamp"), extra.get("brokerIngestTimestamp")]
    values = [None if value is None else int(value) for value in (*ids, *times)]
    return dict(zip(CONTEXT, values, strict=True))


def as_batch(messages, model, min_detections):
    rows, problems = [], {}
    for number, message in enumerate(messages):
        rows.append(dict(message["features"] or {}))
        if model == "barney":
            rows[-1] |= header(message)
        if message["features"] is None:
            problems[number] = Problem(Status.MISSING_FEATURES, "no features")
        if sum(not d["forced"] for d in message["detections"]) < min_detections:
            problems[number] = Problem(Status.TOO_FEW_OBSERVATIONS, "too few detections")
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    floats = {
        name: [None if value is None else float(value) for value in column]
        for name, column in columns.items()
    }
    elasticc = model in ("toretto", "barney")
    return Batch(
        object_id=pa.array([message["oid"] for message in messages]),
        id_name="oid",
        features=pa.table(
            {name: pa.array(column, pa.float64()) for name, column in floats.items()}
        ),
        problems=problems,
        context=pa.Table.from_pylist(list(map(alert, messages))) if elasticc else pa.table({}),
    )


def predict(predictors, messages, model, min_detections=0):
    predictor = predictors(model)
    if not messages[0]["features"] and len(messages) == 1:  # nothing to find columns by
        messages = [messages[0] | {"features": {f.name: None for f in predictor.bundle.features}}]
    return predictor.predict(as_batch(messages, model, min_detections))


def write(schema, prediction, run):
    """What we write: records or commands."""
    names = (run["classifier_name"], run["classifier_version"])
    return records(open_output(schema, OutputOptions(prediction.bundle, *names))(prediction))


def encoded(schema, rows):
    parsed = fastavro.parse_schema(read_avsc(schema))
    for row in rows:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, parsed, row)
        yield buffer.getvalue()


def decoded(schema, data):
    return fastavro.schemaless_reader(
        io.BytesIO(data), fastavro.parse_schema(read_avsc(schema)), None
    )


def differs(run, data):
    command = json.loads(decoded("scribe", data)["payload"])
    return command["criteria"]["_id"] in run.differs


@pytest.fixture(params=RUNS)
def run(request, golden, step, predictors):
    """One run of the reference, and our predictions for its messages."""
    _, folder, model, output, commands, fewest = RUNS[request.param].values()
    about = json.loads((step / request.param / "run.json").read_text())
    assert all(file.startswith(f"{folder}/") for file in about["inputs"])
    messages = read_messages([golden / file for file in about["inputs"]])
    return SimpleNamespace(
        about=about,
        folder=step / request.param,
        prediction=predict(predictors, messages, model, int(fewest)),
        output=output,
        commands=commands,
        differs=set() if model != "barney" else repeated(messages) | featureless(messages),
    )


def repeated(messages):
    counts = Counter(message["oid"] for message in messages)
    return {oid for oid, count in counts.items() if count > 1}


def featureless(messages):
    return {message["oid"] for message in messages if message["features"] is None}


def last_rows(run):
    """Rows that the reference answers as we do: an object's last, and none that differ."""
    ids = run.prediction.batch.object_id.to_pylist()
    last = {oid: row for row, oid in enumerate(ids) if oid not in run.differs}
    return sorted(last.values())


def records_of_last_rows(run):
    """Ours, and where the reference has them: position -> record."""
    ours = write(run.output, run.prediction, run.about)
    expected = lines(run.folder / "records.jsonl")
    if run.output == "alerce-map":
        where = {record["oid"]: number for number, record in enumerate(expected)}
        assert {record["oid"] for record in ours} == where.keys()
        return {where[record["oid"]]: record for record in ours}, expected
    assert len(ours) == len(expected)
    return {row: ours[row] for row in last_rows(run)}, expected


def commands_of_last_rows(run):
    """Ours and the reference's, as text."""
    texts = [record["payload"] for record in write(run.commands, run.prediction, run.about)]
    answered = [row for row in range(len(run.prediction.batch)) if run.prediction.answered[row]]
    rows = answered * (len(texts) // max(len(answered), 1))
    keep = set(last_rows(run))
    ours = [text for row, text in zip(rows, texts, strict=True) if row in keep]
    lines = (run.folder / "scribe.jsonl").read_text().splitlines()
    return ours, [line for line in lines if json.loads(line)["criteria"]["_id"] not in run.differs]


def by_class(record):
    """A record with its classifications in no order."""
    pairs = {item["classId"]: item["probability"] for item in record["classifications"]}
    return record | {"classifications": pairs}


def test_records_are_the_references(run):
    ours, expected = records_of_last_rows(run)
    assert len(ours) >= len(expected) - 6
    for number, record in ours.items():
        if not run.prediction.answered.any():  # another order of classes
            assert record != expected[number]
            assert by_class(record) == by_class(expected[number])
        else:
            assert record == expected[number]


def test_commands_are_the_references_to_the_letter(run):
    ours, expected = commands_of_last_rows(run)
    if run.folder.name == "toretto_batch_score":  # no scores of the tree
        assert len(ours) == 5 * len(expected) == 5 * 58
        ours = ours[:58]
    assert ours == expected


@pytest.mark.parametrize("run", BYTES, indirect=True)
def test_bytes_are_the_references(run):
    ours, _ = records_of_last_rows(run)
    expected = [base64.b64decode(m["schemaless_b64"]) for m in lines(run.folder / OUTPUT)]
    for number, data in zip(ours, encoded(run.output, ours.values()), strict=True):
        if ours[number].get("oid") == "ZTF18ahisgku":  # booleans among numbers
            assert decoded(run.output, data) == decoded(run.output, expected[number])
        else:
            assert data == expected[number]
    commands, _ = commands_of_last_rows(run)
    expected = [base64.b64decode(m["schemaless_b64"]) for m in lines(run.folder / SCRIBE)]
    ours = list(encoded("scribe", [{"payload": text} for text in commands]))
    assert [data for data in expected if not differs(run, data)] == ours


@pytest.mark.parametrize("name", SINGLES)
def test_each_message_alone(golden, step, predictors, name):
    """Here the repeated objects have their own answers, as ours have in any company."""
    _, model, output, count = SINGLES[name]
    n_answered = 0
    for case in lines(step / f"{name}.jsonl"):
        if not case["records"]:  # the reference raises, or refuses for the sake of detections
            continue
        [message] = read_messages([golden / case["file"]])
        prediction = predict(predictors, [message], model)
        names = ("classifier_name", "classifier_version")
        about = {name: case["scribe"][0]["data"][name] for name in names}
        assert write(output, prediction, about) == case["records"]
        commands = [json.loads(row["payload"]) for row in write("scribe", prediction, about)]
        assert commands == case["scribe"]
        n_answered += 1
    assert n_answered == count


def test_a_repeated_object_has_the_answer_of_each_alert(golden, step, predictors):
    messages = read_messages(sorted((golden / "messages_elasticc").iterdir()))
    prediction = predict(predictors, messages, "toretto")
    ours = write("elasticc-v0_9_1", prediction, ABOUT)
    expected = lines(step / "toretto_batch" / "records.jsonl")
    for first, last in ((22, 53), (26, 39)):
        assert messages[first]["oid"] == messages[last]["oid"]
        assert expected[first] == expected[last]
        assert ours[first]["alertId"] == int(reference_detection(messages[first])["candid"])
        assert ours[first]["alertId"] != ours[last]["alertId"] == expected[last]["alertId"]


def test_an_object_without_features_is_not_classified_in_company_either(golden, step, predictors):
    messages = read_messages(sorted((golden / "messages_elasticc").iterdir()))
    ours = write("elasticc-v0_9_1", predict(predictors, messages, "barney"), ABOUT)
    expected = lines(step / "barney_batch" / "records.jsonl")
    for row in (3, 58):
        assert messages[row]["features"] is None
        assert by_class(expected[row])["classifications"][300] == 0
        probability = by_class(ours[row])["classifications"]
        assert probability[300] == 1 == sum(probability.values())


def test_one_bad_message_costs_one_record(golden, predictors):
    files = ["messages_elasticc/0000.avro"]
    files += [f"messages_elasticc_errors/000{n}.avro" for n in (1, 2)]
    messages = read_messages([golden / file for file in files])
    detections = [reference_detection(message)["extra_fields"] for message in messages]
    names = ("surveyPublishTimestamp", "brokerIngestTimestamp")
    missing = tuple(d.get(name) for d, name in zip(detections[1:], names, strict=True))
    assert missing == (None, None)
    prediction = predict(predictors, messages, "toretto")
    output = open_output("elasticc-v0_9_1", OutputOptions(prediction.bundle))
    ours = records(output(prediction))
    assert [record["brokerIngestTimestamp"] is None for record in ours] == [False, True]
    assert output.left_out == {"no elasticcPublishTimestamp": 1}


def test_a_feature_beyond_float32_is_null(golden, step, predictors):
    [case, *_] = lines(step / "ztf_errors_single.jsonl")
    [message] = read_messages([golden / case["file"]])
    [ours] = write("alerce-map", predict(predictors, [message], "ztf_hrf_1.1"), ABOUT)
    [expected] = case["records"]
    beyond = [name for name, value in expected["features"].items() if value == 1e300]
    assert beyond
    assert ours["features"] == expected["features"] | dict.fromkeys(beyond)
    assert ours["lc_classification"] == expected["lc_classification"]
    [ours] = write("alerce", predict(predictors, [message], "ztf_hrf_1.1"), ABOUT)
    assert [ours["features"][name] for name in beyond] == [1e300] * len(beyond)  # doubles there
