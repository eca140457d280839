"""Ids of messages: as text, whatever type they come in, and said where they were rounded."""

import io
import json
from dataclasses import replace

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.remarks import Kind, Remark
from lcclassify.stream.message import Message
from lcclassify.stream.step import open_step
from lcclassify.task import Output
from lcclassify.testing import TOY_FEATURES

LSST = 169813006680588318
FULL = dict.fromkeys(TOY_FEATURES, 0.5)
NONE = "the object has no id"
VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(2**53 - 2, 2**53 + 2).map(float),
    st.integers(LSST - 40, LSST + 40).map(float),
    st.integers(0, 10**6).map(float),
    st.integers(LSST - 40, LSST + 40).map(lambda n: repr(float(n))),
    st.sampled_from(["ZTF18abc ", "17.0", "12e4", "\0", "nan", ""]),
)


def meant(value):
    """The id that a value is, as text, and whether it was rounded."""
    if value is None or value in ("nan", "", "\0"):
        return None, False
    if isinstance(value, float) or (isinstance(value, str) and "." in value):
        return str(int(float(value))), abs(float(value)) >= 2**53
    return str(value).strip(), False


def first(record, names):
    return next((each for name in names if (each := meant(record.get(name)))[0]), (None, False))


@pytest.fixture(scope="module")
def step(toy, make_settings):
    return open_step(make_settings(toy, form="json", to="-", output=Output(), scribe=None))


def as_messages(values):
    return [Message("in", 0, offset, value) for offset, value in enumerate(values)]


def answers(work, name):
    table = work.table
    return [id_ or None for id_ in table[name].to_pylist()], table["reason"].to_pylist()


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=5))
def test_an_id_is_the_first_that_a_message_has(step, pairs):
    records = [{"oid": oid, "aid": aid, "features": FULL} for oid, aid in pairs]
    work = step(as_messages(json.dumps(record).encode() for record in records))
    wanted = [first(record, ("oid", "aid")) for record in records]
    ids, reasons = answers(work, "oid")
    assert ids == [text for text, _ in wanted]
    assert reasons == [None if text else NONE for text, _ in wanted]
    n_rounded = sum(is_rounded for _, is_rounded in wanted)
    assert work.remarks == ({Remark(Kind.ROUNDED_ID, "oid"): n_rounded} if n_rounded else {})


def test_an_id_that_is_a_fraction_is_none(step):
    record = {"oid": 1.5, "features": FULL}
    assert answers(step(as_messages([json.dumps(record).encode()])), "oid") == (
        [None],
        ["1.5 is no id"],
    )


@pytest.mark.parametrize(
    ("kind", "value", "wanted"),
    [
        ("long", LSST, str(LSST)),
        ("double", 17.0, "17"),
        ("double", float(LSST), str(int(float(LSST)))),
        ("bytes", b"397127    ", "397127"),
        ("bytes", b"\xff", None),
        ({"type": "fixed", "name": "id", "size": 8}, b"397127\0\0", "397127"),
        ("string", "ZTF1  ", "ZTF1"),
    ],
)
def test_ids_of_any_type_of_avro_are_text(toy, make_settings, tmp_path, kind, value, wanted):
    features = {"type": "map", "values": "double"}
    fields = [{"name": "oid", "type": kind}, {"name": "features", "type": features}]
    schema = {"type": "record", "name": "message", "fields": fields}
    path = tmp_path / "message.avsc"
    path.write_text(json.dumps(schema))
    step = open_step(
        make_settings(
            toy, form="schemaless", schema_path=str(path), to="-", output=Output(), scribe=None
        )
    )
    data = io.BytesIO()
    fastavro.schemaless_writer(data, schema, {"oid": value, "features": FULL})
    ids, _ = answers(step(as_messages([data.getvalue()])), "oid")
    assert ids == [wanted]


@pytest.mark.parametrize("exact_place", ["diaSource", "diaObject", "diaObjectId"])
def test_the_exact_id_of_a_packet_wins_in_a_stream(toy, make_settings, exact_place):
    told = make_settings(toy, form="json", to="-", output=Output(), scribe=None)
    step = open_step(replace(told, input=replace(told.input, id_name="diaObjectId")))
    value = {place: float(LSST) for place in ("diaSource", "diaObject", "diaObjectId")}
    value[exact_place] = LSST
    record = {"diaObjectId": value["diaObjectId"], "features": FULL}
    record |= {place: {"diaObjectId": value[place]} for place in ("diaSource", "diaObject")}
    none = {"diaObjectId": 0, "diaSource": {"diaObjectId": None}, "features": FULL}
    work = step(as_messages(json.dumps(each).encode() for each in (record, none)))
    assert answers(work, "diaObjectId") == ([str(LSST), None], [None, NONE])
    assert work.remarks == {}


def test_context_of_any_type_costs_no_message_its_answer(toy_elasticc, make_settings):
    step = open_step(make_settings(toy_elasticc, "elasticc-v0_9_1", form="json", scribe=None))
    odd = [[1], {"a": 1}, "a17", 1.5, True, None, -(2**63), 10**400, "9" * 30, "2023-01-01"]
    names = ("alertId", "diaSourceId", "surveyPublishTimestamp", "brokerIngestTimestamp")

    def message(**extra):
        known = dict.fromkeys(names, 10**12) | extra
        seen = {"mjd": 1.0, "has_stamp": True, "new": True, "extra_fields": known}
        return {"oid": "a", "features": FULL, "detections": [seen]}

    records = [message(**{name: value}) for name in names for value in odd]
    work = step(as_messages(json.dumps(record).encode() for record in records))
    assert (work.n_answered + work.n_skipped, work.statuses["ok"]) == (len(records), len(records))
    assert not work.letters or all("cannot be answered" not in each.reason for each in work.letters)
