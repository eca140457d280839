"""What torch.save wrote, as data: tensors become views into the file, all else Records.

Two containers: the stream of pickles of torch before 1.6, and the zip with ``data.pkl`` and one
file per storage. A storage is named in the pickle by a persistent id.
"""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lcclassify.legacy.opcodes import Machine
from lcclassify.legacy.pickles import run
from lcclassify.legacy.records import Record, RefusedError, brief

MAX_TORCH_BYTES = 512 * 1024**2
MAX_OPCODES = 2_000_000  # published networks take 20,000
_MAX_MEMBERS = 20_000
_MAX_DIMENSIONS = 8

_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_PROTOCOL = 1001
_STORAGE = "storage of "

TENSOR_NAMES = {
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("collections", "OrderedDict"): "ordered dict",
    ("torch", "DoubleStorage"): f"{_STORAGE}f8",
    ("torch", "FloatStorage"): f"{_STORAGE}f4",
    ("torch", "HalfStorage"): f"{_STORAGE}f2",
    ("torch", "LongStorage"): f"{_STORAGE}i8",
    ("torch", "IntStorage"): f"{_STORAGE}i4",
    ("torch", "ByteStorage"): f"{_STORAGE}u1",
    ("torch", "BoolStorage"): f"{_STORAGE}b1",
}


@dataclass(slots=True, eq=False)
class Storage:
    """Numbers that tensors are views of; in a stream their bytes come after the pickle."""

    key: str
    dtype: np.dtype
    count: int
    data: bytes | memoryview | None = None

    def fill(self, data: bytes | memoryview) -> None:
        """Take the bytes, which must be as many as the pickle said."""
        if len(data) != self.count * self.dtype.itemsize:
            expected = self.count * self.dtype.itemsize
            raise RefusedError(
                f"the numbers of storage {brief(self.key)} take {len(data)} bytes, expected "
                f"{expected}"
            )
        self.data = data


def read_torch(data: bytes, allowed: Mapping[tuple[str, str], str]) -> object:
    """The value that torch.save was given; ``to_tensor`` turns its tensors into arrays.

    ``allowed`` are the names that it may use beside those of tensors. RefusedError
    """
    if not data:
        raise RefusedError("the file is empty")
    if len(data) > MAX_TORCH_BYTES:
        raise RefusedError(f"it has {len(data)} bytes, at most {MAX_TORCH_BYTES} are read")
    names = {**TENSOR_NAMES, **allowed}
    return _read_zip(data, names) if data.startswith(b"PK") else _read_stream(data, names)


def to_tensor(value: object) -> np.ndarray:
    """A recorded tensor or parameter as an array, as a rule a read-only view into the file."""
    match value:
        case Record(
            kind="parameter", args=(Record(kind="tensor") as tensor, bool(), _), state=None
        ):
            return to_tensor(tensor)
        case Record(
            kind="tensor",
            args=(Storage() as storage, int() as start, tuple() as shape, tuple() as steps, *_),
            state=None,
        ):
            return _view(storage, start, _lengths(shape), _lengths(steps))
        case _:
            raise RefusedError(f"{brief(value)} where a tensor is expected")


def _lengths(values: tuple[object, ...]) -> tuple[int, ...]:
    lengths = [n for n in values if isinstance(n, int) and 0 <= n <= MAX_TORCH_BYTES]
    if len(lengths) != len(values) or len(values) > _MAX_DIMENSIONS:
        raise RefusedError("a tensor whose shape is not made of ordinary lengths")
    return tuple(lengths)


