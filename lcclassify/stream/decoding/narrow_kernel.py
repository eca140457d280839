"""The compiled walk over an Avro message, by instructions. Importing this costs Numba.

Numba checks no index, and counts those below zero from the end. So nothing here relies on what
others have checked: whatever the bytes and the instructions are, no place outside the arrays is
read or written, and the walk ends.
"""

from typing import Any

import numpy as np

from lcclassify.predictors.kernels import compiled
from lcclassify.stream.decoding.instructions import (
    BEGIN,
    BYTES,
    CALL,
    COLUMNS,
    ENUM,
    FIXED,
    JUMP,
    MAX_NESTED,
    NEXT,
    RETURN,
    UNION,
    VARINT,
)

# What is told in place of a length.
DAMAGED = -1  # the bytes are no value of the schema
TOO_DEEP = -2  # calls or loops inside one another beyond ``MAX_NESTED``
BROKEN = -3  # instructions that lead out of the arrays, or nowhere
# From one byte to the next a walk leaves types, or enters them, at most ``MAX_NESTED`` deep, with
# a step or two for each: what takes more of them goes round and round.
STEPS_PER_BYTE = 4 * MAX_NESTED


@compiled
def varint(data: np.ndarray, at: int) -> Any:
    """The number at a place, and the place after it; -1 if there is none of 64 bits.

    The loop ends after ten turns, or with the bytes; each reads a place of ``data``, whatever
    ``at`` is.
    """
    value, shift = np.uint64(0), np.uint64(0)
    if at < 0:
        return 0, -1
    while at < data.size and shift < 64:
        byte = np.uint64(data[at])
        value |= (byte & np.uint64(0x7F)) << shift
        shift += np.uint64(7)
        at += 1
        if byte < 128:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at
    return 0, -1


@compiled
def walk(data: np.ndarray, code: np.ndarray, branches: np.ndarray, out: np.ndarray) -> int:
    """Append to ``out`` what is kept of a message; its length, or DAMAGED, TOO_DEEP or BROKEN.

    ``out`` should be as long as ``data``: no part of a message is longer than it was.

    The walk takes ``STEPS_PER_BYTE`` steps for a byte at most. Each looks whether ``step`` is a row
    of ``code``; ``at`` never shrinks and never passes the end of ``data``, nor ``end`` that of
    ``out``: lengths are compared with what is left before they are believed, and every piece that
    is written with the room for it. ``n_calls`` and ``n_loops`` stay within the stacks. The loop
    that writes a count ends after ten turns, as 64 bits are shifted by seven; that over a piece
    ends with it.
    """
    returns = np.empty(MAX_NESTED, np.int64)
    left = np.empty(MAX_NESTED, np.int64)  # items of a block that are still to come
    n_calls, n_loops, at, end, step = 0, 0, 0, 0, 0
    if code.shape[1] < COLUMNS:
        return BROKEN
    for _ in range(STEPS_PER_BYTE * (data.size + 1)):
        if step < 0 or step >= code.shape[0]:
            return BROKEN
        kind, value, keep = code[step, 0], code[step, 1], code[step, 2]
        step += 1
        start = at
        if kind == FIXED:
            if value < 0:
                return BROKEN
            if value > data.size - at:
                return DAMAGED
            at += value
        elif kind in (VARINT, BYTES, UNION, ENUM):
            number, at = varint(data, at)
            if at < 0:
                return DAMAGED
            if kind == BYTES:
                if number < 0 or number > data.size - at:
                    return DAMAGED
                at += number
            elif kind != VARINT:
                if number < 0 or number >= code[step - 1, 3]:
                    return DAMAGED
                if kind == UNION:
                    place = value + number
                    if place < 0 or place >= branches.size:
                        return BROKEN
                    step = branches[place]
        elif kind == BEGIN:
            if n_loops == MAX_NESTED:
                return TOO_DEEP
            left[n_loops] = 0
            n_loops += 1
            continue
        elif kind == NEXT:
            if n_loops == 0:
                return BROKEN
            if left[n_loops - 1] == 0:
                count, at = varint(data, at)
                if at < 0:
                    return DAMAGED
                if count < 0:  # then the length of the block follows
                    length, at = varint(data, at)
                    count = -count
                    if at < 0 or length < 0 or length > data.size - at:
                        return DAMAGED
                if count < 0 or count > data.size - at:  # an item has a byte at least
                    return DAMAGED
                if keep:
                    coded = np.uint64(count) << np.uint64(1)
                    while coded >= 128:
                        if end >= out.size:
                            return BROKEN
                        out[end] = np.uint8(coded & np.uint64(0x7F)) | np.uint8(0x80)
                        end += 1
                        coded >>= np.uint64(7)
                    if end >= out.size:
                        return BROKEN
                    out[end] = np.uint8(coded)
                    end += 1
                if count == 0:
                    n_loops -= 1
                    step = value
                    continue
                left[n_loops - 1] = count
            left[n_loops - 1] -= 1
            continue
        elif kind == JUMP:
            step = value
            continue
        elif kind == CALL:
            if n_calls == MAX_NESTED:
                return TOO_DEEP
            returns[n_calls] = step
            n_calls += 1
            step = value
            continue
        elif kind == RETURN:
            if n_calls == 0:
                return end if at == data.size else DAMAGED
            n_calls -= 1
            step = returns[n_calls]
            continue
        else:
            return BROKEN
        if keep:
            if at - start > out.size - end:
                return BROKEN
            for place in range(start, at):
                out[end] = data[place]
                end += 1
    return BROKEN
