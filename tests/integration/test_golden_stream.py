"""The stream's step against the reference step's own runs, byte for byte, and against files.

Messages go in as bytes and come out as bytes. Where ours differ on purpose, DIFFERENCES says so
beside what ``test_golden_outputs`` names, and tests show each difference.
"""

import base64
import csv
import importlib.util
import io
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fastavro
import pyarrow as pa
import pytest

from lcclassify.convert import convert
from lcclassify.features import match_features
from lcclassify.predictors import load_predictor
from lcclassify.schemas.avro import read_avsc
from lcclassify.sources.avro import AvroPart
from lcclassify.sources.file import FileSet, FileSource
from lcclassify.sources.places import find_places
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, Input, Model, Settings, Side
from lcclassify.stream.step import open_step
from lcclassify.stream.topics import OneTopic
from lcclassify.task import Output

DIFFERENCES = {  # what the reference does, what we do instead
    "keys of the others": "a feature that a message lacks is null where another message of the "
    "batch has it, and the object answered; each message is judged alone, as the reference judges "
    "one that is alone, and its map holds what it came with",
    "rounded ids and seconds": "ids come through float32, and the time of ingestion is in seconds; "
    "ids are exact, from candid where they were rounded, and times are in ms",
    "a header that nobody needs": "a broken pickle fails the batch; Toretto does not look at it",
    "a flux of 100": "Barney does not see the header of such a detection; 100 is no mark of fluxes",
}
FLUX_OF_100 = ("earliest_detection_invalid", "all_detections_invalid")
with Path(__file__).with_name("step_runs.csv").open(encoding="utf-8", newline="") as file:
    RUNS = {row["run"]: row for row in csv.DictReader(file)}
BYTES = ["ztf_batch", "ztf_batch_min_detections", "ztf_map_batch", "toretto_batch", "barney_batch"]
SINGLES = {  # messages alone: messages and model; how many the reference answers, and we do
    "ztf_single": ("messages_ztf", "ztf_hrf_1.1", 44),
    "ztf_map_single": ("messages_ztf_map", "ztf_hrf_1.1", 6),
    "toretto_single": ("messages_elasticc", "toretto", 60),
    "barney_single": ("messages_elasticc", "barney", 55),
    "toretto_errors_single": ("messages_elasticc_errors", "toretto", 3),
    "barney_errors_single": ("messages_elasticc_errors", "barney", 1),
}
CONTEXT = ("alertId", "diaSourceId", "elasticcPublishTimestamp", "brokerIngestTimestamp")
MARK = 16
CLIENT = Client("none:1")
RECEIVED = datetime(2023, 11, 14, 12, 0, 0, 250000, UTC)
SENT = datetime(2023, 11, 14, 12, 0, 1, 625000, UTC)


@pytest.fixture(scope="module")
def models(golden, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    names = ("ztf_hrf_1.1", "toretto", "barney")
    return {name: convert(golden / name, folder / name).path for name in names}


def settings(model, output, *, scribe="scribe", encoding="avro", input_=None, **of_model):
    return Settings(
        input=input_ or Input(CLIENT, "g", ("in",)),
        model=Model(str(model), **of_model),
        output=output,
        results=CLIENT,
        topics=OneTopic("out"),
        encoding=encoding,
        scribe=Side(CLIENT, "commands"),
        scribe_form=scribe,
        metrics=Side(CLIENT, "metrics"),
        metrics_source="LateClassifier",
    )


def messages_of(files):
    return [Message("in", 0, n, file.read_bytes()) for n, file in enumerate(files)]


def sent(work, channel):
    return [message for message in work.outgoing if message.channel == channel]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def without_mark(data):
    return data[:-MARK].replace(data[-MARK:], b"")


def encoded(schema, record):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(read_avsc(schema)), record)
    return buffer.getvalue()


def record_of(data):
    [record] = fastavro.reader(io.BytesIO(data))
    return record


def by_class(record):
    pairs = {item["classId"]: item["probability"] for item in record["classifications"]}
    return record | {"classifications": pairs}


@pytest.fixture(params=RUNS)
def run(request, golden, models):
    """A run of the reference, its messages, and all that our step makes of them."""
    return Run(golden, models, **RUNS[request.param])


