"""What the stream's reader makes of a case, and whether its walk stays within its arrays."""

import json
import random

import numba
import numpy as np
from avro_hostile import text_of
from avro_messages import make_case
from checked_walk import checked_walk

from lcclassify.errors import InputError
from lcclassify.stream.decoding.narrow import UnreadableError, Wants, narrow
from lcclassify.stream.decoding.narrow_kernel import BROKEN, walk

CHECKED_EVERY = 8  # seeds: the walk is also followed in Python, which takes a thousand times longer
GUARD = 0xA5
SIZE = 24  # of random programs, and of the guards


def ours(seed):
    """What the reader makes of the case of a seed, as JSON can hold it."""
    case = make_case(random.Random(seed))
    rng, is_checked = random.Random(seed + 1), seed % CHECKED_EVERY == 0
    found = {
        "must_refuse": case.must_refuse,
        "sound": case.node is not None,
        "refusable": case.is_refused,
        "expected": [None if v is None else repr(case.left(v)) for v in case.values],
    }
    walks = [program(rng, 6 if is_checked else 40)]
    try:
        read = narrow(json.loads(text_of(case.schema)), Wants(*case.wants))
    except (InputError, RecursionError) as error:
        found["refused"] = str(error)
    else:
        found["read"] = [outcome(read, body) for body in case.bodies]
        walks += [(body, read.code, read.branches) for body in case.bodies]
        walks.append((case.bodies[0], *spoiled(read.code, read.branches, rng)))
    for body, code, branches in walks:
        room = rng.choice([len(body), len(body), 0, rng.randint(0, 9)])
        follow(body, code, branches, room, is_checked=is_checked)
    return found | {"walks": len(walks), "checked": len(walks) * is_checked}


def outcome(read, body):
    """What is read of a message, or that it is not."""
    try:
        return "value", repr(read(body))
    except UnreadableError as error:
        return "unreadable", str(error)


def follow(body, code, branches, room, *, is_checked):
    """Walk, with so much room for what is kept: nothing beside it is written, and the walk ends."""
    data = np.frombuffer(body, np.uint8)
    guarded = np.full(room + 2 * SIZE, GUARD, np.uint8)
    length = walk(data, code, branches, guarded[SIZE : SIZE + room])
    assert (guarded[:SIZE] == GUARD).all()
    assert (guarded[SIZE + room :] == GUARD).all()
    assert BROKEN <= length <= room
    if is_checked:
        again = np.zeros(room, np.uint8)
        assert checked_walk(data, code, branches, again) == length
        assert length < 0 or (again[:length] == guarded[SIZE : SIZE + length]).all()


def program(rng, most):
    """Instructions that nobody wrote, and bytes for them."""
    numbers = (*range(-3, 12), SIZE - 1, SIZE, 2**31, 2**63 - 1, -(2**63))
    rows = rng.randint(0, SIZE)
    code = [[rng.randrange(-1, 11), *(rng.choice(numbers) for _ in "abc")] for _ in range(rows)]
    branches = [rng.choice(numbers) for _ in range(rng.randint(0, 5))]
    data = bytes(rng.choice([0, 1, 2, 3, 4, 128, 255]) for _ in range(rng.randint(0, most)))
    shaped = np.array(code, np.int64).reshape(rows, 4)[:, : rng.choice([4, 4, 4, 3])]
    return data, shaped, np.array(branches, np.int64)


def spoiled(code, branches, rng):
    """Instructions of a schema with a few other numbers."""
    code, branches = code.copy(), branches.copy()
    for _ in range(rng.choice([1, 1, 3])):
        array = branches if branches.size and rng.random() < 0.3 else code
        array.flat[rng.randrange(array.size)] = rng.choice([-1, 0, 1, 5, 9, 2**40, -(2**63)])
    return code, branches


def bounds_are_checked():
    """Whether compiled code refuses a place behind the last."""
    try:
        numba.njit(lambda array, place: array[place])(np.zeros(3), 3)
    except IndexError:
        return True
    return False
