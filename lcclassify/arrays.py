"""NumPy's arrays as Arrow's, whatever byte order, masks or cells they have."""

from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa

from lcclassify.sources.columns import PADDING

UNREADABLE = (pa.ArrowException, TypeError, ValueError, OverflowError)  # to Arrow
ARROW_FLOATS = (4, 8)  # bytes; it lacks long doubles, and does little with half ones


def to_arrow(values: np.ndarray, null: np.ndarray | None = None) -> pa.Array:
    """An array (N, ...) as a column of N values, or of lists where it has more dimensions.

    ``null``, of the same shape, says what has no value; nor has NaN. Values of several kinds
    become text, of which each is read for itself; bytes stay bytes, which readers take for text.
    """
    if values.ndim > 1:
        return _lists(values, null)
    values = _native(values)
    if values.dtype.kind == "S":
        values = values.astype(object)
    elif values.dtype.kind == "f" and null is not None:
        null = null | np.isnan(values)  # beside a mask, Arrow does not look for NaN
    has_arrays = values.dtype.kind == "O" and any(isinstance(cell, np.ndarray) for cell in values)
    for convert in (_native_cells, _listed_cells) if has_arrays else (np.asarray,):
        with suppress(*UNREADABLE):
            return pa.array(convert(values), mask=null, from_pandas=True)
    return pa.array([_text(value) for value in values], pa.string(), mask=null)


def some_in_lists(values: np.ndarray, null: np.ndarray | None, kept: np.ndarray) -> pa.Array:
    """Those values of each row that are kept, as lists. All (N, W); see ``to_arrow``."""
    items = to_arrow(values[kept], None if null is None else null[kept])
    offsets = np.concatenate(([0], np.cumsum(kept.sum(axis=1))))
    return pa.LargeListArray.from_arrays(pa.array(offsets), items)


def _lists(values: np.ndarray, null: np.ndarray | None) -> pa.Array:
    column = to_arrow(values.reshape(-1), None if null is None else null.reshape(-1))
    for dimension in range(values.ndim - 1, 0, -1):
        n_lists = int(np.prod(values.shape[:dimension]))
        offsets = np.arange(n_lists + 1, dtype=np.int64) * values.shape[dimension]
        column = pa.LargeListArray.from_arrays(pa.array(offsets), column)
    return column


def _native(values: np.ndarray) -> np.ndarray:
    """The same numbers, in this machine's order of bytes and of a width that Arrow has."""
    if values.dtype.kind == "f" and values.dtype.itemsize not in ARROW_FLOATS:
        return values.astype(np.float64)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _native_cells(values: np.ndarray) -> np.ndarray:
    """Cells, of which arrays are such as Arrow reads at once, if all are of one type."""
    cells = values.copy()
    for row, cell in enumerate(values):
        if isinstance(cell, np.ma.MaskedArray):
            cells[row] = cell.tolist()
        elif isinstance(cell, np.ndarray):
            cells[row] = _native(cell)
    return cells


def _listed_cells(values: np.ndarray) -> list[Any]:
    """Cells, of which arrays are lists: one item is like another, whatever arrays they were in."""
    return [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in values]


def _text(value: Any) -> str | None:
    """A value of an odd kind as text; None if it is one of the many that mean null."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip(PADDING)
    try:
        is_null = bool(not pa.scalar(value, from_pandas=True).is_valid or value != value)
    except UNREADABLE:
        is_null = False
    return None if is_null else str(value)
