import io
import json
import logging
import random
from dataclasses import replace

import fastavro
import pytest
from avro_hostile import LINKS, body_of_chain, chain
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import with_schema

from lcclassify import __version__
from lcclassify.errors import InputError, ModelError, SettingsError
from lcclassify.stream.message import Message
from lcclassify.stream.settings import Client, DeadLetters, Side
from lcclassify.stream.step import open_step
from lcclassify.task import Output
from lcclassify.testing import TOY_FEATURES

LOGGER = "lcclassify.stream"
FULL = dict.fromkeys(TOY_FEATURES, 0.5)
NUMBERS = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.floats(width=32)
FEATURES = st.dictionaries(st.sampled_from([*TOY_FEATURES, "Period_fit", "else"]), NUMBERS)


@pytest.fixture(scope="module")
def step(toy, make_settings):
    return open_step(make_settings(toy, "alerce-map"))


@pytest.fixture(scope="module")
def elasticc_step(toy_elasticc, make_settings):
    return open_step(make_settings(toy_elasticc, "elasticc-v0_9"))


def decoded(data):
    [record] = fastavro.reader(io.BytesIO(data))
    return record


def sent(work, channel="results"):
    return [message for message in work.outgoing if message.channel == channel]


def by_offset(step, messages):
    """What each message leads to on its own: its records and commands without their marks."""
    return [
        [(m.channel, m.topic, m.key, m.value, m.headers) for m in step([message]).outgoing]
        for message in messages
    ]


def test_an_object_is_answered_under_its_id(step, contain, make_record, messages):
    work = step(messages([contain(make_record("ZTF1")), contain(make_record("ZTF2"))]))
    assert [(m.channel, m.topic, m.key) for m in work.outgoing] == [
        ("scribe", "commands", b"ZTF1"),
        ("scribe", "commands", b"ZTF2"),
        ("results", "out", b"ZTF1"),
        ("results", "out", b"ZTF2"),
    ]
    bundle = step.predictor.bundle
    assert {m.headers for m in work.outgoing} == {
        (
            ("model", b"toy"),
            ("version", b"1.0"),
            ("digest", bundle.digest.encode()),
            ("lcclassify", __version__.encode()),
        )
    }
    record = decoded(work.outgoing[3].value)
    assert record["oid"] == "ZTF2"
    assert record["features"] == FULL
    command = json.loads(decoded(work.outgoing[1].value)["payload"])
    assert command["criteria"] == {"_id": "ZTF2"}
    assert (work.statuses, work.n_skipped, work.table) == ({"ok": 2}, 0, None)
    assert work.spans == {("in", 0): (0, 1)}


def test_the_most_probable_class_is_told_of_each_answered_message(
    step, contain, make_record, messages
):
    values = [contain(make_record("ZTF1")), b"no container", contain(make_record("ZTF2"))]
    work = step(messages(values))
    records = [decoded(message.value) for message in sent(work)]
    best = [record["lc_classification"]["probabilities"] for record in records]
    assert work.best == {
        ("in", 0, offset): max(classes, key=classes.get)
        for offset, classes in zip((0, 2), best, strict=True)
    }
    assert sum(work.classes.values()) == 2


@pytest.mark.parametrize("kind", LINKS)
def test_types_that_name_each_other_in_a_chain_cost_their_message_alone(
    kind, step, contain, make_record, messages
):
    deep = with_schema(json.dumps(chain(kind, 1000)).encode(), body_of_chain(kind, 1000))
    good = contain(make_record("ZTF1"))
    work = step(messages([good, deep, good, deep]))
    assert [letter.message.offset for letter in work.letters] == [1, 3]
    assert {letter.reason for letter in work.letters} == {
        "the container cannot be read: its schema is too deep: it has types inside types beyond "
        "64 levels"
    }
    assert [m.key for m in sent(work)] == [b"ZTF1", b"ZTF1"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | FEATURES), max_size=6), st.randoms())
