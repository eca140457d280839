"""Places: files on this machine or behind a URL, named one by one, by their folder or a pattern."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from lcclassify.hats.catalogue import Catalogue, read_catalogue
from lcclassify.hats.leaf import FOLDERS
from lcclassify.sources.patterns import (
    COMPRESSIONS,
    compression,
    is_data,
    is_found,
    split_pattern,
    table_suffix,
)
from lcclassify.urls import without_secrets

BUFFER = 1 << 18  # bytes
TIMEOUT_S = 30  # without a byte from a web server
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
LOCAL = fs.LocalFileSystem()
WEB = ("http", "https")
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
        return table_suffix(self.name)

    @property
    def keys(self) -> dict[str, str | None]:
        """The ``key=value`` folders that it lies in. Values are text: 007 is not 7.

        The folders of a HATS catalogue number pixels of the sky: they are none.
        """
        pairs = [folder.partition("=") for folder in PurePath(self.name).parts[:-1]]
        keys = {
            key: None if value == HIVE_NULL else unquote(value)
            for key, equals, value in pairs
            if key and equals
        }
        if FOLDERS[0] in keys:
            keys = {key: value for key, value in keys.items() if key not in FOLDERS}
        return keys

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

    Those of a HATS catalogue come in its own order, without those of its margins and indexes.
    InputError if there are none, if one has another suffix, or if nobody can be asked.
    """
    if not pattern:
        raise InputError("the name of an input is empty")
    scheme = _scheme(pattern)
    if scheme in WEB:
        return [_download(pattern, suffixes)]
    if catalogue := find_catalogue(pattern):
        found = [_place(scheme, catalogue.filesystem, path) for path in catalogue.paths]
    else:
        found = _on_server(pattern, suffixes) if scheme else _on_disk(pattern, suffixes)
    if not found:
        raise InputError(f"{without_secrets(pattern)}: no {', '.join(suffixes)} file there")
    for place in found:
        _check_suffix(place.name, suffixes)
    return found


def find_catalogue(pattern: str) -> Catalogue | None:
    """The HATS catalogue in a folder, here or behind a URL; None if something else is named.

    Of a collection it is the primary table. InputError if it is damaged or cannot be read.
    """
    scheme = _scheme(pattern)
    if scheme in WEB:
        return None
    if scheme:
        with _server(pattern) as (filesystem, base, wild):
            is_folder = not wild and filesystem.get_file_info(base).type == fs.FileType.Directory
            return (
                read_catalogue(filesystem, base.rstrip("/"), without_secrets(pattern))
                if is_folder
                else None
            )
    if not os.path.isdir(pattern):
        return None
    try:
        return read_catalogue(LOCAL, str(Path(pattern)), str(Path(pattern)))
    except OSError as error:
        raise _cannot_read(pattern, error) from None


def stem(pattern: str) -> str:
    """What to call a result: features for s3://bucket/features.csv.gz, runs for runs/*.csv."""
    fixed, _ = split_pattern(without_secrets(pattern))
    name = fixed.rstrip("/").rpartition("/")[2] if "://" in pattern else Path(fixed).resolve().name
    return PurePath(name.removesuffix(compression(name))).stem or "features"


def _on_disk(pattern: str, suffixes: Collection[str]) -> list[Place]:
    path = Path(pattern)
    if os.path.isdir(path):
        there = (file for file in path.rglob("*") if file.is_file())
        found = sorted(file for file in there if is_data(file.relative_to(path).parts, suffixes))
    elif not os.path.exists(path) and has_magic(pattern):
        found = sorted(map(Path, glob(pattern, recursive=True)))
    else:
        found = [path]
    for file in found:
        if not str(file).isprintable():
            raise InputError(f"{str(file)!r}: its name cannot be printed; rename the file")
        if os.path.exists(file) and not os.path.isfile(file):
            raise InputError(f"{file} is not an ordinary file")
    return [_place("", LOCAL, str(file)) for file in found]


def _on_server(url: str, suffixes: Collection[str]) -> list[Place]:
    with _server(url) as (filesystem, base, wild):
        info = filesystem.get_file_info(base)
        if not wild and info.type == fs.FileType.File:
            found = [base]
        elif info.type == fs.FileType.NotFound:
            raise InputError(
                f"cannot read {without_secrets(url)}: there is no such file, folder or bucket"
            )
        else:
            deep = not wild or len(wild) > 1
            listed = filesystem.get_file_info(fs.FileSelector(base, recursive=deep))
            found = [
                file.path
                for file in listed
                if file.type == fs.FileType.File and is_found(base, file.path, wild, suffixes)
            ]
    ordered = sorted(found, key=lambda path: path.split("/"))
    return [_place(_scheme(url), filesystem, path) for path in ordered]


@contextmanager
def _server(url: str) -> Iterator[tuple[fs.FileSystem, str, list[str]]]:
    """What pyarrow's file systems have there: S3, Google Cloud, Azure, HDFS..., and file://.

    The file system, a path in it, and the pattern that follows. InputError for what goes wrong here
    or inside the context.
    """
    name = without_secrets(url)
    start = url
    try:
        parts = urlsplit(url)
        fixed, wild = split_pattern(parts.path)
        start = urlunsplit(parts._replace(path=quote(fixed, safe=WRITTEN_SO)))
        yield (*fs.FileSystem.from_uri(start), wild)
    except (ValueError, pa.ArrowException) as error:
        reason = str(error).replace(start, name)
        raise InputError(f"cannot read {name}: {reason}") from None
    except OSError as error:
        raise _cannot_read(name, error) from None


def _scheme(pattern: str) -> str:
    return pattern.partition("://")[0].lower() if "://" in pattern else ""


def _place(scheme: str, filesystem: fs.FileSystem, path: str) -> Place:
    return Place(f"{scheme}://{path}" if scheme else path, filesystem, path)


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


def _check_suffix(name: str, suffixes: Collection[str]) -> None:
    if table_suffix(name) not in suffixes:
        raise InputError(f"{name}: cannot tell its format; known suffixes: {', '.join(suffixes)}")


def _cannot_read(name: str, error: OSError) -> InputError:
    known = None if error.errno else _remote_reason(error)
    [reason, *_] = (known or os_reason(error) or type(error).__name__).splitlines()
    return InputError(f"cannot read {name}: {reason}")


def _remote_reason(error: OSError) -> str | None:
    text = str(error)
    return next((reason for mark, reason in REMOTE_REASONS.items() if mark in text), None)
