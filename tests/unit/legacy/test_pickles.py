import collections
import os
import pickle
import struct
import time
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.legacy import pickles
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import Global, Record, RefusedError, attribute, brief

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
KEYS = st.text() | st.integers(-(2**62), 2**62) | st.booleans() | st.none()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=20,
)


class Call:
    """Pickles as a call of ``function``, which must never run."""

    def __init__(self, function, *args):
        self.reduced = function, args

    def __reduce__(self):
        return self.reduced


def holds_bytes(value):
    if isinstance(value, dict):
        return any(map(holds_bytes, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(holds_bytes, value))
    return isinstance(value, bytes)


@given(VALUES, st.integers(0, 5))
def test_plain_values_come_back(value, protocol):
    data = pickle.dumps(value, protocol)
    if protocol < 3 and holds_bytes(value):  # written as a call of _codecs.encode or bytes
        with pytest.raises(RefusedError, match="not among the few names allowed here"):
            read_pickle(data, {})
        return
    read = read_pickle(data, {})
    assert read == value
    assert type(read) is type(value) or isinstance(value, bytes)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with suppress(RefusedError):
        read_pickle(data, {})


@given(VALUES, st.integers(2, 5), st.data())
def test_any_mutation_is_read_or_refused(value, protocol, data):
    mutated = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RefusedError):
        read_pickle(bytes(mutated), None)


@pytest.mark.parametrize("protocol", range(6))
def test_every_truncation_is_refused(protocol):
    data = pickle.dumps({"a": [1, 2.5, (None, True, "text", 2**80)]}, protocol)
    for end in range(len(data)):
        with pytest.raises(RefusedError):
            read_pickle(data[:end], {})


@pytest.mark.parametrize("protocol", range(6))
def test_shared_and_recursive_lists(protocol):
    shared = ["x"]
    value = [shared, shared]
    value.append(value)
    read = read_pickle(pickle.dumps(value, protocol), {})
    assert read[0] is read[1]
    assert read[2] is read


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_call_is_recorded_and_never_made(protocol, tmp_path):
    target = tmp_path / "made"
    data = pickle.dumps(["before", Call(os.mkdir, str(target))], protocol)
    with pytest.raises(
        RefusedError, match=r"it names posix\.mkdir, .* nothing was imported or run"
    ):
        read_pickle(data, {})
    before, record = read_pickle(data, {("posix", "mkdir"): "make folder"})
    assert before == "before"
    assert (record.kind, record.args, record.state) == ("make folder", (str(target),), None)
    assert read_pickle(data, None)[1].kind == "posix.mkdir"
    assert not target.exists()


def test_objects_are_recorded_with_state_and_items():
    value = collections.OrderedDict(a=1, b=2)
    value.extra = "state"
    record = read_pickle(pickle.dumps(value, 4), {("collections", "OrderedDict"): "ordered"})
    assert isinstance(record, Record)
    assert record.items == {"a": 1, "b": 2}
    assert attribute(record, "extra") == "state"
    with pytest.raises(RefusedError, match="ordered has no attribute other"):
        attribute(record, "other")


