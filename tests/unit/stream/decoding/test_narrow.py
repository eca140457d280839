import io
import json
from copy import deepcopy

import fastavro
import numpy as np
import pytest
from avro_messages import make_case
from checked_walk import checked_walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.stream.decoding.narrow import UnreadableError, Wants, narrow
from lcclassify.stream.decoding.narrow_kernel import walk

ALL = Wants(frozenset("abcdef"), None, frozenset("xyz"))
SIMPLE = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
}


def write(schema, record):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(deepcopy(schema)), record)
    return buffer.getvalue()


def record_schema(**fields):
    return {
        "type": "record",
        "name": "m",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }


def any_type(depth):
    """A schema, and a strategy of its values."""
    simple = st.sampled_from(sorted(SIMPLE)).map(lambda kind: (kind, SIMPLE[kind]))
    if depth == 0:
        return simple
    full = any_type(depth - 1).filter(lambda pair: pair[0] != "null")
    arrays = full.map(lambda p: ({"type": "array", "items": p[0]}, st.lists(p[1], max_size=3)))
    keys = st.text(max_size=3)
    maps = any_type(depth - 1).map(
        lambda p: ({"type": "map", "values": p[0]}, st.dictionaries(keys, p[1], max_size=3))
    )
    unions = st.sampled_from([k for k in sorted(SIMPLE) if k != "null"]).map(
        lambda kind: (["null", kind], st.none() | SIMPLE[kind])
    )
    return simple | arrays | maps | unions


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_wanted_is_read_as_without_the_rest(data):
    kinds = {name: data.draw(any_type(2)) for name in "abcgh"}
    schema = record_schema(**{name: kind for name, (kind, _) in kinds.items()})
    record = {name: data.draw(values) for name, (_, values) in kinds.items()}
    wanted = data.draw(st.frozensets(st.sampled_from("abcgh")))
    body = write(schema, record)
    whole = fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(schema), None)
    read = narrow(schema, Wants(wanted, None, frozenset()))
    assert read(body) == {name: whole[name] for name in "abcgh" if name in wanted}
    for cut in (body[:-1], body + b"\0"):
        if len(cut) != len(body) and cut:
            with pytest.raises(UnreadableError, match="its bytes are no value of its schema"):
                read(cut)


DAMAGED = Wants(frozenset(["oid", "candid"]), None, frozenset(["mjd", "extra_fields"]))


def damage(data, body):
    """Some other bytes, at the end or in between."""
    body = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(body)) | st.integers(0, len(body)))
    return bytes(body[:cut]) + data.draw(st.just(b"") | st.binary(max_size=3))


def judged(schema, body):
    """What fastavro reads of a whole value; None if it refuses."""
    source = io.BytesIO(body)
    try:
        whole = fastavro.schemaless_reader(source, schema, None, handle_unicode_errors="replace")
    except Exception:
        return None
    return None if source.read(1) else whole


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_bytes_are_read_as_fastavro_reads_them_or_refused(schema, make_record, data):
    record = make_record(alertId=1, diaObject=b"abc", text="x", none=None)
    body = damage(data, write(schema, record))
    whole = judged(fastavro.parse_schema(deepcopy(schema)), body)
    try:
        found = narrow(schema, DAMAGED)(body)
    except UnreadableError:
        # fastavro counts lengths and branches below zero from the end; it never writes them
        assert whole is None or write(schema, whole) != body
        return
    assert found.keys() == {"oid", "candid", "detections", "features"}
    if whole is not None:
        kept = ("mjd", "extra_fields")
        detections = [{name: one[name] for name in kept} for one in whole["detections"]]
        expected = {name: whole[name] for name in found} | {"detections": detections}
        assert repr(found) == repr(expected)  # in which NaN is NaN


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_read_and_no_write_leaves_the_buffers(schema, make_record, data):
    """The same walk in Python, with arrays that refuse every place that is none of theirs."""
    body = damage(data, write(schema, make_record(diaObject=b"abc", text="x", none=None)))
    plan = narrow(schema, DAMAGED)
    source = np.frombuffer(body, np.uint8)
    out, checked = np.zeros(len(body), np.uint8), np.zeros(len(body), np.uint8)
    length = walk(source, plan.code, plan.branches, out)
    assert checked_walk(source, plan.code, plan.branches, checked) == length
    if length >= 0:
        assert (checked[:length] == out[:length]).all()


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_values_of_any_schema_are_read_as_they_were_made(rng):
    """Names, unions, namespaces, aliases, empty types; the bytes are none of fastavro's."""
    case = make_case(rng)
    try:
        read = narrow(case.schema, Wants(*case.wants))
    except InputError:
        assert case.node is None or case.is_refused
        return
    assert not case.must_refuse
    for body, value in zip(case.bodies, case.values, strict=True):
        try:
            found = read(body)
        except UnreadableError:
            assert value is None
        else:
            assert value is None or repr(found) == repr(case.left(value))
        source, out = np.frombuffer(body, np.uint8), np.zeros(len(body), np.uint8)
        checked_walk(source, read.code, read.branches, out)


