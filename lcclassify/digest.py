"""SHA-256 of files, and how files are opened to be hashed."""

import hashlib
import os
import stat
from pathlib import Path
from typing import IO


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal. OSError, as for ``open_regular``"""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def open_regular(path: Path) -> IO[bytes]:
    """A file to be read. OSError too for what is none: a FIFO or a device may never end."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("it is no regular file")
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a FIFO waits for its writer
