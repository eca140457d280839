import pickle

import numpy as np
import pytest

from lcclassify.legacy.arrays import NUMPY_NAMES, to_array, to_bytes, to_integer, to_scalar
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import Record, RefusedError

NODE = np.dtype({"names": ["a", "b"], "formats": ["<i8", "u1"], "offsets": [0, 8], "itemsize": 16})
ARRAYS = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(5, dtype=">i4"),
    np.array([True, False]),
    np.array(["SNIa", "CV/Nova", "é"]),
    np.array([b"a", b"bc"]),
    np.array([(1, 2), (3, 4)], dtype=NODE),
    np.array(["a", None, 1, 2.5, True], dtype=object),
    np.array(7, dtype="u2"),
    np.arange(12, dtype="f4").reshape(2, 1, 6),
]


def read(value, protocol=5):
    return read_pickle(pickle.dumps(value, protocol), NUMPY_NAMES)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back(array, protocol):
    rebuilt = to_array(read(array, protocol))
    assert rebuilt.dtype == array.dtype
    assert rebuilt.shape == array.shape
    assert rebuilt.tolist() == array.tolist()
    assert rebuilt.dtype.hasobject or not rebuilt.flags.writeable  # a view into the file


@pytest.mark.parametrize("protocol", range(2, 6))
def test_scalars_come_back(protocol):
    values = [np.float64(0.1), np.int64(-3), np.bool_(True), np.str_("SNIa"), 4, "x", None]
    assert [to_scalar(value) for value in read(values, protocol)] == [
        0.1,
        -3,
        True,
        "SNIa",
        4,
        "x",
        None,
    ]
    assert to_integer(read(np.int32(7), protocol), "seven") == 7


def test_numpy_one_spelling():
    data = pickle.dumps(np.arange(3), 4).replace(
        b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray"
    )
    data = data.replace(data[3:11], (len(data) - 11).to_bytes(8, "little"))
    assert to_array(read_pickle(data, NUMPY_NAMES)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("value", [1.5, True, "1", None, np.float64(1), np.arange(2)])
def test_not_an_integer(value):
    with pytest.raises(RefusedError, match=r"node_count is|where a number or a text is expected"):
        to_integer(read(value), "node_count")


def described(code="f8", order="<", subtype=None, names=None, fields=None, version=3):
    state = (version, order, subtype, names, fields, -1, -1, 0)
    return Record("numpy dtype", (code, False, True), state)


def array_of(content, shape=(1,), dtype=None, version=1):
    return Record("numpy array", (), (version, shape, dtype or described(), False, content))


EIGHT = memoryview(bytes(8))
NODES = {"names": ("a",), "fields": {"a": (described(), 0)}}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (EIGHT, "bytes where an array is expected"),
        (Record("tree", ()), "tree where an array is expected"),
        (Record("numpy array", (), None), "numpy array where an array is expected"),
        (array_of(EIGHT, version=2), "numpy array where an array is expected"),
        (array_of(EIGHT, shape=[1]), "numpy array where an array is expected"),
        (array_of(EIGHT, shape=(2,)), "an array of 16 bytes by its shape has 8 bytes"),
        (array_of(EIGHT, shape=(2**31 - 1, 2**20)), "not made of ordinary lengths"),
        (array_of(EIGHT, shape=(0, 2**62)), "not made of ordinary lengths"),
        (array_of(EIGHT, shape=(-1,)), "not made of ordinary lengths"),
        (array_of(EIGHT, shape=("1",)), "not made of ordinary lengths"),
        (array_of(EIGHT, shape=(1,) * 9), "an array of 9 dimensions"),
        (array_of([1.0]), "a list of 1 where bytes are expected"),
        (array_of(EIGHT, dtype=described("O8")), "an array of 1 objects has bytes"),
        (array_of([[]], dtype=described("O8")), "an array of plain values holds a list of 0"),
        (array_of([1, 2], dtype=described("O8")), "an array of 1 objects has a list of 2"),
        (array_of(EIGHT, dtype=described("M8")), "an array of type 'M8' is not read"),
        (array_of(EIGHT, dtype=described("U0")), "an array of type 'U0' is not read"),
        (array_of(EIGHT, dtype=described("f8,f8")), "an array of type 'f8,f8' is not read"),
        (array_of(EIGHT, dtype=described(order="=")), "byte order '=' is not known"),
        (array_of(EIGHT, dtype=described(subtype=(1,))), "where the type of an array is expected"),
        (array_of(EIGHT, dtype=described(version=9)), "where the type of an array is expected"),
        (array_of(EIGHT, dtype="f8"), "'f8' where the type of an array is expected"),
        (array_of(EIGHT, dtype=described("V8")), "a record type without fields"),
        (
            array_of(EIGHT, dtype=described("V8", names=("a", "b"), fields=NODES["fields"])),
            "without a description of its field 'b'",
        ),
        (
            array_of(EIGHT, dtype=described("V8", names=("a", "a"), fields=NODES["fields"])),
            "a record type names a field twice",
        ),
        (array_of(EIGHT, dtype=described("V4", **NODES)), "field 'a' lies outside its record of 4"),
        (
            array_of(
                EIGHT, dtype=described("V8", names=("a",), fields={"a": (described("O8"), 0)})
            ),
            "an array of type 'O8' is not read",
        ),
    ],
)
def test_arrays_refused(value, reason):
    with pytest.raises(RefusedError, match=reason):
        to_array(value)


def test_text_that_is_not_unicode():
    beyond = memoryview(b"\xff\xff\xff\x7f")
    with pytest.raises(RefusedError, match="an array of text that is not Unicode"):
        to_scalar(Record("numpy scalar", (described("U1"), beyond)))


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("value", [b"", b"\x00\xff", bytearray(), bytearray(b"\x00\xff")])
def test_bytes_come_back(value, protocol):
    assert to_bytes(read(value, protocol)) == value


def test_bytes_refused():
    nested = Record("bytes object", (Record("bytes object", ()),))
    with pytest.raises(RefusedError, match="bytes object where bytes are expected"):
        to_bytes(nested)
    with pytest.raises(RefusedError, match="bytes written as text that is not Latin-1"):
        to_bytes(Record("bytes as text", ("\u1234", "latin1")))
    with pytest.raises(RefusedError, match="bytes as text where bytes are expected"):
        to_bytes(Record("bytes as text", ("a", "utf-16")))
