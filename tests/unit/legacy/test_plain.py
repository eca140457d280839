import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.legacy.plain import MAX_BYTES, plain_dict, read_plain_dict
from lcclassify.legacy.records import RefusedError

text = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | text
bit_for_bit = repr


@settings(deadline=None)
@given(st.dictionaries(text, plain, max_size=8), st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_dict_of_plain_values_is_read_at_every_protocol(value, protocol):
    found = read_plain_dict(pickle.dumps([value], protocol))
    assert bit_for_bit(found) == bit_for_bit(value)


def test_the_first_element_counts():
    assert read_plain_dict(pickle.dumps([{"a": 1}, {"a": 2}])) == {"a": 1}
    assert read_plain_dict(pickle.dumps([None])) is None
    assert plain_dict(None) is None


class Runs:
    def __reduce__(self):
        return Path.touch, (Path("PWNED"),)


LOOP: list = []
LOOP.append(LOOP)
KNOT: dict = {}
KNOT["a"] = KNOT
REFUSED = {
    "call": (pickle.dumps([Runs()]), "it names pathlib.Path.touch, which is not among"),
    "call_in_value": (pickle.dumps([{"a": Runs()}], 0), "it names __builtin__.getattr, which is"),
    "no_list": (pickle.dumps({"a": 1}), "expected a pickled list of one dict, found a dict of 1"),
    "nothing": (pickle.dumps([]), "expected a pickled list of one dict, found a list of 0"),
    "no_dict": (pickle.dumps([[1]]), "expected a dict, found a list of 1"),
    "cycle": (pickle.dumps(LOOP), "expected a dict, found a list of 1"),
    "cycle_in_value": (pickle.dumps([KNOT]), "expected 'a' to be a plain value, found a dict of 1"),
    "no_name": (pickle.dumps([{1: 2}]), "expected a name, found 1"),
    "nested": (pickle.dumps([{"a": [1]}]), "expected 'a' to be a plain value, found a list of 1"),
    "bytes": (pickle.dumps([{"a": b"b"}]), "expected 'a' to be a plain value, found bytes"),
    "huge": (
        pickle.dumps([{"a": 2**70}]),
        "expected 'a' to be a plain value, found 11805916207174",
    ),
    "half": (b"(lp0\n(dp1\nVa\np2\nV\\ud800\np3\nsa.", "expected 'a' to be a plain value, found"),
    "long": (pickle.dumps(["x" * MAX_BYTES]), "a pickle of 65"),
    "truncated": (pickle.dumps([{"a": 1}])[:-1], "truncated: "),
    "length": (b"\x80\x04\x8e\0\0\0\0\0\1\0\0.", "truncated: 1099511627776 bytes are announced"),
    "empty": (b"", "the file is empty"),
    "text": (b"nothing", "not a pickle: 0x6e is no opcode"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_and_nothing_runs(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    data, reason = REFUSED[case]
    with pytest.raises(RefusedError) as refusal:
        read_plain_dict(data)
    assert str(refusal.value).startswith(reason)
    assert not Path("PWNED").exists()
