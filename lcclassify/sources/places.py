"""Places: files on this machine or behind a URL, named one by one, by their folder or a pattern."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob, has_magic
from http.client import HTTPException
from pathlib import Path, PurePath
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import build_opener
from weakref import finalize

import pyarrow as pa
from pyarrow import fs

from lcclassify.errors import InputError, os_reason
from lcclassify.urls import without_secrets

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BUFFER = 1 << 18  # bytes
TIMEOUT_S = 30  # without a byte from a web server
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
LOCAL = fs.LocalFileSystem()
WRITTEN_SO = "/%:@!$&'()*+,;=~"  # what stays as it is in the path of a URL

# What object stores say of themselves inside longer texts, and the sentence for it.
REMOTE_REASONS = {
    "NO_SUCH_BUCKET": "there is no such bucket",
    "ACCESS_DENIED": "access is denied",
    "PERMISSION_DENIED": "access is denied",
    "UNAUTHENTICATED": "access is denied",
    "INVALID_ACCESS_KEY_ID": "the access key is not known there",
    "SIGNATURE_DOES_NOT_MATCH": "the secret key is wrong",
    "curlCode: 28": "the server did not answer in time",
    "REQUEST_TIMEOUT": "the server did not answer in time",
    "NETWORK_CONNECTION": "no connection to the server",
    "CURL error": "no connection to the server",
}


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Place:
    """One file, wherever it is."""

    name: str  # what messages call it: without passwords and signatures
    filesystem: fs.FileSystem
    path: str  # there

    def __str__(self) -> str:
        return self.name

    @property
    def is_local(self) -> bool:
        """Whether it, or a copy of it, is on this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def is_here(self) -> bool:
        """Whether it is itself, not as a copy, on this machine."""
        return self.is_local and self.name == self.path

    @property
    def suffix(self) -> str:
        """What tells the format: .csv for features.csv and for features.csv.gz."""
        return _suffix(self.name)

    @property
    def keys(self) -> dict[str, str | None]:
        """The ``key=value`` folders that it lies in. Values are text: 007 is not 7."""
        pairs = [folder.partition("=") for folder in PurePath(self.name).parts[:-1]]
        return {
            key: None if value == HIVE_NULL else unquote(value)
            for key, equals, value in pairs
            if key and equals
        }

    def key_column(self, key: str, n_rows: int) -> pa.Array:
        """The value of one key, for every row."""
        return pa.repeat(pa.scalar(self.keys[key], pa.string()), n_rows)

    @contextmanager
    def open_file(self) -> Iterator[pa.NativeFile]:
        """Any part of it may be read. InputError for what goes wrong here or inside the context."""
        if compression := self._compression:
            raise InputError(f"{self}: a {self.suffix} file is not read inside {compression}")
        with self._opened(lambda: self.filesystem.open_input_file(self.path)) as file:
            yield file

    @contextmanager
    def open_stream(self) -> Iterator[pa.NativeFile]:
        """Read from its start, decompressed. InputError as for ``open_file``."""

        def start() -> pa.NativeFile:
            return self.filesystem.open_input_stream(self.path, self._compression)

        with self._opened(start) as stream:
            yield stream

    @contextmanager
    def open_buffered(self) -> Iterator[io.BufferedReader]:
        """Read likewise, line by line or with a look ahead."""
        with self.open_stream() as stream, io.BufferedReader(stream, BUFFER) as file:
            yield file

    @property
    def _compression(self) -> str | None:
        return COMPRESSIONS.get(PurePath(self.name).suffix)

    @contextmanager
    def _opened(self, start: Callable[[], pa.NativeFile]) -> Iterator[pa.NativeFile]:
        try:
            file = start()
        except OSError as error:
            raise _cannot_read(self.name, error) from None
        with file:
            try:
                yield file
            except OSError as error:
                if error.errno or _remote_reason(error):
                    raise _cannot_read(self.name, error) from None
                raise InputError(f"{self} is damaged: {error}") from None


def find_places(pattern: str, suffixes: Collection[str]) -> list[Place]:
    """The files that a path, folder, glob or URL names, in the order of their names.

    InputError if there are none, if one has another suffix, or if nobody can be asked.
    """
    if not pattern:
        raise InputError("the name of an input is empty")
    scheme = pattern.partition("://")[0].lower() if "://" in pattern else ""
    if scheme in ("http", "https"):
        return [_download(pattern, suffixes)]
    found = _on_server(pattern, suffixes) if scheme else _on_disk(pattern, suffixes)
    if not found:
        raise InputError(f"{without_secrets(pattern)}: no {', '.join(suffixes)} file there")
    for place in found:
        _check_suffix(place.name, suffixes)
    return found


def stem(pattern: str) -> str:
    """What to call a result: features for s3://bucket/features.csv.gz, runs for runs/*.csv."""
    fixed, _ = _split(without_secrets(pattern))
    name = fixed.rstrip("/").rpartition("/")[2] if "://" in pattern else Path(fixed).resolve().name
    return PurePath(name.removesuffix(_compressed(name))).stem or "features"


def _on_disk(pattern: str, suffixes: Collection[str]) -> list[Place]:
    path = Path(pattern)
    if os.path.isdir(path):
        there = (file for file in path.rglob("*") if file.is_file())
        found = sorted(file for file in there if _is_data(file.relative_to(path).parts, suffixes))
    elif not os.path.exists(path) and has_magic(pattern):
        found = sorted(map(Path, glob(pattern, recursive=True)))
    else:
        found = [path]
    for file in found:
        if not str(file).isprintable():
            raise InputError(f"{str(file)!r}: its name cannot be printed; rename the file")
        if os.path.exists(file) and not os.path.isfile(file):
            raise InputError(f"{file} is not an ordinary file")
    return [Place(str(file), LOCAL, str(file)) for file in found]


