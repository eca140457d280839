"""Columns of pandas of any type: ids come back as they were, features give the same answers."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lcclassify
from lcclassify.frames import from_pandas
from lcclassify.testing import TOY_FEATURES as FEATURES

RNG = np.random.default_rng(5)
N = 16
VALUES = {name: RNG.normal(0, 1, N).round(2) for name in FEATURES}
OBJECTS = pa.table({"oid": [f"ZTF18{n}" for n in range(N)]} | VALUES)
BIG = 2**62 + 1  # no floating-point number
OBSERVATIONS = pa.table(
    {
        "mjd": [60000.0, 60001.0, 60002.0, 60003.0],
        "band": ["g", "r", "i", "z"],
        "FLUXCAL": [10.0, 20.0, 30.0, 40.0],
        "FLUXCALERR": [1.0, 1.0, 2.0, 2.0],
    }
)


IDS_OF_KINDS = {
    "int64": pd.Series([BIG, 3]),
    "uint64": pd.Series([2**64 - 1, 3], dtype="uint64"),
    "Int64 with a null": pd.Series([BIG, None], dtype="Int64"),
    "pyarrow with a null": pd.Series([BIG, None], dtype="int64[pyarrow]"),
    "objects with a null": pd.Series([BIG, None], dtype=object),
    "objects with NaN": pd.Series([BIG, float("nan")], dtype=object),
    "string": pd.Series(["a", None], dtype="string"),
    "texts of pyarrow": pd.Series(["a", "b"], dtype=pd.ArrowDtype(pa.string())),
    "texts": pd.Series(["a", "b"]),
}


@pytest.mark.parametrize("kind", IDS_OF_KINDS)
@pytest.mark.parametrize("as_index", [False, True])
def test_ids_come_back_as_they_were(forest_path, kind, as_index):
    frame = OBJECTS.to_pandas().head(2)
    frame["oid"] = IDS_OF_KINDS[kind]
    result = lcclassify.classify_table(frame.set_index("oid") if as_index else frame, forest_path)
    assert result["oid"].isna().tolist() == frame["oid"].isna().tolist()
    assert list(result["oid"].dropna()) == list(frame["oid"].dropna())
    assert result["oid"].dtype == frame["oid"].dtype


@pytest.mark.parametrize("kind", IDS_OF_KINDS)
def test_ids_of_observations_come_back_as_they_were(network_path, kind):
    ids = IDS_OF_KINDS[kind]
    frame = OBSERVATIONS.to_pandas()
    frame["oid"] = ids.take([0, 0, 1, 0]).array
    result = lcclassify.classify_table(frame, network_path, min_coverage=0)
    assert list(result.index.dropna()) == list(result["oid"].dropna()) == list(ids.dropna())
    assert result["oid"].dtype == ids.dtype
    assert len(result) == 2


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series([b"7  ", b"8\0"], dtype=object),
        pd.Series([b"7  ", "8"], dtype=object),
        pd.Series([b"7 ", b"8 "], dtype=pd.ArrowDtype(pa.binary())),
        pd.Series([b"7 ", b"8 "], dtype="category"),
        pd.Series(["7", "8"], dtype="category"),
        pd.Series([7, "8"], dtype=object),
    ],
    ids=str,
)
def test_bytes_and_mixed_ids_are_text(forest_path, ids):
    frame = OBJECTS.to_pandas().head(2)
    frame["oid"] = ids
    assert list(lcclassify.classify_table(frame, forest_path)["oid"]) == ["7", "8"]


FEATURES_OF_KINDS = {
    "nullable": lambda values: pd.Series(values, dtype="Float64"),
    "pyarrow": lambda values: pd.Series(values, dtype="double[pyarrow]"),
    "decimal": lambda values: pd.Series(values).astype(pd.ArrowDtype(pa.decimal128(9, 2))),
    "texts": lambda values: pd.Series(values).astype(str),
    "big-endian": lambda values: pd.Series(values.astype(">f8")),
    "long": lambda values: pd.Series(values.astype(np.longdouble)),
    "objects": lambda values: pd.Series(values, dtype=object),
    "objects of several kinds": lambda values: pd.Series(
        [(float, str, lambda v: str(v).encode())[n % 3](v) for n, v in enumerate(values)]
    ),
    "category": lambda values: pd.Series(values, dtype="category"),
    "category of bytes": lambda values: pd.Series([str(v).encode() for v in values]).astype(
        "category"
    ),
    "sparse": lambda values: pd.Series(pd.arrays.SparseArray(values)),
}


@pytest.mark.parametrize("kind", FEATURES_OF_KINDS)
def test_features_of_any_type_give_the_same_answers(forest_path, kind):
    expected = lcclassify.classify_table(OBJECTS, forest_path)
    convert = FEATURES_OF_KINDS[kind]
    frame = pd.DataFrame(
        {"oid": OBJECTS["oid"]} | {name: convert(VALUES[name]) for name in FEATURES}
    )
    result = lcclassify.classify_table(frame, forest_path)
    assert set(result["status"]) == {"ok"}
    assert list(result["class"]) == expected["class"].to_pylist()
    assert list(result["probability"]) == expected["probability"].to_pylist()


@pytest.mark.parametrize("kind", ["nullable", "pyarrow", "objects", "big-endian", "sparse"])
def test_nulls_of_any_type_are_nulls(kind):
    series = FEATURES_OF_KINDS[kind](np.array([np.nan, 0.5]))
    assert from_pandas(pd.DataFrame({"x": series}))["x"].to_pylist() == [None, 0.5]