class Run:
    def __init__(self, golden, models, run, messages, model, records, commands, min_detections):
        self.folder, self.model, self.schema = golden / "expected_step" / run, model, records
        self.about = about = json.loads((self.folder / "run.json").read_text())
        names = about["classifier_name"], about["classifier_version"]
        output = Output(schema=records, classifier_name=names[0], classifier_version=names[1])
        told = settings(models[model], output, scribe=commands, min_detections=int(min_detections))
        moments = iter([RECEIVED, SENT])
        step = open_step(told, clock=lambda: next(moments))
        self.messages = messages_of([golden / file for file in about["inputs"]])
        self.ids = [record_of(message.value)["oid"] for message in self.messages]
        self.answers_differ = set()
        if model == "barney":  # the last alert for all; an answer from nothing; a flux of 100
            index = json.loads((golden / "messages_index.json").read_text())[messages]
            cases = {message["file"]: message["case"] for message in index}
            self.answers_differ = self.repeated | {
                oid
                for oid, file in zip(self.ids, about["inputs"], strict=True)
                if cases[file] in ("features_null", *FLUX_OF_100)
            }
        self.work = step(self.messages)
        self.expected = lines(self.folder / "records.jsonl")
        self.commands = (self.folder / "scribe.jsonl").read_text().splitlines()

    @property
    def repeated(self):
        return {oid for oid in self.ids if self.ids.count(oid) > 1}


def last_of_each(messages):
    return {message.key.decode(): message.value for message in messages}


def test_records_are_the_references(run):
    results = sent(run.work, "results")
    answered = run.work.statuses.get("ok", 0)
    assert {message.topic for message in results} <= {"out"}
    assert run.work.n_answered + run.work.n_skipped == len(run.messages)
    assert len(run.work.letters) == len(run.work.misfits)
    if run.schema == "alerce-map":
        check_alerce(run, results)
        assert len(results) == answered
    else:
        assert [message.key.decode() for message in results] == run.ids
        check_elasticc(run, results)


def check_alerce(run, results):
    ours, compared = last_of_each(results), 0
    for expected in run.expected:
        if expected["oid"] not in ours:
            assert run.folder.name == "ztf_map_batch"  # keys of the others
            continue
        record = record_of(ours[expected["oid"]])
        mine, theirs = record["features"], expected["features"]
        if run.folder.name == "ztf_map_batch":  # keys of the others; booleans among numbers
            assert all(theirs[name] is None for name in theirs.keys() - mine.keys())
            assert {name: theirs[name] for name in mine} == mine
            expected["features"] = mine
        data = encoded(run.schema, expected)
        assert without_mark(ours[expected["oid"]]).endswith(data)
        compared += 1
    n_refused = 2 if run.folder.name == "ztf_map_batch" else 0
    assert compared == len(run.expected) - n_refused
    assert len(ours) == compared


def check_elasticc(run, results):
    assert len(results) == len(run.expected)
    for oid, message, expected in zip(run.ids, results, run.expected, strict=True):
        ours = record_of(message.value)
        record = expected | {name: ours[name] for name in CONTEXT}
        if "ok" not in run.work.statuses:  # another order of classes
            assert by_class(ours) == by_class(record_of(container(run.schema, record)))
        elif not without_mark(message.value).endswith(encoded(run.schema, record)):
            assert oid in run.answers_differ | run.repeated  # the last alert for all
        if oid not in run.repeated:
            check_context(ours, expected)


def container(schema, record):
    buffer = io.BytesIO()
    fastavro.writer(buffer, read_avsc(schema), [record])
    return buffer.getvalue()


def check_context(ours, expected):
    """Rounded ids and seconds; the rest is the reference's."""
    for name in ("alertId", "diaSourceId"):
        single = struct.unpack("f", struct.pack("f", ours[name]))[0]
        assert expected[name] in (ours[name], int(single)) or name == "diaSourceId"
    assert ours["elasticcPublishTimestamp"] == record_time(expected["elasticcPublishTimestamp"])
    assert ours["brokerIngestTimestamp"] == record_time(expected["brokerIngestTimestamp"] * 1000)