def _on_server(url: str, suffixes: Collection[str]) -> list[Place]:
    """What pyarrow's file systems have there: S3, Google Cloud, Azure, HDFS..., and file://."""
    name = without_secrets(url)
    start = url
    try:
        parts = urlsplit(url)
        fixed, wild = _split(parts.path)
        start = urlunsplit(parts._replace(path=quote(fixed, safe=WRITTEN_SO)))
        filesystem, base = fs.FileSystem.from_uri(start)
        info = filesystem.get_file_info(base)
        if not wild and info.type == fs.FileType.File:
            found = [base]
        elif info.type == fs.FileType.NotFound:
            raise InputError(f"cannot read {name}: there is no such file, folder or bucket")
        else:
            deep = not wild or len(wild) > 1
            listed = filesystem.get_file_info(fs.FileSelector(base, recursive=deep))
            found = [
                file.path
                for file in listed
                if file.type == fs.FileType.File
                and _is_found(_below(base, file.path), wild, suffixes)
            ]
    except (ValueError, pa.ArrowException) as error:
        reason = str(error).replace(start, name)
        raise InputError(f"cannot read {name}: {reason}") from None
    except OSError as error:
        raise _cannot_read(name, error) from None
    scheme = name.partition("://")[0]
    return [
        Place(f"{scheme}://{path}", filesystem, path)
        for path in sorted(found, key=lambda path: path.split("/"))
    ]


def _download(url: str, suffixes: Collection[str]) -> Place:
    """A copy of a file on a web server, which goes away with the Place.

    Copied, since what reads a table goes to and fro in it, and many servers give no ranges.
    """
    name = without_secrets(url)
    _check_suffix(name, suffixes)
    if "@" in url.partition("?")[0]:
        raise InputError(f"cannot read {name}: no user or password can be given in such a URL")
    handle, path = tempfile.mkstemp(prefix="lcclassify-")
    place = Place(name, LOCAL, path)
    finalize(place, _remove, path)
    try:
        parts = urlsplit(url)
        address = urlunsplit(parts._replace(path=quote(parts.path, safe=WRITTEN_SO)))
        with (
            os.fdopen(handle, "wb") as file,
            build_opener().open(address, timeout=TIMEOUT_S) as response,
        ):
            shutil.copyfileobj(response, file, 1 << 20)
            if response.length:  # the standard library lets a broken connection pass for an end
                raise HTTPException("it broke off")
    except HTTPError as error:
        with error:
            reason = f"the server answers {error.code} {error.reason}"
        raise InputError(f"cannot read {name}: {reason}") from None
    except URLError as error:
        inner = error.reason if isinstance(error.reason, OSError) else error
        raise _cannot_read(name, inner) from None
    except OSError as error:
        raise _cannot_read(name, error) from None
    except (HTTPException, ValueError) as error:
        raise InputError(f"cannot read {name}: {error}") from None
    return place


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _split(path: str) -> tuple[str, list[str]]:
    """The folders and names without a wildcard, and all from the first one with a wildcard on."""
    parts = path.split("/")
    n_fixed = next((row for row, part in enumerate(parts) if has_magic(part)), len(parts))
    return "/".join(parts[:n_fixed]), parts[n_fixed:]


def _below(folder: str, path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix(folder).strip("/").split("/"))


def _is_found(parts: Sequence[str], wild: Sequence[str], suffixes: Collection[str]) -> bool:
    return _matches(parts, wild) if wild else _is_data(parts, suffixes)


def _is_data(parts: Sequence[str], suffixes: Collection[str]) -> bool:
    """Whether a file below a folder is one of its tables: of a known suffix and not hidden."""
    return _suffix(parts[-1]) in suffixes and not any(part[0] in "._" for part in parts)


def _matches(parts: Sequence[str], wild: Sequence[str]) -> bool:
    """Whether names match patterns, one to one, as ``glob`` has it: ** is any number of folders."""
    if not wild or not parts:
        return not wild and not parts
    if wild[0] == "**":
        return _matches(parts, wild[1:]) or _matches(parts[1:], wild)
    hidden = parts[0].startswith(".") and not wild[0].startswith(".")
    return not hidden and fnmatchcase(parts[0], wild[0]) and _matches(parts[1:], wild[1:])


def _suffix(name: str) -> str:
    return PurePath(name.removesuffix(_compressed(name))).suffix


def _compressed(name: str) -> str:
    suffix = PurePath(name).suffix
    return suffix if suffix in COMPRESSIONS else ""


def _check_suffix(name: str, suffixes: Collection[str]) -> None:
    if _suffix(name) not in suffixes:
        raise InputError(f"{name}: cannot tell its format; known suffixes: {', '.join(suffixes)}")


def _cannot_read(name: str, error: OSError) -> InputError:
    known = None if error.errno else _remote_reason(error)
    [reason, *_] = (known or os_reason(error) or type(error).__name__).splitlines()
    return InputError(f"cannot read {name}: {reason}")


def _remote_reason(error: OSError) -> str | None:
    text = str(error)
    return next((reason for mark, reason in REMOTE_REASONS.items() if mark in text), None)
