"""The compiled walk in plain Python, on arrays that refuse every place that is none of theirs."""

from types import SimpleNamespace
from unittest.mock import patch

import numpy as np

from lcclassify.stream.decoding import narrow_kernel


class OutsideError(Exception):
    """A place before the first or behind the last."""


class Checked:
    """An array whose places are counted from its start alone."""

    def __init__(self, values):
        self.values = values
        self.shape, self.size = values.shape, values.size

    def __getitem__(self, place):
        return self.values[self._inside(place)]

    def __setitem__(self, place, value):
        self.values[self._inside(place)] = value

    def _inside(self, place):
        numbers = place if isinstance(place, tuple) else (place,)
        if len(numbers) != len(self.shape) or not all(
            0 <= number < size for number, size in zip(numbers, self.shape, strict=True)
        ):
            raise OutsideError(f"{place} of {self.shape}")
        return place


CHECKED_NUMPY = SimpleNamespace(
    empty=lambda size, kind: Checked(np.empty(size, kind)),
    int64=np.int64,
    uint64=np.uint64,
    uint8=np.uint8,
)


def checked_walk(data, code, branches, out):
    """What ``walk`` returns. OutsideError if it leaves an array."""
    with (
        patch.object(narrow_kernel, "varint", narrow_kernel.varint.py_func),
        patch.object(narrow_kernel, "np", CHECKED_NUMPY),
        np.errstate(over="ignore"),  # a length of 64 bits
    ):
        return int(narrow_kernel.walk.py_func(*map(Checked, (data, code, branches, out))))
