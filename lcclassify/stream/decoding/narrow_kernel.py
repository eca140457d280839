"""The compiled walk over an Avro message, by instructions. Importing this costs Numba."""

from typing import Any

import numpy as np

from lcclassify.predictors.kernels import compiled
from lcclassify.stream.decoding.instructions import (
    BEGIN,
    BYTES,
    CALL,
    FIXED,
    JUMP,
    MAX_NESTED,
    NEXT,
    RETURN,
    UNION,
    VARINT,
)


@compiled
def varint(data: np.ndarray, at: int) -> Any:
    """The number at a place, and the place after it; -1 if there is none of 64 bits."""
    value, shift = np.uint64(0), np.uint64(0)
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
    """Append to ``out`` what is kept of a message; its length, or -1 if the message is damaged.

    Every length is checked before it is believed. ``out`` is as long as ``data``: no part of a
    message is longer than it was.
    """
    returns = np.empty(MAX_NESTED, np.int64)
    left = np.empty(MAX_NESTED, np.int64)  # items of a block that are still to come
    began = np.empty(MAX_NESTED, np.int64)  # where the last item did
    n_calls, n_loops, at, end, step = 0, 0, 0, 0, 0
    while True:
        kind, value, keep = code[step, 0], code[step, 1], code[step, 2]
        step += 1
        start = at
        if kind == FIXED:
            if value > data.size - at:
                return -1
            at += value
        elif kind in (VARINT, BYTES, UNION):
            number, at = varint(data, at)
            if at < 0:
                return -1
            if kind == BYTES:
                if number < 0 or number > data.size - at:
                    return -1
                at += number
            elif kind == UNION:
                if number < 0 or number >= code[step - 1, 3]:
                    return -1
                step = branches[value + number]
        elif kind == BEGIN:
            left[n_loops], began[n_loops] = 0, -1
            n_loops += 1
            continue
        elif kind == NEXT:
            loop = n_loops - 1
            if began[loop] == at:  # an item of no bytes: a few could claim any number of them
                return -1
            if left[loop] == 0:
                count, at = varint(data, at)
                if at < 0:
                    return -1
                if count < 0:  # then the length of the block follows
                    length, at = varint(data, at)
                    count = -count
                    if at < 0 or count < 0 or length < 0 or length > data.size - at:
                        return -1
                    if not keep:
                        at += length
                        began[loop] = -1
                        step -= 1
                        continue
                if keep:
                    coded = np.uint64(count) << np.uint64(1)
                    while coded >= 128:
                        out[end] = np.uint8(coded & np.uint64(0x7F)) | np.uint8(0x80)
                        end += 1
                        coded >>= np.uint64(7)
                    out[end] = np.uint8(coded)
                    end += 1
                if count == 0:
                    n_loops -= 1
                    step = value
                    continue
                left[loop] = count
            left[loop] -= 1
            began[loop] = at
            continue
        elif kind == JUMP:
            step = value
            continue
        elif kind == CALL:
            returns[n_calls] = step
            n_calls += 1
            step = value
            continue
        elif kind == RETURN:
            if n_calls == 0:
                return end if at == data.size else -1
            n_calls -= 1
            step = returns[n_calls]
            continue
        if keep:
            for place in range(start, at):
                out[end] = data[place]
                end += 1