def record_time(ms):
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_commands_are_the_references(run):
    commands = sent(run.work, "scribe")
    assert {message.topic for message in commands} <= {"commands"}
    ours = [(message.key.decode(), record_of(message.value)["payload"]) for message in commands]
    for key, payload in ours:
        assert json.loads(payload)["criteria"]["_id"] == key
    n_heads = len(ours) // run.work.statuses.get("ok", 1)
    per_head = len(ours) // max(n_heads, 1)
    last = [dict(ours[n * per_head : (n + 1) * per_head]) for n in range(n_heads)]
    if run.folder.name == "toretto_batch_score":  # no scores of the tree
        last = last[:1]
    differ = run.answers_differ
    if run.folder.name == "ztf_map_batch":  # keys of the others
        differ = {json.loads(c)["criteria"]["_id"] for c in run.commands} - last[0].keys()
        assert len(differ) == 2
    expected = [c for c in run.commands if json.loads(c)["criteria"]["_id"] not in differ]
    found = [payload for head in last for oid, payload in head.items() if oid not in differ]
    assert sorted(found) == sorted(expected)


def test_metrics_are_the_references_to_the_letter(run):
    [metrics] = sent(run.work, "metrics")
    assert metrics.value == (run.folder / "metrics.json").read_bytes()


@pytest.mark.parametrize("name", BYTES)
def test_containers_are_the_references(name, golden, models):
    run = Run(golden, models, **RUNS[name])
    for channel, file in (("results", "avro_output.jsonl"), ("scribe", "avro_scribe.jsonl")):
        expected = {
            without_mark(base64.b64decode(line["container_b64"]))
            for line in lines(run.folder / file)
        }
        ours = {without_mark(message.value) for message in sent(run.work, channel)}
        if channel == "scribe" and run.model != "barney":
            assert len(expected - ours) <= 2
        elif name.startswith("ztf_batch"):
            assert expected <= ours
        headers = {data[: data.index(b"\x00", 40)] for data in expected}
        assert headers == {data[: data.index(b"\x00", 40)] for data in ours}


@pytest.mark.parametrize("name", SINGLES)
def test_each_message_alone_is_answered_as_by_the_reference(golden, models, name):
    folder, model, count = SINGLES[name]
    schema = "alerce-map" if model.startswith("ztf") else "elasticc-v0_9_1"
    steps, n_answered, n_differ = {}, 0, 0
    for case in lines(golden / "expected_step" / f"{name}.jsonl"):
        assert case["file"].startswith(folder)
        if not case["records"]:  # the reference raises, or refuses for the sake of detections
            continue
        about = case["scribe"][0]["data"]
        names = about["classifier_name"], about["classifier_version"]
        if names not in steps:
            output = Output(schema=schema, classifier_name=names[0], classifier_version=names[1])
            steps[names] = open_step(settings(models[model], output))
        work = steps[names](messages_of([golden / case["file"]]))
        [result], [command] = sent(work, "results"), sent(work, "scribe")
        n_answered += 1
        if model == "barney" and case["case"] in FLUX_OF_100:
            assert json.loads(record_of(command.value)["payload"]) != case["scribe"][0]
            n_differ += 1
            continue
        assert [json.loads(record_of(command.value)["payload"])] == case["scribe"]
        ours = record_of(result.value)
        [expected] = case["records"]
        if schema == "alerce-map":
            assert ours == record_of(container(schema, expected))
        else:
            expected |= {name: ours[name] for name in CONTEXT}
            assert without_mark(result.value).endswith(encoded(schema, expected))
    assert n_answered == count
    assert n_differ == (2 if name == "barney_single" else 0)


