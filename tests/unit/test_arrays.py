"""NumPy's arrays become Arrow's, whatever they are made of."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lcclassify.arrays import to_arrow

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")


def dtypes():
    return st.builds(
        lambda kind, order: np.dtype(kind).newbyteorder(order),
        st.sampled_from(NUMBERS),
        st.sampled_from("<>"),
    )


def cells(*values):
    array = np.empty(len(values), object)
    for row, value in enumerate(values):
        array[row] = value
    return array


def with_nulls(values, null):
    """Nested lists, None where there is no value."""
    if values.ndim:
        return [with_nulls(*each) for each in zip(values, null, strict=True)]
    return None if null or np.isnan(values) else values.item()


@given(data=st.data(), dtype=dtypes())
@settings(max_examples=200, deadline=None)
def test_every_value_of_a_masked_array_is_kept_or_null(data, dtype):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    values = data.draw(hnp.arrays(dtype, shape))
    null = data.draw(st.none() | hnp.arrays(bool, shape))
    there = np.zeros(shape, bool) if null is None else null
    column = to_arrow(values, null)
    assert column.to_pylist() == with_nulls(values, there)
    column.validate(full=True)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_arrays_in_cells_are_lists_whatever_they_hold(data):
    arrays = st.builds(
        lambda values, dtype: np.array(values).astype(dtype),
        st.lists(st.integers(0, 99), max_size=3),
        dtypes().filter(lambda dtype: dtype.kind != "b"),
    )
    drawn = data.draw(st.lists(st.none() | arrays, max_size=4))
    expected = [None if value is None else value.tolist() for value in drawn]
    assert to_arrow(cells(*drawn)).to_pylist() == expected


def test_what_is_masked_in_a_cell_is_null():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    assert to_arrow(cells(masked, np.array([3], ">f4"))).to_pylist() == [[None, 2.0], [3.0]]


def test_cells_of_several_dimensions_are_lists_of_lists():
    assert to_arrow(cells(np.ones((2, 1)), None)).to_pylist() == [[[1.0], [1.0]], None]


def test_values_of_several_kinds_are_text_of_which_nulls_are_null():
    nulls = [None, float("nan"), np.float32("nan"), np.datetime64("NaT", "s")]
    values = cells(1, "a", b"b ", 2.5, 2**70, *nulls)
    texts = ["1", "a", "b", "2.5", "1180591620717411303424"]
    assert to_arrow(values).to_pylist() == texts + [None] * 4


@pytest.mark.parametrize("values", [np.array([1j]), np.zeros(1, [("a", float)])], ids=str)
def test_what_arrow_has_no_type_for_is_text(values):
    assert pa.types.is_string(to_arrow(values).type)