@settings(max_examples=60, deadline=None)
def test_an_answer_depends_on_its_message_alone(step, contain, make_record, messages, objects, rng):
    """Not on the others of its batch, nor on their order, nor on how often its object is there."""
    values = []
    for oid, features in objects:
        record = make_record(oid)
        record["features"] = features
        values.append(contain(record))
    alone = [sorted(part) for part in by_offset(step, messages(values))]
    together = step(messages(values))
    everything = sorted((m.channel, m.topic, m.key, m.value, m.headers) for m in together.outgoing)
    assert everything == sorted(item for part in alone for item in part)
    rng.shuffle(values)
    shuffled = step(messages(values))
    assert everything == sorted(
        (m.channel, m.topic, m.key, m.value, m.headers) for m in shuffled.outgoing
    )
    assert together.statuses == shuffled.statuses
    assert sum(together.statuses.values()) == len(objects)
    assert together.n_answered + together.n_skipped == len(objects)
    assert together.n_answered == together.statuses.get("ok", 0)


@given(st.binary(max_size=60) | st.none(), st.data())
@settings(max_examples=150, deadline=None)
def test_no_bytes_stop_the_step(elasticc_step, contain, make_record, value, data):
    good = contain(make_record("good", alertId=1, surveyPublishTimestamp=1e9, diaObject=b"x"))
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(bad) - 1) | st.integers(len(bad) - 400, len(bad) - 1))
        bad[place] = data.draw(st.integers(0, 255))
    batch = [Message("in", 0, n, v) for n, v in enumerate([good, bytes(bad), value, good])]
    logging.disable()
    try:
        work = elasticc_step(batch)
    finally:
        logging.disable(logging.NOTSET)
    assert len([m for m in sent(work) if m.key == b"good"]) >= 2
    assert len(sent(work)) + work.n_skipped == 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
KEYS = ("oid", "aid", "candid", "features", "detections", "diaObject")


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_record_is_answered_or_counted(json_step, records):
    values = [json.dumps(record).encode() for record in records]
    work = json_step([Message("in", 0, n, value) for n, value in enumerate(values)])
    assert (work.n_answered, work.n_skipped) == (len(records), 0)
    assert sum(work.statuses.values()) == len(records)
    assert work.table["offset"].to_pylist() == list(range(len(records)))


@pytest.fixture(scope="module")
def json_step(toy, make_settings):
    flat = make_settings(toy, to="-", scribe=None, form="json", output=Output())
    return open_step(flat)


def test_a_message_that_cannot_be_read_is_logged_and_counted(step, contain, make_record, caplog):
    good = contain(make_record())
    caplog.set_level(logging.WARNING, LOGGER)
    work = step([Message("in", 3, 8, b"{}"), Message("in", 3, 9, None), Message("in", 3, 10, good)])
    assert caplog.messages == [
        "1 message cannot be read, in [3] at offset 8: it is no Avro container",
        "1 message cannot be read, in [3] at offset 9: it has no value",
    ]
    assert (len(sent(work)), work.n_skipped, work.statuses) == (1, 2, {"ok": 1})
    assert work.spans == {("in", 3): (8, 10)}


