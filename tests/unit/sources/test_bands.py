"""Bands as surveys write them."""

import csv
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.batch import BANDS
from lcclassify.remarks import LONGEST, OTHERS
from lcclassify.sources.bands import MOST_SPELLINGS, Spellings, band_text

ROWS = list(
    csv.DictReader(
        (files("lcclassify") / "catalogue" / "bands.csv").read_text("utf-8").splitlines()
    )
)


def codes(values, declared=None):
    spellings = Spellings(declared)
    numbers = spellings.read(pa.array(values))
    return spellings.codes[numbers].tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["u", "g", "r", "i", "z", "Y", "y"], [0, 1, 2, 3, 4, 5, 5]),
        (["z ", " Y", "", "U", "gr", "R", " g", None], [4, -1, -1, -1, -1, -1, -1, -1]),
        (["lsst_g", "LSST-r", "lssti", "z_LSST", "LSST_y"], [1, 2, 3, 4, 5]),
        (["zg", "ztfr", "i_ZTF", "ZTF_g", "r-ZTF", "ztf:i"], [1, 2, 3, 1, 2, 3]),
        (["sdssg", "ps1::r", "g-Sloan", "desz", "decamY"], [1, 2, 1, 4, 5]),
        (["0", "5", "6", "-1", "r"], [0, 5, -1, -1, 2]),
        (["1.0", "2.000", "2.5", "g.0"], [1, 2, -1, -1]),
        (["b'g '", 'b"r"', "b'", "b''"], [1, 2, -1, -1]),
        ([b"g ", b"r\0\0", b"\xff", b"zg  "], [1, 2, -1, 1]),
        ([0, 1, 5, 6, -1, None], [0, 1, 5, -1, -1, -1]),
        ([0.0, 5.0, 2.5, None], [0, 5, -1, -1]),
        ([True], [-1]),
        ([None, None], [-1, -1]),
        ([], []),
    ],
)
def test_a_band_is_a_letter_its_index_or_a_name(values, expected):
    assert codes(values) == expected


def test_the_table_of_names_has_bands_of_the_model_or_says_that_they_are_none():
    assert {row["band"] for row in ROWS} == {*BANDS, ""}
    assert {row["system"] for row in ROWS} == {"AB", "Vega", ""}
    assert all(row["system"] == "AB" for row in ROWS if row["band"])


@given(st.sampled_from(ROWS), st.sampled_from(["", " ", "_", "-", ":", "."]), st.booleans())
def test_case_and_separators_do_not_matter_in_names(row, separator, upper):
    name = row["spelling"]
    if len(name) > 1:
        for mark in ("::", "_"):
            name = name.replace(mark, separator)
        name = name.upper() if upper else name.lower()
    expected = BANDS.index(row["band"]) if row["band"] else -1
    assert codes([name, f"{name}  ", f"b'{name} '", name.encode()]) == [expected] * 4


@given(st.lists(st.none() | st.text(max_size=4), max_size=30), st.integers(0, 3))
def test_pieces_are_read_as_the_whole_is_and_dictionaries_as_their_values(values, cut):
    column = pa.array(values, pa.string())
    spellings = Spellings()
    whole = spellings.read(column)
    pieces = [spellings.read(column.slice(0, cut)), spellings.read(column.slice(cut))]
    assert np.concatenate(pieces).tolist() == whole.tolist()
    assert spellings.read(column.dictionary_encode()).tolist() == whole.tolist()
    texts = [spellings.known[number].text for number in whole.tolist()]
    assert texts == [(value and band_text(value)) or "(none)" for value in values]


def test_a_column_of_something_else_has_only_so_many_spellings():
    spellings = Spellings()
    found = spellings.read(pa.array([f"no band {n}" for n in range(5 * MOST_SPELLINGS)]))
    assert len(spellings.known) == MOST_SPELLINGS + 2
    assert spellings.known[int(found[-1])].text == OTHERS
    long = spellings.read(pa.array(["x" * 100_000]))
    assert len(spellings.known[int(long[0])].text) <= LONGEST + 3


def test_declared_codes_are_the_only_bands():
    assert codes(["1", "g"], {"1": 2}) == [2, -1]
    assert codes([1, 2, None], {"1": 2}) == [2, -1, -1]
    assert codes(["1.0"], {"1": 2}) == [2]
