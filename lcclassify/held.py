"""Files that stay as they were when they were checked, whoever writes to them afterwards.

A mapped file that is cut short ends the process that reads it (SIGBUS), and one that is overwritten
changes under it. So files are mapped in place only where none but lcclassify and its installer
write, and these never change a file: they make new ones. Of any other file a copy is mapped, which
lies in the cache under its digest, readable for this user alone, and which all processes share;
where the cache takes none, the file is read into memory. What is hashed is the copy.
"""

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO

import numpy as np
from filelock import FileLock

from lcclassify.cache import cache_dir
from lcclassify.digest import open_regular
from lcclassify.errors import ModelError, os_reason

OURS = ("models", "converted", "unpacked", "partial")  # folders of the cache: what we made
CHUNK = 1 << 20
WAIT_S = 600  # for another process that makes a copy, of whatever file


class ChangedError(ModelError):
    """A file is not what its digest says."""


def read_checked(path: Path, digest: str) -> bytes:
    """The bytes of a file, if they have this SHA-256. ChangedError, OSError"""
    with open_regular(path) as file:
        content = file.read()
    check_digest(path, hashlib.sha256(content).hexdigest(), digest)
    return content


def check_digest(path: Path, found: str, expected: str) -> None:
    """ChangedError if a file has another digest than it should."""
    if found != expected:
        raise ChangedError(
            f"{path.name} was changed or damaged: its SHA-256 is {found}, SHA256SUMS says "
            f"{expected}; install the model again"
        )


def read_array(path: Path, digest: str) -> np.ndarray:
    """The array of a .npy file with this SHA-256, read-only. ModelError by its name"""
    try:
        held = _held(path, digest)
        if isinstance(held, Path):
            return np.lib.format.open_memmap(held, mode="r")  # which takes no objects
        array: np.ndarray = np.lib.format.read_array(held, allow_pickle=False)
        array.flags.writeable = False
        return array
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path.name}: {os_reason(error)}") from None
    except Exception as error:  # numpy's reader lets many kinds out on a damaged header
        raise ModelError(f"cannot read {path.name}: {error!r:.300}") from None


def _held(path: Path, digest: str) -> Path | IO[bytes]:
    """What to map, or else to read. ChangedError, OSError"""
    if _is_ours(path):
        return path
    try:
        return _copy(path, digest)
    except (OSError, NotImplementedError):  # no room or no right to write, or no locks there
        return io.BytesIO(read_checked(path, digest))


def _is_ours(path: Path) -> bool:
    """Whether a file lies where we or our installer wrote it, and is nobody else's."""
    real, cache = path.resolve(), cache_dir().resolve()
    places = [Path(str(files("lcclassify"))).resolve() / "models", *(cache / o for o in OURS)]
    if not any(place in real.parents for place in places):
        return False
    found = real.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_uid in (0, _user())


def _copy(path: Path, digest: str) -> Path:
    """Our own copy of a file, made if it is not there yet. ChangedError, OSError"""
    folder = cache_dir() / f"held-{_user()}"  # a cache may be shared, these files may not
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(folder.lstat()):
        raise PermissionError(f"{folder} is not this user's alone")
    copy = folder / digest
    with open_regular(path) as source:
        size = os.fstat(source.fileno()).st_size
        if _is_whole(copy, size):
            return copy
        with FileLock(folder / "lock", timeout=WAIT_S):  # of many workers, one copies
            if not _is_whole(copy, size):
                _write(source, copy, digest, path)
    return copy


def _write(source: IO[bytes], copy: Path, digest: str, path: Path) -> None:
    found = hashlib.sha256()
    handle, name = tempfile.mkstemp(prefix=".", dir=copy.parent)
    try:
        with os.fdopen(handle, "wb") as target:
            for chunk in _chunks(source):
                found.update(chunk)
                target.write(chunk)
        check_digest(path, found.hexdigest(), digest)
        os.chmod(name, 0o400)
        Path(name).replace(copy)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _is_whole(copy: Path, size: int) -> bool:
    """Whether a copy is there and as long as it must be; a crash of the system may have cut it."""
    try:
        found = copy.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and _is_private(found) and found.st_size == size


def _is_private(found: os.stat_result) -> bool:
    return found.st_uid == _user() and not found.st_mode & 0o077


def _user() -> int:
    user: int = getattr(os, "geteuid", int)()  # 0 where there are no such users, as in stat
    return user