def test_the_message_that_is_to_blame_is_found(toy, make_settings, contain, make_record, caplog):
    """Whatever went wrong in a way that nobody foresaw, the others are answered."""
    step = stumble(open_step(make_settings(toy)))
    ids = ["a", "b", "bad", "c", "bad", "d", "e"]
    work = step([Message("in", 0, n, contain(make_record(oid))) for n, oid in enumerate(ids)])
    assert [m.key for m in sent(work)] == [b"a", b"b", b"c", b"d", b"e"]
    assert (work.n_skipped, work.statuses) == (2, {"ok": 5})
    assert caplog.messages == [
        "2 messages cannot be answered, the first in [0] at offset 2: RuntimeError: stumbled"
    ]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"features": None}, "missing_features"),
        ({"features": {}}, "missing_features"),
        ({"features": dict.fromkeys(TOY_FEATURES[1:], 1.0)}, "missing_features"),
        ({"features": FULL | {"rb": "text"}}, "invalid_features"),
        ({"features": FULL | {"rb": [1]}}, "invalid_features"),
        ({"features": FULL | {"rb": -1e300}}, "invalid_features"),
        ({"features": FULL | {"rb": 10**400}}, "ok"),
        ({"features": FULL | {"rb": " 0.5 "}}, "ok"),
        ({"features": FULL | {"rb": True}}, "ok"),
        ({"features": {"Period_fit" if n == "PPE" else n: v for n, v in FULL.items()}}, "ok"),
        ({"oid": None}, "invalid_record"),
        ({"oid": [1]}, "invalid_record"),
        ({"oid": 17}, "ok"),
        ({"oid": None, "aid": "AL1"}, "ok"),
        ({"detections": "none"}, "too_few_observations"),
        ({"detections": [{"forced": True}, {}, 3]}, "too_few_observations"),
        ({"detections": [{"forced": True}, {}, {"mag": 100}]}, "ok"),
    ],
)
def test_every_object_has_its_status(toy, make_settings, change, status):
    step = open_step(
        make_settings(toy, form="json", to="-", output=Output(), scribe=None, min_detections=2)
    )
    record = {"oid": "a", "features": FULL, "detections": [{}, {}]} | change
    work = step([Message("in", 0, 0, json.dumps(record).encode())])
    assert work.statuses == {status: 1}
    assert work.table["status"].to_pylist() == [status]


def test_a_text_is_read_as_in_files(toy, make_settings):
    step = open_step(make_settings(toy, form="json", to="-", output=Output(), scribe=None))
    values = [{"oid": str(x), "features": FULL | {"rb": x}} for x in (0.5, "0.5", 10**400, "inf")]
    table = step([Message("in", 0, 0, json.dumps(v).encode()) for v in values]).table
    answers = [{n: row[n] for n in ("class", "CEP", "SNII")} for row in table.to_pylist()]
    assert answers[0] == answers[1]
    assert answers[2] == answers[3]


def test_an_unread_message_has_a_row_in_a_flat_table(toy, make_settings, contain, make_record):
    flat = make_settings(toy, to="folder", scribe=None, output=Output(tidy=True))
    work = open_step(flat)([Message("a", 1, 5, b""), Message("b", 2, 6, contain(make_record()))])
    places = work.table.select(["topic", "partition", "offset"]).to_pylist()
    assert places[0] == {"topic": "a", "partition": 1, "offset": 5}
    assert places[-1] == {"topic": "b", "partition": 2, "offset": 6}
    assert set(work.table["status"].to_pylist()) == {"invalid_record", "ok"}
    assert (work.n_answered, work.n_skipped, work.outgoing) == (2, 0, [])
    assert [letter.reason for letter in work.letters] == ["it is no Avro container"]


def test_a_published_schema_has_rows_for_files_too(toy, make_settings, contain, make_record):
    step = open_step(make_settings(toy, "scribe-hierarchy", to="folder", scribe=None))
    work = step([Message("in", 0, n, contain(make_record(oid))) for n, oid in enumerate("ab")])
    assert work.table["offset"].to_pylist() == [0, 1] * 4  # all leaves, two nodes, the top
    payloads = map(json.loads, work.table["payload"].to_pylist())
    assert [payload["criteria"]["_id"] for payload in payloads] == ["a", "b"] * 4
    assert b"avro.schema" in work.table.schema.metadata


def test_an_alert_without_an_answer_is_not_classified(
    elasticc_step, contain, make_record, messages, caplog
):
    extra = {"alertId": 5, "surveyPublishTimestamp": 6.0, "diaSourceId": "7"}
    record = make_record("a", **extra)
    record["features"] = None
    nothing = make_record("b", n_detections=0)
    work = elasticc_step(messages([contain(record), contain(nothing)]))
    [result] = sent(work)
    found = decoded(result.value)
    assert (found["alertId"], found["diaSourceId"]) == (5, 7)
    assert {c["classId"]: c["probability"] for c in found["classifications"]}[300] == 1
    assert work.statuses == {"missing_features": 1, "ok": 1}
    assert work.n_skipped == 1
    assert caplog.messages == ["1 message got no record, in [0] at offset 1: no alertId"]


