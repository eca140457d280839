"""Numpy arrays, dtypes and scalars rebuilt by us from their description, shape and bytes."""

import math
import re
import sys

import numpy as np

from lcclassify.legacy.records import Record, RefusedError, brief

NUMPY_NAMES = {
    ("numpy", "ndarray"): "class of a numpy array",
    ("numpy", "dtype"): "numpy dtype",
    ("_codecs", "encode"): "bytes as text",  # protocols 0 to 2 write bytes as Latin-1 text
    ("__builtin__", "bytes"): "bytes object",  # and none at all as bytes()
    ("__builtin__", "bytearray"): "bytes object",
    ("builtins", "bytearray"): "bytes object",
}
for _package in ("numpy.core", "numpy._core"):  # numpy 1, numpy 2
    NUMPY_NAMES |= {
        (f"{_package}.multiarray", "_reconstruct"): "numpy array",
        (f"{_package}.multiarray", "scalar"): "numpy scalar",
        (f"{_package}.numeric", "_frombuffer"): "numpy array in a buffer",
    }

_NUMBER = re.compile(r"b1|[iu][1248]|f[248]")
_TEXT = re.compile(r"[US]([1-9][0-9]{0,4})")
_NODE = re.compile(r"V([1-9][0-9]{0,3})")
_MAX_DIMENSIONS = 8
_MAX_ITEMS = 2**40


def to_dtype(value: object) -> np.dtype:
    """A dtype of numbers, fixed-width text, objects, or a record of numbers; nothing else."""
    code, state = _dtype_parts(value)
    if node := _NODE.fullmatch(code):
        return _record_dtype(int(node[1]), state)
    if code in ("O8", "O4", "O"):
        return np.dtype(object)
    return _plain_dtype(code, state)


def to_array(value: object) -> np.ndarray:
    """A recorded array; its numbers are a read-only view into the file."""
    if not isinstance(value, Record):
        raise RefusedError(f"{brief(value)} where an array is expected")
    match value.kind, value.args, value.state:
        case "numpy array", _, (1, tuple() as shape, dtype, bool() as fortran, content):
            return _array(content, to_dtype(dtype), shape, "F" if fortran else "C")
        case "numpy array in a buffer", (content, dtype, tuple() as shape, "C" | "F" as order), _:
            return _array(content, to_dtype(dtype), shape, order)
        case _:
            raise RefusedError(f"{brief(value)} where an array is expected")


def to_scalar(value: object) -> object:
    """A plain value, or a recorded numpy scalar as one."""
    if not isinstance(value, Record):
        return value
    match value.kind, value.args:
        case "numpy scalar", (dtype, content):
            return listed(_array(content, to_dtype(dtype), (), "C"))
        case _:
            raise RefusedError(f"{brief(value)} where a number or a text is expected")


def listed(array: np.ndarray) -> object:
    """The plain values of an array, as lists or, of an array without dimensions, by itself."""
    if array.dtype.kind == "U":  # numpy takes any 32 bits for a character, Python does not
        code = np.frombuffer(array.tobytes(), array.dtype.byteorder + "u4")
        if np.any(code > sys.maxunicode):
            raise RefusedError("an array of text that is not Unicode")
    values: object = array.tolist()
    return values


def to_integer(value: object, what: str) -> int:
    """A whole number, plain or numpy's; ``what`` names it if it is none."""
    number = to_scalar(value)
    if not isinstance(number, int) or isinstance(number, bool):
        raise RefusedError(f"{what} is {brief(number)}, not a whole number")
    return number


def to_bytes(value: object) -> memoryview:
    """A byte string, also as protocol 2 writes it."""
    if isinstance(value, memoryview):
        return value
    if isinstance(value, Record):
        match value.kind, value.args:
            case "bytes as text", (str() as text, "latin1"):
                try:
                    return memoryview(text.encode("latin-1"))
                except UnicodeEncodeError:
                    raise RefusedError("bytes written as text that is not Latin-1") from None
            case "bytes object", ():
                return memoryview(b"")
            case "bytes object", (memoryview() | Record(kind="bytes as text") as content,):
                return to_bytes(content)
    raise RefusedError(f"{brief(value)} where bytes are expected")


def _dtype_parts(value: object) -> tuple[str, tuple[object, ...]]:
    """Type code and state (version, byte order, subdtype, names, fields, size, ...) of a dtype."""
    if isinstance(value, Record):
        match value.kind, value.args, value.state:
            case "numpy dtype", (str() as code, *_), (3 | 4, _, None, _, _, *_) as state:
                return code, tuple(state)
    raise RefusedError(f"{brief(value)} where the type of an array is expected")


def _plain_dtype(code: str, state: tuple[object, ...]) -> np.dtype:
    if not (_NUMBER.fullmatch(code) or _TEXT.fullmatch(code)):
        raise RefusedError(f"an array of type {brief(code)} is not read")
    order = state[1]
    if order not in ("<", ">", "|"):
        raise RefusedError(f"byte order {brief(order)} is not known")
    return np.dtype(f"{order}{code}")


def _record_dtype(itemsize: int, state: tuple[object, ...]) -> np.dtype:
    names, fields = state[3], state[4]
    if not isinstance(names, tuple) or not isinstance(fields, dict) or not names:
        raise RefusedError("a record type without fields")
    formats: dict[str, np.dtype] = {}
    offsets: list[int] = []
    for name in names:
        match fields.get(name) if isinstance(name, str) else None:
            case (described, int() as offset):
                code, inner = _dtype_parts(described)
                formats[str(name)] = dtype = _plain_dtype(code, inner)
                offsets.append(offset)
            case _:
                raise RefusedError(
                    f"a record type without a description of its field {brief(name)}"
                )
        if not (name and 0 <= offset <= itemsize - dtype.itemsize):
            raise RefusedError(f"field {brief(name)} lies outside its record of {itemsize} bytes")
    if len(formats) != len(names):
        raise RefusedError("a record type names a field twice")
    return np.dtype(
        {
            "names": list(formats),
            "formats": list(formats.values()),
            "offsets": offsets,
            "itemsize": itemsize,
        }
    )


def _array(content: object, dtype: np.dtype, shape: tuple[object, ...], order: str) -> np.ndarray:
    if len(shape) > _MAX_DIMENSIONS:
        raise RefusedError(f"an array of {len(shape)} dimensions")
    lengths = [length for length in shape if isinstance(length, int) and length >= 0]
    # Counting an empty dimension as one: numpy refuses strides that do not fit its integers.
    if len(lengths) != len(shape) or math.prod(max(length, 1) for length in lengths) > _MAX_ITEMS:
        raise RefusedError("an array whose shape is not made of ordinary lengths")
    count = math.prod(lengths)
    if dtype.hasobject:
        flat = _object_array(content, count)
    else:
        data = to_bytes(content)
        if len(data) != count * dtype.itemsize:
            expected = count * dtype.itemsize
            raise RefusedError(f"an array of {expected} bytes by its shape has {len(data)} bytes")
        flat = np.frombuffer(data, dtype) if count else np.empty(0, dtype)
    return flat.reshape(lengths, order="F" if order == "F" else "C")


def _object_array(content: object, count: int) -> np.ndarray:
    if not isinstance(content, list) or len(content) != count:
        raise RefusedError(f"an array of {count} objects has {brief(content)}")
    for item in content:
        if item is not None and not isinstance(item, (str, bool, int, float)):
            raise RefusedError(f"an array of plain values holds {brief(item)}")
    array = np.empty(count, dtype=object)
    array[:] = content
    return array