def _view(
    storage: Storage, start: int, shape: tuple[int, ...], steps: tuple[int, ...]
) -> np.ndarray:
    if storage.data is None:
        raise RefusedError(f"the numbers of storage {brief(storage.key)} are not in the file")
    if len(shape) != len(steps):
        raise RefusedError(f"a tensor of {len(shape)} dimensions with {len(steps)} strides")
    values = np.frombuffer(storage.data, storage.dtype)
    count = math.prod(shape)
    last = start + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if count == 0:
        raise RefusedError("a tensor without numbers")
    # As many numbers as it shows: a stride of 0 would let a few bytes claim any amount of memory.
    if start < 0 or last >= len(values) or count > len(values):
        raise RefusedError(
            f"a tensor reaches outside its storage {brief(storage.key)} of {len(values)} numbers"
        )
    strides = [step * storage.dtype.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(values[start:], shape, strides, writeable=False)


def _storage(value: object, order: str) -> Storage:
    """The storage that a persistent id stands for, still without numbers."""
    match value:
        case ("storage", kind, str() as key, str(), int() as count, *view):
            code = getattr(kind, "kind", "")
            if code.startswith(_STORAGE) and view in ([], [None]) and 0 <= count < MAX_TORCH_BYTES:
                return Storage(key, np.dtype(order + code.removeprefix(_STORAGE)), count)
    raise RefusedError(f"{brief(value)} where the name of a storage is expected")


def _read_zip(data: bytes, allowed: Mapping[tuple[str, str], str]) -> object:
    members = _members(data)
    order = members.get("byteorder", b"little")
    if order not in (b"little", b"big"):
        raise RefusedError("the byte order that the container names is not known")
    storages: dict[str, Storage] = {}

    def resolve(value: object) -> Storage:
        storage = _storage(value, "<" if order == b"little" else ">")
        content = members.get(f"data/{storage.key}")
        if content is None:
            raise RefusedError(f"storage {brief(storage.key)} is not in the container")
        storage.fill(content)
        return _same(storages, storage)

    return _read(members["data.pkl"], allowed, resolve)[0]


def _members(data: bytes) -> dict[str, bytes]:
    """The files of the container, without the folder that they all lie in; checksums compared."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as container:
            entries = container.infolist()
            folder = entries[0].filename.partition("/")[0] + "/" if entries else ""
            total, members = 0, {}
            for entry in entries[: _MAX_MEMBERS + 1]:
                name = entry.filename.removeprefix(folder)
                total += entry.file_size
                # torch compresses nothing; so no member can be larger than the file.
                if entry.compress_type != zipfile.ZIP_STORED or total > len(data):
                    raise RefusedError(f"{brief(name)} in the container is compressed or too large")
                if name in members:
                    raise RefusedError(f"the container holds {brief(name)} twice")
                members[name] = container.read(entry)
    except RefusedError:
        raise
    except Exception as error:  # zipfile lets many kinds out on a damaged directory
        raise RefusedError(
            f"the container is damaged or cut off: {str(error)[:200]}; fetch it again"
        ) from None
    if "data.pkl" not in members or len(members) > _MAX_MEMBERS:
        raise RefusedError("a zip file without data.pkl: not of torch.save, or damaged")
    return members


def _read_stream(data: bytes, allowed: Mapping[tuple[str, str], str]) -> object:
    magic, position = _read(data, {}, None)
    if magic != _STREAM_MAGIC:
        raise RefusedError("a pickle, but none that torch.save made")
    protocol, position = _read(data, {}, None, position)
    system, position = _read(data, {}, None, position)
    if protocol != _STREAM_PROTOCOL or not isinstance(system, dict):
        raise RefusedError("a stream of torch.save of an unknown version")
    order = "<" if system.get("little_endian") is True else ">"
    storages: dict[str, Storage] = {}
    value, position = _read(
        data, allowed, lambda name: _same(storages, _storage(name, order)), position
    )
    keys, position = _read(data, {}, None, position)
    if not isinstance(keys, list):
        raise RefusedError(f"{brief(keys)} where a list of storages is expected")
    rest = memoryview(data)[position:]
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None or storage.data is not None:
            raise RefusedError(f"numbers for storage {brief(key)}, which nothing asks for")
        count = int.from_bytes(rest[:8], "little", signed=True)
        if len(rest) < 8 or count != storage.count:
            raise RefusedError(f"the numbers of storage {brief(key)} are cut off or too many")
        end = 8 + count * storage.dtype.itemsize
        storage.fill(rest[8:end])
        rest = rest[end:]
    if rest:
        raise RefusedError(f"{len(rest)} bytes follow the last storage")
    return value


def _same(storages: dict[str, Storage], storage: Storage) -> Storage:
    """The storage of this key, which must be described alike wherever it is named."""
    first = storages.setdefault(storage.key, storage)
    if (first.dtype, first.count) != (storage.dtype, storage.count):
        raise RefusedError(f"storage {brief(storage.key)} is described in two ways")
    return first


def _read(
    data: bytes,
    allowed: Mapping[tuple[str, str], str],
    resolve: Callable[[object], object] | None,
    position: int = 0,
) -> tuple[object, int]:
    machine = Machine(data, memoryview(data), allowed, position, resolve=resolve)
    return run(machine, MAX_OPCODES), machine.position