def test_an_object_at_fault_is_logged_and_one_without_features_is_not(
    toy, make_settings, messages, caplog
):
    wrong = FULL | {"rb": "text"}
    values = [
        {"oid": "", "features": FULL},
        {"oid": "b", "features": None},
        {"oid": "c", "features": wrong},
    ]
    step = open_step(make_settings(toy, form="json"))
    work = step(messages([json.dumps(value).encode() for value in values]))
    assert (sent(work), work.n_skipped, len(work.letters)) == ([], 3, 2)
    assert work.statuses == {"invalid_record": 1, "missing_features": 1, "invalid_features": 1}
    assert caplog.messages == [
        "1 message got no record, in [0] at offset 0: the object has no id",
        "1 message got no record, in [0] at offset 2: rb = 'text' is not a number",
    ]


def test_no_message_is_larger_than_the_producer_takes(
    toy, make_settings, contain, make_record, messages, caplog
):
    client = Client("nowhere:9092", {"message.max.bytes": "30000"})
    sides = {name: Side(client, name) for name in ("scribe", "metrics")}
    step = open_step(replace(make_settings(toy), results=client, **sides))
    long = make_record("b" * 30_000) | {"candid": ["1" * 20_000] * 2}
    work = step(messages([contain(make_record("a")), contain(long)]))
    assert [out.key for out in work.outgoing] == [b"a", b"a", None]
    assert json.loads(work.outgoing[-1].value)["n_messages"] == 2
    assert json.loads(work.outgoing[-1].value)["candid"] == []
    assert (work.n_answered, work.n_skipped, work.statuses) == (1, 1, {"ok": 2})
    assert caplog.messages[0].startswith("1 message got no record, in [0] at offset 1: ")
    assert caplog.messages[0].endswith(" bytes for out, more than message.max.bytes")
    assert caplog.messages[1].startswith("the metrics message of 2 messages has ")


@pytest.mark.parametrize(
    ("is_elasticc", "field", "survey"), [(False, "oid", "ztf"), (True, "alertId", "elasticc")]
)
def test_a_model_of_ones_own_settles_schema_and_survey(
    toy, toy_elasticc, make_settings, contain, make_record, messages, is_elasticc, field, survey
):
    model = toy_elasticc if is_elasticc else toy
    step = open_step(make_settings(model, output=Output()))
    extra = {"alertId": 5, "surveyPublishTimestamp": 6.0, "diaSourceId": "7"}
    [result] = sent(step(messages([contain(make_record("a", **extra))])))
    assert field in decoded(result.value)
    assert step.results.output.schema_name == {"ztf": "alerce", "elasticc": "elasticc-v0_9"}[survey]


def test_settings_that_do_not_fit_end_the_start(toy, make_settings, tmp_path):
    with pytest.raises(ModelError, match="there is no model 'nothing'"):
        open_step(make_settings("nothing"))
    with pytest.raises(InputError, match="elasticc-v0_9 has no class SNIa"):
        open_step(make_settings(toy, "elasticc-v0_9"))
    with pytest.raises(SettingsError, match="schemaless messages need the schema"):
        open_step(make_settings(toy, form="schemaless"))
    with pytest.raises(SettingsError, match="need the URL of a schema registry"):
        open_step(make_settings(toy, form="confluent"))
    (tmp_path / "a.avsc").write_text("{")
    with pytest.raises(SettingsError, match=r"a\.avsc is no Avro schema"):
        open_step(make_settings(toy, form="schemaless", schema_path=str(tmp_path / "a.avsc")))


def test_order_is_that_of_the_messages(step, contain, make_record):
    ids = [f"Z{n}" for n in range(40)]
    random.Random(1).shuffle(ids)
    work = step([Message("in", 0, n, contain(make_record(oid))) for n, oid in enumerate(ids)])
    assert [m.key.decode() for m in sent(work)] == ids


