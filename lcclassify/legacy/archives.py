"""Members of a tar archive, compressed or not, read into memory; nothing is ever unpacked to disk.

Our own reader of the few header types that occur: it takes names it is told to look for, and
refuses an archive that holds anything but plain files and folders below it.
"""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from lcclassify.legacy.records import RefusedError, brief

GZIP_MAGIC = b"\x1f\x8b"

_BLOCK = 512
_MAX_TOTAL_BYTES = 8 * 1024**3
_MAX_MEMBERS = 10_000
_MAX_HEADER_BYTES = 64 * 1024  # of the long name or other properties that precede a member
_MAX_COMPRESSION = 1032  # bytes per byte, the most that deflate can reach
_CHUNK = 1024**2

_FILE_TYPES = b"0", b"\0", b"7"
_FOLDER = b"5"
_LINKS_AND_DEVICES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
}


def is_archive(path: Path) -> bool:
    """Whether a file begins like a tar archive or like anything compressed by gzip."""
    with path.open("rb") as file:
        start = file.read(_BLOCK)
    return start.startswith(GZIP_MAGIC) or start[257:262] == b"ustar"


def read_members(path: Path, wanted: Mapping[str, int]) -> dict[str, bytes]:
    """Contents of the files at the top of an archive whose names are ``wanted``.

    ``wanted`` maps a name to the largest size accepted, in bytes.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            if raw.read(2) != GZIP_MAGIC:
                raw.seek(0)
                return _Reader(raw, size, wanted).read()
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as file:
                return _Reader(file, size * _MAX_COMPRESSION, wanted).read()
    except (OSError, EOFError, zlib.error) as error:
        raise RefusedError(f"the archive is damaged or cut off: {error}; fetch it again") from None


class _Reader:
    def __init__(
        self, file: IO[bytes] | gzip.GzipFile, ceiling: int, wanted: Mapping[str, int]
    ) -> None:
        self.file = file
        self.left = min(ceiling, _MAX_TOTAL_BYTES)  # no more bytes than these can follow
        self.wanted = wanted
        self.seen: set[str] = set()

    def read(self) -> dict[str, bytes]:
        contents: dict[str, bytes] = {}
        long_name: str | None = None
        for _ in range(_MAX_MEMBERS):
            header = self._take(_BLOCK)
            if not any(header):
                self._expect_zeros()
                return contents
            kind, size = _kind_and_size(header)
            if kind in (b"x", b"g", b"L", b"K"):
                properties = self._properties(size)
                if kind in (b"x", b"L"):
                    long_name = _pax_path(properties) if kind == b"x" else _text(properties)
                continue
            name = _plain_name(long_name or _name(header), kind)
            long_name = None
            limit = self.wanted.get(name) if kind != _FOLDER else None
            if kind != _FOLDER and name in self.seen:
                raise RefusedError(f"the archive holds {brief(name)} twice")
            self.seen.add(name)
            if limit is None:
                self._skip(size)
            elif size > limit:
                raise RefusedError(
                    f"{name} has {size} bytes in the archive, at most {limit} are read"
                )
            else:
                contents[name] = self._take(size)
            self._skip(-size % _BLOCK)
        raise RefusedError(f"the archive has more than {_MAX_MEMBERS} members")

    def _take(self, count: int) -> bytes:
        # Before reading: a size that the file cannot hold must not be allocated.
        self.left -= count
        if self.left < 0:
            raise RefusedError("the archive is cut off, or too large; fetch it again")
        data = self.file.read(count)
        if len(data) != count:
            raise RefusedError("the archive is cut off; fetch it again")
        return data

    def _skip(self, count: int) -> None:
        while count > 0:
            count -= len(self._take(min(count, _CHUNK)))

    def _properties(self, size: int) -> bytes:
        if size > _MAX_HEADER_BYTES:
            raise RefusedError(f"a name in the archive takes {size} bytes")
        properties = self._take(size)
        self._skip(-size % _BLOCK)
        return properties

    def _expect_zeros(self) -> None:
        """To the end of the file: only there does gzip compare its checksum."""
        while chunk := self.file.read(_CHUNK):
            self.left -= len(chunk)
            if any(chunk) or self.left < 0:
                raise RefusedError("something follows the end of the archive")


def _kind_and_size(header: bytes) -> tuple[bytes, int]:
    """Type and size of a member, of a header whose checksum is right."""
    try:
        stored = int(header[148:156].strip(b" \0"), 8)
        size = int(header[124:136].strip(b" \0") or b"0", 8)
    except ValueError:
        raise RefusedError("not a tar archive, or a damaged one") from None
    if stored != sum(header[:148]) + sum(header[156:]) + 8 * ord(" ") or size < 0:
        raise RefusedError("not a tar archive, or a damaged one")
    return header[156:157], size


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0":  # POSIX; GNU tar keeps other things in these bytes
        prefix = header[345:500].split(b"\0")[0]
        name = prefix + b"/" + name if prefix else name
    return _text(name)


def _text(name: bytes) -> str:
    try:
        return name.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        raise RefusedError("a name in the archive is not UTF-8") from None


def _pax_path(properties: bytes) -> str | None:
    """The name given by an extended header, lines of ``length key=value``."""
    path = None
    while properties:
        length, _, _ = properties.partition(b" ")
        if not length.isdigit() or not len(length) < int(length) <= len(properties):
            raise RefusedError("an extended header of the archive is damaged")
        line, properties = properties[: int(length)], properties[int(length) :]
        key, _, value = line[len(length) + 1 :].rstrip(b"\n").partition(b"=")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise RefusedError("the archive holds a sparse or oversized file")
        path = _text(value) if key == b"path" else path
    return path


def _plain_name(name: str, kind: bytes) -> str:
    """A member's name without a leading ``./``, if it is a plain file or folder below the top."""
    if kind not in (*_FILE_TYPES, _FOLDER):
        what = _LINKS_AND_DEVICES.get(kind, "of an unknown type")
        raise RefusedError(f"{brief(name)} in the archive is {what}; only plain files are read")
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name:
        raise RefusedError(f"the archive holds {brief(name)}, a name that leads outside of it")
    return "/".join(part for part in parts if part not in ("", "."))