def test_of_detections_and_features_only_the_wanted_fields_are_left(schema, make_record):
    body = write(schema, make_record(diaObject=b"\xff\xfe", text="abc"))
    wants = Wants(frozenset(["oid"]), frozenset(["PPE"]), frozenset(["mjd", "extra_fields"]))
    found = narrow(schema, wants)(body)
    assert found["oid"] == "ZTF1"
    assert found["features"].keys() >= {"PPE"}  # a map is kept whole
    extra = {"diaObject": b"\xff\xfe", "text": "abc"}  # bytes stay bytes, and text is text
    assert found["detections"] == [
        {"mjd": 60000.5, "extra_fields": extra},
        {"mjd": 60001.5, "extra_fields": extra},
    ]


def test_text_that_is_no_text_is_replaced():
    read = narrow(record_schema(a="string"), ALL)
    assert read(b"\x04\xff\x61") == {"a": "�a"}


def test_blocks_with_their_length_are_read_and_skipped():
    """Writers may say how long a block is; fastavro never does."""
    schema = record_schema(a={"type": "array", "items": "int"}, g={"type": "array", "items": "int"})
    block = b"\x03\x04\x02\x04" + b"\x00"  # -2 items in 2 bytes: 1, 2
    assert narrow(schema, ALL)(block + block) == {"a": [1, 2]}
    many = b"\x7f\x80\x01" + b"\x02" * 64 + b"\x00"  # -64 items: their count grows by a byte
    assert narrow(schema, ALL)(many + block) == {"a": [1] * 64}
    with pytest.raises(UnreadableError):
        narrow(schema, ALL)(b"\x00" + b"\x03\x7e\x02\x04\x00")


def test_names_are_those_of_the_writer_and_never_ours():
    """What types are called changes nothing, be it what the reader calls its own."""
    for name in ("message", "type0", "lcclassify.message", "part1", "array", "n.int"):
        kind = {"type": "record", "name": name, "fields": [{"name": "v", "type": "int"}]}
        assert narrow(record_schema(a=kind), ALL)(b"\x02") == {"a": {"v": 1}}
    inner = {"type": "enum", "name": "e", "namespace": "", "symbols": ["A", "B"]}
    around = {"type": "record", "name": "n.r", "fields": [{"name": "v", "type": inner}]}
    assert narrow(record_schema(a=around, b="e"), ALL)(b"\x00\x02") == {"a": {"v": "A"}, "b": "B"}


def test_a_symbol_that_is_not_there_is_damage_wherever_it_stands():
    schema = record_schema(a="int", g={"type": "enum", "name": "e", "symbols": ["A", "B"]})
    read = narrow(schema, ALL)
    assert read(b"\x02\x02") == {"a": 1}
    for symbol in (b"\x04", b"\x01", b"\xfe\xff\xff\xff\x0f"):  # 2, -1, 2**31 - 1
        with pytest.raises(UnreadableError, match="its bytes are no value of its schema"):
            read(b"\x02" + symbol)


