"""What joblib.dump wrote, as data: a pickle with the bytes of arrays between its opcodes."""

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Mapping

import numpy as np

from lcclassify.legacy.arrays import NUMPY_NAMES, to_array, to_dtype
from lcclassify.legacy.opcodes import Machine
from lcclassify.legacy.pickles import run
from lcclassify.legacy.records import Record, RefusedError, attributes, brief

MAX_JOBLIB_BYTES = 64 * 1024**2  # of the file, and of what it holds; one of 64 columns takes 5 MB
MAX_OPCODES = 1_000_000
_MAX_LZMA_MEMORY = 256 * 1024**2

_ARRAY = "joblib array"
_JOBLIB_NAMES = {**NUMPY_NAMES, ("joblib.numpy_pickle", "NumpyArrayWrapper"): _ARRAY}


def _inflate(data: bytes) -> tuple[bytes, bool]:
    # 32: zlib or gzip, as its first bytes say
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    content = stream.decompress(data, MAX_JOBLIB_BYTES + 1)
    return content, stream.eof and not stream.unused_data


def _bunzip(data: bytes) -> tuple[bytes, bool]:
    stream = bz2.BZ2Decompressor()
    content = stream.decompress(data, MAX_JOBLIB_BYTES + 1)
    return content, stream.eof and not stream.unused_data


def _unxz(data: bytes) -> tuple[bytes, bool]:
    stream = lzma.LZMADecompressor(memlimit=_MAX_LZMA_MEMORY)
    content = stream.decompress(data, MAX_JOBLIB_BYTES + 1)
    return content, stream.eof and not stream.unused_data


# First bytes -> how to decompress, and whether that was the whole of the file.
_COMPRESSIONS: dict[bytes, Callable[[bytes], tuple[bytes, bool]]] = {
    b"\x78": _inflate,
    b"\x1f\x8b": _inflate,
    b"BZh": _bunzip,
    b"\x5d\x00": _unxz,
    b"\xfd7zXZ": _unxz,
}


def read_joblib(data: bytes, allowed: Mapping[tuple[str, str], str]) -> object:
    """The value that joblib.dump was given, compressed or not; its arrays are numpy arrays.

    ``allowed`` are the names that it may use beside those of arrays. Nothing is called. Raises
    RefusedError only.
    """
    if len(data) > MAX_JOBLIB_BYTES:
        raise RefusedError(f"it has {len(data)} bytes, at most {MAX_JOBLIB_BYTES} are read")
    data = _decompressed(data)
    machine = Machine(data, memoryview(data), {**_JOBLIB_NAMES, **allowed}, fill=_fill)
    value = run(machine, MAX_OPCODES)
    if machine.position < len(data):
        raise RefusedError(f"{len(data) - machine.position} bytes follow the end of the pickle")
    return value


def _decompressed(data: bytes) -> bytes:
    compressions = [way for start, way in _COMPRESSIONS.items() if data.startswith(start)]
    if not compressions:
        return data
    try:
        content, whole = compressions[0](data)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise RefusedError(f"damaged or cut off: {error}; fetch it again") from None
    if len(content) > MAX_JOBLIB_BYTES:
        raise RefusedError(f"more than {MAX_JOBLIB_BYTES} bytes when decompressed")
    if not whole:
        raise RefusedError("its compressed data are cut off, or something follows them")
    return content


def _fill(machine: Machine, record: Record) -> object:
    """The array whose description a record is, taken from the bytes that follow."""
    if record.kind != _ARRAY:
        return record
    described = attributes(record)
    match [described.get(name) for name in ("subclass", "shape", "order", "dtype")]:
        case [kind, tuple() as shape, "C" | "F" as order, described_type]:
            dtype = to_dtype(described_type)
        case _:
            raise RefusedError("an array without a description")
    if getattr(kind, "kind", None) != "class of a numpy array":
        raise RefusedError(f"an array of {brief(kind)}")
    if dtype.hasobject:
        inner = Machine(machine.data, machine.view, NUMPY_NAMES, machine.position)
        array = to_array(run(inner, MAX_OPCODES))
        machine.position = inner.position
        return array
    # numpy_array_alignment_bytes: a byte that says how many bytes of padding precede the numbers
    if described.get("numpy_array_alignment_bytes") is not None:
        machine.take(machine.take_uint(1))
    lengths = [length for length in shape if isinstance(length, int)]
    if len(lengths) != len(shape) or len(shape) > 2 or not all(0 <= n < 2**40 for n in lengths):
        raise RefusedError("an array whose shape is not one or two ordinary lengths")
    count = math.prod(lengths)
    content = machine.take(count * dtype.itemsize)
    values = np.frombuffer(content, dtype) if count else np.empty(0, dtype)
    return values.reshape(lengths, order="F" if order == "F" else "C")
