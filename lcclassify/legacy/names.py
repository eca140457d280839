"""Lists of names in the containers they were saved in: list, array, pandas Index, Arrow strings."""

from itertools import pairwise

import numpy as np

from lcclassify.legacy.arrays import NUMPY_NAMES, listed, to_array, to_bytes, to_scalar
from lcclassify.legacy.records import Record, RefusedError, attribute, brief

NAME_LIST_NAMES = NUMPY_NAMES | {
    ("pandas.core.indexes.base", "_new_Index"): "pandas Index",
    ("pandas.core.indexes.base", "Index"): "class of a pandas Index",
    ("pandas", "Index"): "class of a pandas Index",
    ("pandas.arrays", "ArrowStringArray"): "arrow strings",  # an Index of strings, pandas 3
    ("pandas.core.arrays.string_arrow", "ArrowStringArray"): "arrow strings",
    ("pandas.core.arrays.string_arrow", "ArrowStringArrayNumpySemantics"): "arrow strings",
    ("pandas", "StringDtype"): "string type",
    ("pandas.core.arrays.string_", "StringDtype"): "string type",
    ("pandas", "NA"): "missing value",  # what such a type would show for one
    ("pandas._libs.missing", "NA"): "missing value",
    ("pyarrow.lib", "_restore_array"): "arrow array",
    ("pyarrow.lib", "type_for_alias"): "arrow type",
    ("pyarrow.lib", "py_buffer"): "arrow buffer",
}

_ARROW_OFFSETS = {"string": "<i4", "large_string": "<i8"}


def to_names(value: object, what: str) -> tuple[str, ...]:
    """The names in any of the containers; ``what`` says in the errors whose names they are."""
    names: dict[str, None] = {}
    for item in _items(value):
        name = to_scalar(item)
        if not isinstance(name, str):
            raise RefusedError(f"{what} holds {brief(name)}, where only names are expected")
        # str.isprintable refuses also what could not be printed or encoded in an error message.
        if not name or not name.isprintable():
            raise RefusedError(f"{what} holds {name[:80]!a}, which cannot be a name")
        if name in names:
            raise RefusedError(f"{what} holds {brief(name)} twice")
        names[name] = None
    if not names:
        raise RefusedError(f"{what} is empty")
    return tuple(names)


def _items(value: object) -> list[object] | tuple[object, ...]:
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, Record):
        match value.kind, value.args:
            case "pandas Index", (_, {"data": Record(kind="arrow strings") as data}):
                return _arrow_items(data)
            case "pandas Index", (_, {"data": data}):
                return _array_items(data)
            case "numpy array" | "numpy array in a buffer", _:
                return _array_items(value)
    raise RefusedError(f"{brief(value)} where a list of names is expected")


def _array_items(value: object) -> list[object]:
    array = to_array(value)
    if array.ndim != 1:
        raise RefusedError(f"an array of {array.ndim} dimensions where a list of names is expected")
    items = listed(array)
    return items if isinstance(items, list) else []


def _arrow_items(value: Record) -> list[object]:
    """Texts of an Arrow string array: their bytes end to end, and where each one ends."""
    match attribute(value, "_pa_array"):
        case Record(kind="arrow array", args=((kind, length, 0, 0, [None, ends, texts], *_),)):
            offsets = _arrow_offsets(kind, length, ends)
            content = _buffer(texts)
        case _:
            raise RefusedError("an Arrow array that is not a plain list of texts")
    if offsets[0] < 0 or offsets[-1] > len(content) or np.any(np.diff(offsets) < 0):
        raise RefusedError("an Arrow array whose texts lie outside its bytes")
    try:
        return [str(content[start:end], "utf-8") for start, end in pairwise(offsets)]
    except UnicodeDecodeError:
        raise RefusedError("an Arrow array of text that is not UTF-8") from None


def _arrow_offsets(kind: object, length: object, ends: object) -> np.ndarray:
    match kind:
        case Record(kind="arrow type", args=("string" | "large_string" as alias,)):
            dtype = np.dtype(_ARROW_OFFSETS[alias])
        case _:
            raise RefusedError("an Arrow array of something else than text")
    data = _buffer(ends)
    if not isinstance(length, int) or not 0 <= length < len(data) // dtype.itemsize:
        raise RefusedError("an Arrow array shorter than its length says")
    return np.frombuffer(data[: (length + 1) * dtype.itemsize], dtype)


def _buffer(value: object) -> memoryview:
    match value:
        case Record(kind="arrow buffer", args=(content,)):
            return to_bytes(content)
        case _:
            raise RefusedError(f"{brief(value)} where an Arrow buffer is expected")
