import pickle
import struct

import numpy as np
import pandas as pd
import pytest

from lcclassify.legacy.names import NAME_LIST_NAMES, to_names
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import Record, RefusedError

NAMES = ("Power_rate_1/2", "g-r_max", "W1-W2", "iqr_ß")
CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "list of numpy texts": lambda names: list(np.array(names)),
    "object array": lambda names: np.array(names, dtype=object),
    "text array": np.array,
    "object Index": lambda names: pd.Index(names, dtype=object),
    "arrow Index": lambda names: pd.Index(names, dtype="string[pyarrow]"),
}


def read(value, protocol=5):
    return to_names(read_pickle(pickle.dumps(value, protocol), NAME_LIST_NAMES), "the list")


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container(container, protocol):
    assert read(CONTAINERS[container](NAMES), protocol) == NAMES


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "the list is empty"),
        ({}, "a dict of 0 where a list of names is expected"),
        ("abc", "'abc' where a list of names is expected"),
        (["a", 1], "the list holds 1, where only names are expected"),
        (["a", ["b"]], "the list holds a list of 1, where only names are expected"),
        (["a", "b", "a"], "the list holds 'a' twice"),
        (["a", ""], "the list holds '', which cannot be a name"),
        (["\x1b[31m"], r"the list holds '\\x1b\[31m', which cannot be a name"),
        (np.arange(3), "the list holds 0, where only names are expected"),
        (np.array([["a"]]), "an array of 2 dimensions where a list of names is expected"),
        (np.array("a"), "an array of 0 dimensions where a list of names is expected"),
        (np.float64(1), "numpy scalar where a list of names is expected"),
    ],
)
def test_no_names(value, reason):
    with pytest.raises(RefusedError, match=reason):
        read(value)


def arrow(ends, texts=b"abc", *, alias="large_string", length=2, nulls=0):
    kind = Record("arrow type", (alias,))
    buffers = [
        Record("arrow buffer", (memoryview(data),)) if isinstance(data, bytes) else data
        for data in (ends, texts)
    ]
    array = Record("arrow array", ((kind, length, nulls, 0, [None, *buffers], [], None),))
    strings = Record("arrow strings", (), {"_pa_array": array})
    return Record("pandas Index", (None, {"data": strings, "name": None}))


def test_arrow_strings_of_both_widths():
    assert to_names(arrow(struct.pack("<3q", 0, 1, 3)), "it") == ("a", "bc")
    assert to_names(arrow(struct.pack("<3i", 0, 1, 3), alias="string"), "it") == ("a", "bc")


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (arrow(struct.pack("<3q", 0, 1, 4)), "whose texts lie outside its bytes"),
        (arrow(struct.pack("<3q", -1, 1, 3)), "whose texts lie outside its bytes"),
        (arrow(struct.pack("<3q", 0, 3, 1)), "whose texts lie outside its bytes"),
        (arrow(struct.pack("<2q", 0, 1)), "shorter than its length says"),
        (arrow(struct.pack("<3q", 0, 1, 3), length=2**60), "shorter than its length says"),
        (arrow(struct.pack("<3q", 0, 1, 3), b"a\xff\xff"), "text that is not UTF-8"),
        (arrow(struct.pack("<3q", 0, 1, 3), alias="int64"), "something else than text"),
        (arrow(struct.pack("<3q", 0, 1, 3), nulls=1), "not a plain list of texts"),
        (Record("pandas Index", (None, {"data": "abc"})), "'abc' where an array is expected"),
        (arrow("text"), "'text' where an Arrow buffer is expected"),
        (Record("pandas Index", ()), "pandas Index where a list of names is expected"),
    ],
)
def test_odd_indexes(index, reason):
    with pytest.raises(RefusedError, match=reason):
        to_names(index, "it")
