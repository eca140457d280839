"""What all folders of results have in common."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lcclassify.errors import OutputError, os_reason


def write_whole(path: Path, data: bytes) -> None:
    """A file that is whole and on the disk, or not there; its name is, once its folder is synced.

    OSError
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """The names in a folder are on the disk too. OSError"""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def as_output_error(folder: Path) -> Iterator[None]:
    """What the file system refuses, as ours."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
