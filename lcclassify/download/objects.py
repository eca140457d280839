"""Files in object stores and on this machine: whatever pyarrow's file systems open."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import fs

from lcclassify.download.remote import (
    CHUNK,
    AbsentError,
    Answer,
    Remote,
    TransientError,
    failed,
)
from lcclassify.errors import os_reason
from lcclassify.sources.places import REMOTE_REASONS
from lcclassify.urls import without_secrets

FOR_NOW = ("the server did not answer in time", "no connection to the server")


class Objects:
    """``s3://`` with the usual credentials or as anonymous@, ``file://`` and their kind."""

    def look(self, url: str, /) -> Remote:
        """Size and time of change."""
        with _as_ours(url):
            filesystem, path = fs.FileSystem.from_uri(url)
            info = filesystem.get_file_info(path)
        if info.type != fs.FileType.File:
            raise AbsentError("there is no such file")
        changed = f"{info.mtime_ns}-{info.size}" if info.mtime_ns else None
        return Remote(url, info.size, changed)

    @contextmanager
    def read(self, remote: Remote, start: int, /) -> Iterator[Answer]:
        """From a byte on; looks again whether the file is still the same."""
        now = self.look(remote.url)
        start = start if now == remote and remote.validator else 0
        with _as_ours(remote.url):
            filesystem, path = fs.FileSystem.from_uri(remote.url)
            file = filesystem.open_input_file(path)
        with file:
            yield Answer(start, now, _chunks(remote.url, file, start))


def _chunks(url: str, file: pa.NativeFile, start: int) -> Iterator[bytes]:
    with _as_ours(url):
        file.seek(start)
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def _as_ours(url: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise AbsentError(os_reason(error)) from None
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).replace(url, without_secrets(url))
        known = next((text for mark, text in REMOTE_REASONS.items() if mark in reason), reason)
        if known in FOR_NOW:
            raise TransientError(known) from None
        raise failed(url, known) from None
