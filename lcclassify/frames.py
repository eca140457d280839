"""pandas frames as Arrow tables, and answers as frames; pandas itself is not imported.

A row per object is answered under its own index. An answer for several rows is indexed by its
object. Ids keep their type, so that integers with nulls never become floating-point numbers.
"""

import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.arrays import UNREADABLE, to_arrow
from lcclassify.errors import InputError


def is_frame(value: object) -> bool:
    """Whether something is a pandas frame, for which pandas has been imported."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def from_pandas(frame: Any) -> pa.Table:
    """The columns of a frame, and the levels of its index that have a name.

    InputError if two have one name. A level that repeats a column, as ``set_index(drop=False)``
    leaves it, is that column.
    """
    if not frame.columns.is_unique:
        raise InputError("the frame has two columns of one name")
    found: dict[str, Any] = {}
    for name, series in _named(frame):
        column = series_column(series)
        if name in found and found[name].to_pylist() != column.to_pylist():
            raise InputError(
                f"the frame has two columns {name!r}, its index counted, which are not the same; "
                "rename one of them"
            )
        # Objects that are all null, or none: texts, most likely, and these may be ids.
        found[name] = column.cast(pa.string()) if pa.types.is_null(column.type) else column
    return pa.table(found)


def series_column(series: Any) -> Any:
    """A series or an index as an Arrow array, which may be chunked.

    Mixed values are text, of which each is read for itself.
    """
    if isinstance(series.dtype, np.dtype):
        return to_arrow(series.to_numpy())
    try:
        return pa.Array.from_pandas(series)
    except UNREADABLE:
        return to_arrow(np.asarray(series, object))


def answers_frame(
    answers: pa.Table, id_name: str, frame: Any, id_column: str, *, by_object: bool, tidy: bool
) -> Any:
    """Answers to a frame's rows, in their order, with their index; or by object, with its id.

    With ``tidy``, each row about an object has the index of the object's row. The ids are those
    of a column of the frame's.
    """
    dtype = next((series.dtype for name, series in _named(frame) if name == id_column), None)
    found = answers.to_pandas()
    found[id_name] = _ids(answers.select([id_name]), dtype)[id_name]
    if by_object:  # without its name, which pandas could not tell from the column's
        return found.set_index(id_name, drop=False).rename_axis(None)
    index = frame.index
    # A copy shares the values, not the name: a new one must not change the frame.
    found.index = index.take(_rows(answers)) if tidy else index.copy()
    return found


def _ids(ids: pa.Table, dtype: Any) -> Any:
    """Ids in the type of pandas that they came in, if it holds integers or texts and nulls."""
    keeps = hasattr(dtype, "__from_arrow__") and issubclass(dtype.type, (int, np.integer, str))
    return ids.to_pandas(
        integer_object_nulls=True, types_mapper=(lambda kind: dtype) if keeps else None
    )


def _rows(tidy: pa.Table) -> np.ndarray:
    """The object, by its number, that each row of a tidy table is about. (N,) int64"""
    first = pc.fill_null(pc.equal(tidy["ranking"], 1), True)  # null: the only one of its object
    return np.cumsum(first.to_numpy()) - 1


def _named(frame: Any) -> list[tuple[str, Any]]:
    """The levels of a frame's index that have a name, and its columns."""
    index = frame.index
    levels = [
        (str(name), index.get_level_values(number))
        for number, name in enumerate(index.names)
        if name is not None
    ]
    return [*levels, *((str(label), frame[label]) for label in frame.columns)]