ALLOWED = {("a", "b"): "thing", ("m", "f"): "function"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"the file is empty \(byte 0\)"),
        (b"\x05junk", r"not a pickle: 0x05 is no opcode \(byte 0\)"),
        (b"<html>", "not a pickle: 0x3c is no opcode"),
        (b"N", "there is no STOP opcode"),
        (b"N.N.", "2 bytes follow the end of the pickle"),
        (b"NN.", "does not end with one value"),
        (b"(N.", "does not end with one value"),
        (b".", "does not end with one value"),
        (b"\x80\x06N.", "pickle protocol 6; 5 is the highest one known"),
        (b"N\x80\x02.", "a second pickle begins inside the first"),
        (b"\x85.", r"opcode 0x85 finds too little on the stack \(byte 0\)"),
        (b"N\x86.", r"opcode 0x86 finds too little on the stack \(byte 1\)"),
        (b"Nt.", "opcode 0x74 finds too little on the stack"),
        (b"Na.", "opcode 0x61 finds too little on the stack"),
        (b"0.", "opcode 0x30 finds too little on the stack"),
        (b"q\x00.", "opcode 0x71 finds too little on the stack"),
        (b"h\x07.", "entry 7 of the memo is read before it is written"),
        (b"g12\n.", "entry 12 of the memo is read before it is written"),
        (b"NNa.", "items are appended to None, which is no list"),
        (b"K\x01NNs.", "a key is set in 1, which is no dict"),
        (b"}(Nu.", "a dict has a key without a value"),
        (b"}]Ns.", "a list of 0 is the key of a dict"),
        (b"})Ns.", "a tuple of 0 is the key of a dict"),
        (b"}\x8a\x0a" + b"\xff" * 9 + b"\x00Ns.", "4722366482869645213695 is the key of a dict"),
        (b"I1x\n.", "malformed text or number"),
        (b"Ix\xff\n.", "malformed text or number"),
        (b"I" + b"9" * 700 + b"\n.", "an integer of 700 digits; at most 600 are read"),
        (b"\x8b\x00\x10\x00\x00" + b"\x01" * 4096 + b".", "an integer of 4096 bytes; at most 256"),
        (b"X\x02\x00\x00\x00\xff\xff.", "malformed text or number"),
        (b"Vabc", "truncated: a line does not end"),
        (b"ca\nx\n.", r"it names a\.x, which is not among the few names allowed here"),
        (b"ca\nb.c\n.", r"it names a\.b\.c, which is not among"),
        (b"ca.b\n\n.", r"it names a\.b\., which is not among"),
        (b"c\x1b[31m\n\xc3\xa9\n.", r"it names '\\x1b\[31m\.é', which"),
        (b"NN\x93.", "None of None is named, where two texts are expected"),
        (b"N)R.", "it calls None with a tuple of 0; nothing was run"),
        (b"ca\nb\nNR.", "it calls thing with None; nothing was run"),
        (b"ca\nb\n)R)R.", "it calls thing with a tuple of 0; nothing was run"),
        (b"]}b.", "it sets the state of a list of 0, which takes none, or no second one"),
        (b"ca\nb\n}b.", "it sets the state of thing, which takes none"),
        (b"ca\nb\n)R}b}b.", "it sets the state of thing, which takes none, or no second one"),
        (b"(ia\nb\n.", "opcode INST, an object of protocol 0 is not read"),
        (b"(ca\nb\no.", "opcode OBJ, an object of protocol 1 is not read"),
        (b"Pid\n.", "opcode PERSID, a reference to something outside the file is not read"),
        (b"NQ.", "opcode BINPERSID"),
        (b"\x82\x01.", "opcode EXT1, a name from the extension registry is not read"),
        (b"\x83\x01\x00.", "opcode EXT2"),
        (b"\x84\x01\x00\x00\x00.", "opcode EXT4"),
        (b"ca\nb\n)}\x92.", "opcode NEWOBJ_EX, an object made with keywords is not read"),
        (b"\x97.", "opcode NEXT_BUFFER, a buffer outside the file is not read"),
        (b"N\x98.", "opcode READONLY_BUFFER"),
        (b"\x8f.", "opcode EMPTY_SET, a set is not read"),
        (b"(\x91.", "opcode FROZENSET"),
        (b"S'text'\n.", "opcode STRING, text of Python 2 is not read"),
        (b"U\x01a.", "opcode SHORT_BINSTRING, text of Python 2 is not read"),
    ],
)
def test_refusals(data, reason):
    with pytest.raises(RefusedError, match=reason):
        read_pickle(data, ALLOWED)


def test_the_largest_integer_key():
    assert read_pickle(b"}\x8a\x09" + b"\xff" * 8 + b"\x00Ns.", {}) == {2**64 - 1: None}


@pytest.mark.parametrize("opcode", [b"\x8e", b"\x8d", b"\x96", b"\x95"])
def test_huge_lengths_are_refused_without_allocating(opcode):
    data = b"\x80\x05" + opcode + struct.pack("<Q", 2**40) + b"abcd."
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError, match="1099511627776 bytes are announced, 5 follow"):
            read_pickle(data, {})
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_pop_may_take_a_mark():
    assert read_pickle(b"N(0.", {}) is None


def test_a_memo_index_allocates_nothing():
    assert read_pickle(b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.", {}) is None


NESTED = {
    "lists": b"]" * 500_000 + b"a" * 499_999,
    "tuples": b"N" + b"\x85" * 500_000,
    "records": b"ca\nb\nq\x000N" + b"q\x010h\x00h\x01\x85R" * 100_000,  # thing(thing(...))
    "states": b"ca\nb\nq\x000N" + b"q\x010h\x00)Rh\x01b" * 100_000,
}


@pytest.mark.parametrize("kind", NESTED)
def test_deep_nesting_does_not_recurse(kind):
    value = read_pickle(NESTED[kind] + b".", ALLOWED)
    assert brief(value) == {"lists": "a list of 1", "tuples": "a tuple of 1"}.get(kind, "thing")


def test_sharing_does_not_multiply():
    doubled = b"Nq\x000" + b"h\x00h\x00\x86q\x000" * 200  # t = (t, t), 200 times
    start = time.monotonic()
    assert len(read_pickle(doubled + b"h\x00.", {})) == 2
    with pytest.raises(RefusedError, match="a tuple of 2 is the key of a dict"):
        read_pickle(doubled + b"}h\x00Ns.", {})  # its hash would take 2**200 steps
    assert time.monotonic() - start < 1


def test_too_many_opcodes_are_refused(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_OPCODES", 100)
    with pytest.raises(RefusedError, match="more than 100 opcodes"):
        read_pickle(b"N0" * 100 + b"N.", {})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * 1000, "'" + "x" * 80 + "'..."),
        (2**200, "a huge integer"),
        (Global("thing"), "thing"),
        (Record("a\nb", ()), "'a\\nb'"),
        (memoryview(b"abc"), "bytes"),
        (object(), "object"),
    ],
)
def test_brief_keeps_messages_short(value, words):
    assert brief(value) == words
