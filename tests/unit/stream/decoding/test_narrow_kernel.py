"""The walk by instructions that no schema leads to: it must not rely on those who write them."""

import numpy as np
import pytest
from avro_walks import follow, program
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.stream.decoding.instructions import (
    BEGIN,
    BYTES,
    CALL,
    ENUM,
    FIXED,
    JUMP,
    MAX_NESTED,
    NEXT,
    RETURN,
    UNION,
    VARINT,
)
from lcclassify.stream.decoding.narrow_kernel import BROKEN, DAMAGED, TOO_DEEP, varint, walk

LEAST, MOST = -(2**63), 2**63 - 1


def walked(data, *code, branches=(), room=None):
    """The result of a walk, which is followed in Python, too."""
    rows = np.array([[*row, *[0] * (4 - len(row))] for row in code], np.int64).reshape(-1, 4)
    told = np.array(branches, np.int64)
    room = len(data) if room is None else room
    follow(data, rows, told, room, is_checked=True)
    return walk(np.frombuffer(data, np.uint8), rows, told, np.zeros(room, np.uint8))


def test_calls_are_counted():
    calls = [(CALL, n + 1) for n in range(MAX_NESTED)]
    ends = [(RETURN,)] * 2
    assert walked(b"", *calls[1:], (JUMP, MAX_NESTED), *ends) == BROKEN  # they return to each other
    assert walked(b"", *calls, (CALL, 0), *ends) == TOO_DEEP
    assert walked(b"", (CALL, 0)) == TOO_DEEP
    assert walked(b"", (CALL, 1), (JUMP, 0)) == TOO_DEEP


def test_loops_are_counted():
    begun = [(BEGIN,)] * MAX_NESTED
    assert walked(b"", *begun, (RETURN,)) == 0
    assert walked(b"", *begun, (BEGIN,), (RETURN,)) == TOO_DEEP
    assert walked(b"", (BEGIN,), (JUMP, 0)) == TOO_DEEP


@pytest.mark.parametrize("step", [-1, 2, LEAST, MOST])
def test_steps_are_rows_of_the_code(step):
    assert walked(b"", (JUMP, step), (RETURN,)) == BROKEN
    assert walked(b"", (CALL, step), (RETURN,)) == BROKEN
    assert walked(b"\0", (BEGIN,), (NEXT, 3 if step == 2 else step)) == BROKEN
    assert walked(b"\0", (UNION, 0, 0, 1), (RETURN,), branches=[step]) == BROKEN


@pytest.mark.parametrize("first", [-1, 1, LEAST, MOST])
def test_branches_are_those_that_there_are(first):
    assert walked(b"\0", (UNION, 0, 0, 1), (RETURN,), branches=[1]) == 0
    assert walked(b"\0", (UNION, first, 0, 1), (RETURN,), branches=[1]) == BROKEN
    found = walked(b"\x02", (UNION, first, 0, 2), (RETURN,), branches=[1])
    assert found == (0 if first == -1 else BROKEN)


def test_code_has_rows_of_four():
    nothing = np.zeros(0, np.uint8)
    for shape in ((0, 4), (1, 3), (1, 0)):
        code = np.full(shape, RETURN, np.int64)
        assert walk(nothing, code, np.zeros(0, np.int64), nothing) == BROKEN


def test_a_walk_that_takes_no_bytes_ends():
    assert walked(bytes(50), (JUMP, 0)) == BROKEN
    assert walked(bytes(50), (FIXED, 0), (JUMP, 0)) == BROKEN
    assert walked(bytes(50), (CALL, 2), (JUMP, 0), (RETURN,)) == BROKEN
    assert walked(b"\x7e" * 50, (BEGIN,), (NEXT, 3), (JUMP, 1), (RETURN,)) in (BROKEN, DAMAGED)


def test_a_fixed_never_leads_back():
    for size in (-1, LEAST):
        assert walked(bytes(9), (FIXED, 4), (FIXED, size), (RETURN,)) == BROKEN
    assert walked(bytes(9), (FIXED, MOST), (RETURN,)) == DAMAGED


def test_a_loop_that_was_not_begun_and_a_kind_that_is_none():
    assert walked(b"\x02", (NEXT, 0)) == BROKEN
    for kind in (-1, 10, LEAST, MOST):
        assert walked(b"", (kind, 0), (RETURN,)) == BROKEN


@pytest.mark.parametrize("room", range(3))
def test_what_is_kept_needs_room(room):
    kept = 0 if room < 3 else 3
    assert walked(b"abc", (FIXED, 3, 1), (RETURN,), room=room) == (kept or BROKEN)
    assert walked(b"\x04ab", (BYTES, 0, 1), (RETURN,), room=room) == BROKEN
    many = b"\x80\x01" + b"\x02" * 64 + b"\0"  # a count of two bytes
    loop = (BEGIN,), (NEXT, 4, 1), (VARINT,), (JUMP, 1), (RETURN,)
    assert walked(many, *loop, room=room) == BROKEN
    assert walked(many, *loop, room=3) == 3


def test_damage_is_told_from_broken_instructions():
    assert walked(b"", (VARINT,), (RETURN,)) == DAMAGED
    assert walked(b"\x80" * 11, (VARINT,), (RETURN,)) == DAMAGED
    assert walked(b"\x06ab", (BYTES,), (RETURN,)) == DAMAGED
    assert walked(b"\x06ab", (BYTES, 0, 1), (RETURN,), room=50) == DAMAGED
    assert walked(b"\x01ab", (BYTES,), (RETURN,)) == DAMAGED
    assert walked(b"\x03a", (BYTES,), (FIXED, 3), (RETURN,)) == DAMAGED  # and back again
    assert walked(b"\x04", (ENUM, 0, 0, 2), (RETURN,)) == DAMAGED
    assert walked(b"a", (RETURN,)) == DAMAGED
    for count in (b"\x04\0", b"\xff" * 9 + b"\x01\0", b"\x01\x02"):  # 2; -2**63; -1 in a byte
        assert walked(count, (BEGIN,), (NEXT, 3), (JUMP, 1), (RETURN,)) == DAMAGED


@given(st.binary(max_size=12), st.integers(-5, 20) | st.sampled_from([LEAST, MOST]))
@settings(max_examples=200, deadline=None)
def test_a_number_is_read_within_the_bytes(data, at):
    value, after = varint(np.frombuffer(data, np.uint8), at)
    if after != -1:
        assert 0 <= at < after <= min(len(data), at + 10)
        assert all(byte >= 128 for byte in data[at : after - 1])
        assert data[after - 1] < 128
        coded = sum((byte & 0x7F) << 7 * n for n, byte in enumerate(data[at:after])) % 2**64
        assert value == (coded >> 1) ^ -(coded & 1)
    else:
        assert not 0 <= at < len(data) or all(byte >= 128 for byte in data[at : at + 10])


@given(st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_instructions_at_random_lead_nowhere_else(rng):
    """Neither in compiled code, beside what is written, nor in Python, where each place is seen."""
    body, code, branches = program(rng, 6)
    follow(body, code, branches, rng.randint(0, 9), is_checked=True)