def test_a_type_in_many_places_is_written_once():
    """A union that names a large record a thousand times is no more than its text."""
    fields = [{"name": f"f{n}", "type": "int"} for n in range(300)]
    kind = {"type": "record", "name": "r", "fields": fields}
    schema = record_schema(b=kind, detections=[*["r"] * 300], features=["r"] * 300)
    read = narrow(schema, Wants(frozenset(), frozenset(["f1"]), frozenset(["f2", "f3"])))
    assert len(read.code) < 4 * (300 + 300 + 300)
    assert read(b"\x02" * (300 + 301 + 301)) == {
        "detections": {"f2": 1, "f3": 1},
        "features": {"f1": 1},
    }


def test_a_type_that_is_first_named_where_nothing_is_wanted_is_known():
    kind = {"type": "record", "name": "n.inner", "fields": [{"name": "v", "type": "int"}]}
    fixed = {"type": "fixed", "name": "two", "size": 2}
    schema = record_schema(g=kind, a="n.inner", b=["null", "n.inner"], h=fixed, c="two")
    body = write(schema, {"g": {"v": 1}, "a": {"v": 2}, "b": {"v": 3}, "h": b"xx", "c": b"yz"})
    assert narrow(schema, ALL)(body) == {"a": {"v": 2}, "b": {"v": 3}, "c": b"yz"}


def test_logical_types_are_read_as_what_they_are_made_of():
    when = {"type": "long", "logicalType": "timestamp-millis"}
    assert narrow(record_schema(a=when), ALL)(b"\x02") == {"a": 1}


def empty_tree(depth):
    """A record whose value takes no bytes, and as many steps as two to the depth."""
    kind = {"type": "record", "name": "r0", "fields": []}
    for n in range(depth):
        fields = [{"name": "x", "type": kind}, {"name": "y", "type": f"r{n}"}]
        kind = {"type": "record", "name": f"r{n + 1}", "fields": fields}
    return kind


def test_types_of_no_bytes_cost_no_time():
    read = narrow(record_schema(g=empty_tree(50), a="int"), ALL)
    assert read(b"\x02") == {"a": 1}
    with pytest.raises(InputError, match="takes no bytes"):
        narrow(record_schema(a=empty_tree(50)), ALL)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            {"type": "record", "name": "m", "fields": [{"name": "a", "type": ["null", "m"]}]},
            "its type m contains itself",
        ),
        (record_schema(g={"type": "array", "items": "null"}), "its arrays hold items of no bytes"),
        ({"type": "array", "items": "int"}, "the message holds no records, but array"),
        (record_schema(a="nothing"), "its schema is none: it has no type nothing"),
        ({"type": "record"}, "its schema is none: a part of it has no name"),
        (17, "its schema is none: int is no type"),
        (record_schema(a="int") | {"fields": 17}, "its schema is none: a part of it has no fields"),
    ],
)
def test_schemas_that_no_message_can_have(schema, reason):
    with pytest.raises(InputError, match=reason):
        narrow(schema, ALL)


def test_deep_schemas_are_refused():
    kind = "int"
    for _ in range(100):
        kind = {"type": "array", "items": kind}
    with pytest.raises(InputError, match="its schema is too deep"):
        narrow(record_schema(g=kind), ALL)
    kind = json.loads('{"type": "array", "items": ' * 900 + '"int"' + "}" * 900)
    with pytest.raises(InputError):
        narrow(record_schema(g=kind), ALL)


def test_claims_of_many_items_are_not_believed():
    schema = record_schema(a={"type": "map", "values": "null"}, g={"type": "map", "values": "int"})
    for count in (2**62, 2**40, -(2**63)):
        body = np.uint64((count << 1) ^ (count >> 63)) if count > 0 else np.uint64(2**64 - 1)
        coded = bytearray()
        left = int(body)
        while left >= 0x80:
            coded.append(left & 0x7F | 0x80)
            left >>= 7
        coded.append(left)
        with pytest.raises(UnreadableError):
            narrow(schema, ALL)(bytes(coded) + b"\x00\x00")
        with pytest.raises(UnreadableError):
            narrow(schema, ALL)(b"\x00" + bytes(coded) + b"\x00\x00")