MIXED = [
    {"oid": "good", "features": FULL},
    {"oid": "none", "features": None},
    {"oid": "lacks", "features": {"rb": 1.0}},
    {"oid": "wrong", "features": FULL | {"rb": "text"}},
    {"oid": None, "features": FULL},
    {"oid": "bad", "features": FULL},
]


def mixed(records=MIXED):
    values = [json.dumps(record).encode() for record in records] + [b"{", None]
    return [Message("in", 0, n, value, b"%d" % n) for n, value in enumerate(values)]


def stumble(step):
    """Let scoring fail for one object."""
    predict = step.predictor.predict

    class Stumbling:
        bundle = step.predictor.bundle

        def predict(self, batch):
            if "bad" in batch.object_id.to_pylist():
                raise RuntimeError("stumbled")
            return predict(batch)

    step.predictor = Stumbling()
    return step


@pytest.mark.parametrize("to", ["kafka", "-"])
def test_a_dead_letter_is_in_no_other_place(toy, make_settings, to, caplog):
    told = make_settings(toy, form="json", to=to, dead_letters=DeadLetters("dead"))
    if to == "-":
        told = replace(told, output=Output(tidy=True))
    work = stumble(open_step(told))(mixed())
    assert [(letter.message.offset, letter.stage) for letter in work.letters] == [
        (2, "batch"),
        (3, "batch"),
        (4, "batch"),
        (5, "score"),
        (6, "decode"),
        (7, "decode"),
    ]
    dead = sent(work, "dead")
    assert [(m.topic, m.key) for m in dead] == [("dead", b"%d" % n) for n in range(2, 8)]
    has_row = to == "-"  # for an object without features; ``alerce`` has no word for it
    assert (work.n_answered, work.n_dead, work.n_skipped) == (1 + has_row, 6, 1 - has_row)
    assert {m.key for m in work.outgoing if m.channel != "dead"} == {b"good"}
    if has_row:
        assert set(work.table["offset"].to_pylist()) == {0, 1}
    places = [f", in [0] at offset {n}: " for n in range(2, 8)]
    assert all(any(place in text for text in caplog.messages) for place in places)
    assert all(text.startswith("1 message ") for text in caplog.messages)
    assert len(caplog.messages) == 6


def test_without_a_place_for_them_letters_are_told_and_counted_as_what_they_are(
    toy, toy_elasticc, make_settings
):
    for to, n_answered in (("kafka", 1), ("-", 8)):
        output = Output(schema="alerce" if to == "kafka" else None)
        step = stumble(open_step(make_settings(toy, form="json", to=to, output=output)))
        work = step(mixed())
        assert len(work.letters) == 6
        assert (work.n_answered, work.n_dead, work.n_skipped) == (n_answered, 0, 8 - n_answered)
    alert = {"new": True, "has_stamp": True, "candid": "1"}
    extra = {"extra_fields": {"alertId": 5, "surveyPublishTimestamp": 6.0, "diaSourceId": "7"}}
    records = [record | {"detections": [alert | extra]} for record in MIXED]
    step = open_step(make_settings(toy_elasticc, "elasticc-v0_9", form="json"))
    work = step(mixed(records))
    assert (work.n_answered, work.n_skipped) == (6, 2)  # NotClassified, all but the unread ones
    step = open_step(
        make_settings(
            toy_elasticc, "elasticc-v0_9", form="json", dead_letters=DeadLetters("folder/")
        )
    )
    work = step(mixed(records))
    assert (work.n_answered, work.n_dead, work.n_skipped) == (3, 5, 0)


def test_a_command_too_large_makes_a_letter_of_its_message(toy, make_settings):
    small = Side(Client("nowhere:9092", {"message.max.bytes": "500"}), "commands")
    told = make_settings(toy, form="json", dead_letters=DeadLetters("dead"))
    work = open_step(replace(told, scribe=small))(mixed()[:1])
    assert (len(sent(work)), work.n_answered, work.n_dead) == (0, 0, 1)
    assert [letter.stage for letter in work.letters] == ["encode"]