def test_the_plain_step_of_the_benchmark_gives_the_same(golden, models):
    """What the stream's speed is compared with does what the reference does."""
    path = Path(__file__).parents[2] / "benchmarks" / "plain_step.py"
    spec = importlib.util.spec_from_file_location("plain_step", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("ztf_batch", "ztf_batch_min_detections"):
        folder = golden / "expected_step" / name
        about = json.loads((folder / "run.json").read_text())
        step = module.PlainStep(
            load_predictor(models["ztf_hrf_1.1"], reference_nulls=True),
            schema="alerce-map",
            name=about["classifier_name"],
            version=about["classifier_version"],
            min_detections=int(about["min_detections"]) if about["min_detections"] else None,
        )
        found = step([(golden / file).read_bytes() for file in about["inputs"]])
        for ours, file in zip(found, ("avro_output.jsonl", "avro_scribe.jsonl"), strict=True):
            expected = [base64.b64decode(line["container_b64"]) for line in lines(folder / file)]
            assert sorted(map(without_mark, ours)) == sorted(map(without_mark, expected))


STATUSES = {  # case -> status, of the messages that are not simply answered; None: no record
    "features_null": "missing_features",
    "features_null_alone": "missing_features",
    "features_empty_map": "missing_features",
    "features_lack_40_names": "missing_features",
    "map_empty": "missing_features",
    "map_with_missing_keys": "missing_features",
    "209 newest names": "missing_features",  # 137 of them are among the model's 178
    "double_feature_minus_1e39_overflows_float32": "invalid_features",
    "truncated_pickle_in_diaObject": "invalid_record",
    "pickled_dict_instead_of_list": "invalid_record",
}
NOT_LOOKED_AT = ("truncated_pickle_in_diaObject", "pickled_dict_instead_of_list")
FOLDERS = [
    ("messages_ztf", "ztf_hrf_1.1"),
    ("messages_ztf_map", "ztf_hrf_1.1"),
    ("messages_ztf_tid_upper", "ztf_hrf_1.1"),
    ("messages_ztf_newnames", "ztf_hrf_1.1"),
    ("messages_ztf_errors", "ztf_hrf_1.1"),
    ("messages_elasticc", "toretto"),
    ("messages_elasticc_errors", "toretto"),
    ("messages_elasticc", "barney"),
    ("messages_elasticc_errors", "barney"),
]


@pytest.mark.parametrize(("folder", "model"), FOLDERS)
def test_every_message_has_its_status_and_the_answer_that_files_give(golden, models, folder, model):
    index = json.loads((golden / "messages_index.json").read_text())[folder]
    told = replace(settings(models[model], Output()), to="-", scribe=None)
    told = replace(told, model=replace(told.model, reference_nulls=True))
    table = open_step(told)(messages_of([golden / message["file"] for message in index])).table
    assert table["oid"].to_pylist() == [message["oid"] for message in index]
    expected = [STATUSES.get(message["case"], "ok") for message in index]
    if model == "toretto":  # a header that nobody needs
        expected = [
            "ok" if message["case"] in NOT_LOOKED_AT else status
            for message, status in zip(index, expected, strict=True)
        ]
    assert table["status"].to_pylist() == expected

    part = AvroPart(*find_places(str(golden / f"{folder}.avro"), {".avro"}))
    predictor = load_predictor(models[model], min_coverage=0, reference_nulls=True)
    names = match_features(predictor.bundle.features, tuple(part.columns)).used
    [batch] = FileSource(FileSet((part,), "oid"), names)
    in_files = Output().open(predictor.bundle)(predictor.predict(batch))
    both = [
        row
        for row, (one, other) in enumerate(
            zip(expected, in_files["status"].to_pylist(), strict=True)
        )
        if one == other == "ok"
    ]
    assert len(both) >= expected.count("ok") - len(NOT_LOOKED_AT)
    ours = table.drop_columns(["topic", "partition", "offset"]).take(pa.array(both, pa.int64()))
    assert ours.equals(in_files.take(pa.array(both, pa.int64())))


@pytest.mark.parametrize("model", ["toretto", "barney"])
def test_hostile_messages_run_nothing_and_cost_only_themselves(
    golden, models, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cases = json.loads((golden / "malicious" / "EXPECTED.json").read_text())
    paths = [golden / case["path"] for case in cases if case["load_as"] == "message_elasticc"]
    assert len(paths) == 4
    good = golden / "messages_elasticc" / "0000.avro"
    step = open_step(settings(models[model], Output(schema="elasticc-v0_9_1")))
    [alone] = sent(step(messages_of([good])), "results")
    work = step(messages_of([good, *paths, good]))
    first, *hostile, last = sent(work, "results")
    assert first == last == alone
    refused = len(paths) if model == "barney" else 0
    assert work.statuses.get("invalid_record", 0) == refused
    for message in hostile[:refused]:
        assert by_class(record_of(message.value))["classifications"][300] == 1
    assert not list(tmp_path.iterdir())


def test_batches_of_all_kinds_of_messages_are_answered_one_by_one(golden, models):
    """Records and maps, names old and new: what one message holds is nothing to the others."""
    folders = ("messages_ztf", "messages_ztf_map", "messages_ztf_newnames", "messages_ztf_errors")
    files = [file for folder in folders for file in sorted((golden / folder).iterdir())]
    step = open_step(settings(models["ztf_hrf_1.1"], Output(schema="alerce"), min_detections=1))
    messages = messages_of(files)
    together = step(messages)
    for channel in ("results", "scribe"):
        alone = [item for message in messages for item in sent(step([message]), channel)]
        assert sent(together, channel) == alone
        assert len(alone) > 40
