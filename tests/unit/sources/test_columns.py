import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.sources.columns import check_readable, to_numbers
from lcclassify.status import Status


def numbers(column):
    problems = {}
    return to_numbers("x", column, problems).to_pylist(), problems


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None, 3], pa.int64()),
        pa.array([1, None, 3], pa.uint8()),
        pa.array([1, None, 3], pa.float32()),
        pa.array([1, None, 3], pa.decimal128(5, 2)),
        pa.array(["1", None, "3.0"]),
        pa.array(["1", None, "3"], pa.large_string()),
        pa.array([1.0, None, 3.0]).dictionary_encode(),
        pa.array(["1", None, "3"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_any_type_of_number_becomes_float64(column):
    assert numbers(column) == ([1.0, None, 3.0], {})


def test_booleans_and_nulls_are_numbers():
    assert numbers(pa.array([True, False, None])) == ([1.0, 0.0, None], {})
    assert numbers(pa.nulls(2)) == ([None, None], {})


def test_texts_for_nothing_are_null():
    texts = ["", " ", "NaN", "null", "None", "NA", "N/A", "\\N", "<NA>"]
    assert numbers(pa.array(texts)) == ([None] * len(texts), {})


def test_texts_for_infinity_and_padded_numbers_are_numbers():
    texts = ["inf", "-Infinity", " 1.5 ", "+2", ".5", "3.", "1E-3", "bad"]
    values, problems = numbers(pa.array(texts))
    assert values == [math.inf, -math.inf, 1.5, 2.0, 0.5, 3.0, 0.001, None]
    assert problems == {7: (Status.INVALID_FEATURES, "x = 'bad' is not a number")}


def test_what_only_arrow_takes_for_a_number_is_none_in_any_company():
    for texts in (["nan(1)"], ["nan(1)", "bad"], ["1", "nan(1)"]):
        assert texts.index("nan(1)") in numbers(pa.array(texts))[1]


@given(st.lists(st.floats(allow_nan=False) | st.none(), max_size=20))
def test_a_number_written_as_text_is_the_number(values):
    texts = pa.array([None if value is None else repr(value) for value in values], pa.string())
    assert numbers(texts) == (values, {})


@given(st.lists(st.text(max_size=8), max_size=10))
def test_every_text_is_a_number_or_null_or_a_problem(texts):
    values, problems = numbers(pa.array(texts, pa.string()))
    for row, (text, value) in enumerate(zip(texts, values, strict=True)):
        if value is not None:
            assert value == float(text.strip()) or math.isnan(value)
        assert (row in problems) <= (value is None)


def test_the_first_problem_of_a_row_is_kept():
    problems = {}
    to_numbers("x", pa.array(["one"]), problems)
    to_numbers("y", pa.array(["two"]), problems)
    assert problems[0].reason == "x = 'one' is not a number"


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.timestamp("ms"), pa.struct([("a", pa.int8())]), pa.binary()]
)
def test_what_can_hold_no_numbers_is_refused(kind):
    with pytest.raises(InputError) as error:
        check_readable("f.parquet", "x", kind)
    assert str(error.value) == f"f.parquet: column 'x' holds {kind}, not numbers"
