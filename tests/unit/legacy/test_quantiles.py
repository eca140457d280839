import io
import pickle
import zlib

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import QuantileTransformer

from lcclassify.legacy.joblib_files import MAX_JOBLIB_BYTES, read_joblib
from lcclassify.legacy.quantiles import read_quantiles
from lcclassify.legacy.records import RefusedError

COMPRESSIONS = [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)]


def dump(value, compress=0):
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress)
    return buffer.getvalue()


def refusal(data):
    with pytest.raises(RefusedError) as caught:
        read_quantiles(data)
    return str(caught.value)


@pytest.mark.parametrize("compress", COMPRESSIONS, ids=str)
@pytest.mark.parametrize("names", [None, ["norm_a", "norm_b/c", "norm_d"]])
def test_quantiles_are_those_of_scikit_learn(fit_quantiles, compress, names):
    fitted = fit_quantiles(3, names)
    read = read_quantiles(dump(fitted, compress))
    assert read.names == (names and ("a", "b/c", "d"))
    assert read.saved_with == fitted.__getstate__()["_sklearn_version"]
    for column, table in enumerate(read.tables):
        assert np.array_equal(table.quantiles, fitted.quantiles_[:, column])
        assert np.array_equal(table.references, fitted.references_)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<i8"])
def test_arrays_keep_their_order_and_type(order, dtype):
    array = np.arange(12).reshape(3, 4).astype(dtype, order=order)
    read = read_joblib(dump([array, array[:, 0]]), {})
    assert np.array_equal(read[0], array)
    assert np.array_equal(read[1], array[:, 0])
    assert read[0].dtype == array.dtype


def changed(fitted, **attributes):
    copy = QuantileTransformer()
    copy.__dict__ = fitted.__dict__ | attributes
    return dump(copy)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        (
            {"output_distribution": "uniform"},
            "its output_distribution is 'uniform', expected 'normal'",
        ),
        ({"references_": None}, "references_ is no array of numbers with 1 dimensions"),
        ({"n_features_in_": 2}, "quantiles_ of shape (20, 1), expected (20, 2)"),
        (
            {"quantiles_": np.linspace(1, 0, 20)[:, None]},
            "the quantiles of column 0 are not ascending",
        ),
        (
            {"quantiles_": np.full((20, 1), np.nan)},
            "the quantiles of column 0 hold a value that is not finite",
        ),
        (
            {"references_": np.linspace(0, 2, 20)},
            "the references of column 0 are not within 0 and 1",
        ),
        (
            {"feature_names_in_": np.array(["a", "b"], object)},
            "feature_names_in_ is not an array of 1 names",
        ),
    ],
)
def test_unsound_transformers_are_refused(fit_quantiles, attributes, reason):
    assert refusal(changed(fit_quantiles(), **attributes)) == reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dump({"a": 1}), "a dict of 1 where a QuantileTransformer is expected"),
        (b"", "the file is empty"),
        (zlib.compress(b"N.")[:-2], "its compressed data are cut off, or something follows them"),
        (zlib.compress(b"N.") + b"x", "its compressed data are cut off, or something follows them"),
        (dump(1) + b"x", "1 bytes follow the end of the pickle"),
        (
            zlib.compress(bytes(MAX_JOBLIB_BYTES + 1)),
            f"more than {MAX_JOBLIB_BYTES} bytes when decompressed",
        ),
        (bytes(MAX_JOBLIB_BYTES + 1), f"it has {MAX_JOBLIB_BYTES + 1} bytes, at most "),
    ],
)
def test_other_files_are_refused(data, reason):
    assert refusal(data).startswith(reason)


def test_an_object_array_is_read_by_the_same_rules():
    class Call:
        def __reduce__(self):
            return print, ("golden",)

    assert "it names builtins.print, which is not among" in refusal(
        dump(np.array([Call()], dtype=object))
    )


def test_an_array_larger_than_the_file_is_refused():
    data = dump(np.zeros(300))
    assert b"M\x2c\x01\x85" in data
    with pytest.raises(RefusedError, match="truncated: 524280 bytes are announced"):
        read_joblib(data.replace(b"M\x2c\x01\x85", b"M\xff\xff\x85"), {})


@given(data=st.data(), compress=st.sampled_from([0, ("zlib", 3), ("xz", 3)]))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_refused_or_are_sound(data, compress):
    bytes_ = bytearray(SAVED[str(compress)])
    for _ in range(data.draw(st.integers(0, 3))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(bytes_)) | st.just(len(bytes_)))
    try:
        read = read_quantiles(bytes(bytes_[:cut]))
    except RefusedError:
        return
    assert all(np.isfinite(table.quantiles).all() for table in read.tables)


def test_the_files_of_these_tests_are_no_plain_pickles():
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(SAVED["0"])


def fit():
    values = np.random.default_rng(0).normal(size=(60, 2))
    return QuantileTransformer(n_quantiles=20, output_distribution="normal").fit(values)


SAVED = {str(way): dump(fit(), way) for way in COMPRESSIONS}
