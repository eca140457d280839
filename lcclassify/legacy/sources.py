"""Where the files of a published model come from: a folder, an archive, or one file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lcclassify.digest import file_digest
from lcclassify.errors import os_reason
from lcclassify.legacy.archives import is_archive, read_members
from lcclassify.legacy.layouts import (
    MAX_FOREST_BYTES,
    MAX_ONE_FILE_BYTES,
    ONE_FILE,
    SIZE_LIMITS,
    what_is_missing,
)
from lcclassify.legacy.pickles import read_pickle
from lcclassify.legacy.records import Record, RefusedError, brief, brief_name

_MAX_DESCRIBED_FILES = 4


class Source(Protocol):
    """The pickles of a model by name. Raises RefusedError only."""

    @property
    def names(self) -> frozenset[str]:
        """Files that are there."""
        ...

    def read(self, name: str, /) -> bytes:
        """Bytes of one of them, asked for once."""
        ...

    def place(self, name: str, /) -> Path:
        """Where one of them is, for people."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """Files in a folder, each read when it is asked for."""

    path: Path
    names: frozenset[str]

    def read(self, name: str, /) -> bytes:
        """Bytes of one file."""
        # Read, not mapped: a mapped file that shrinks meanwhile would kill the process.
        path = self.path / name
        try:
            size, limit = path.stat().st_size, SIZE_LIMITS.get(name, MAX_FOREST_BYTES)
            if size > limit:
                raise RefusedError(f"it has {size} bytes, at most {limit} are read")
            return path.read_bytes()
        except OSError as error:
            raise RefusedError(f"cannot be read: {os_reason(error)}") from None

    def place(self, name: str, /) -> Path:
        """The file."""
        return self.path / name


@dataclass(frozen=True, slots=True)
class Archive:
    """Files of an archive, all in memory; each can be read once and is then forgotten."""

    path: Path
    contents: dict[str, bytes]

    @property
    def names(self) -> frozenset[str]:
        """Files that are left."""
        return frozenset(self.contents)

    def read(self, name: str, /) -> bytes:
        """Bytes of one file, once."""
        return self.contents.pop(name)

    def place(self, name: str, /) -> Path:
        """The file, as if the archive were a folder."""
        return self.path / name


@dataclass(frozen=True, slots=True)
class OneFile:
    """A whole model in one file, whatever the file is called."""

    path: Path
    content: bytes

    @property
    def names(self) -> frozenset[str]:
        """The name that such a file is published under."""
        return frozenset({ONE_FILE})

    def read(self, _name: str, /) -> bytes:
        """Its bytes."""
        return self.content

    def place(self, _name: str, /) -> Path:
        """The file."""
        return self.path


def open_source(path: Path) -> Source:
    """Open a folder or, by its content, an archive or one file; refuses others with what it is."""
    try:
        if path.is_dir():
            pickles = (entry for entry in path.iterdir() if entry.suffix == ".pkl")
            return Folder(path, frozenset(entry.name for entry in pickles if entry.is_file()))
        if not path.exists():
            raise RefusedError("there is no such file or folder")
        if not path.is_file():
            raise RefusedError("is neither a folder nor a file")
        if is_archive(path):
            return Archive(path, read_members(path, SIZE_LIMITS))
        if path.stat().st_size > MAX_ONE_FILE_BYTES:
            raise RefusedError("is too large to be one pickle, and not an archive")
        content = path.read_bytes()
    except OSError as error:
        raise RefusedError(f"cannot be read: {os_reason(error)}") from None
    if not _is_whole(content):
        raise RefusedError(
            f"is one file, {describe(content)}; a model is a folder, a tar archive or a dict with "
            f"its forests. It {what_is_missing(frozenset({path.name}))}"
        )
    return OneFile(path, content)


def _is_whole(content: bytes) -> bool:
    """Whether a pickle has the form of a whole model, sound or not."""
    try:
        value = read_pickle(content, None)
    except RefusedError:
        return False
    return isinstance(value, dict) and "model" in value


def source_files_digest(path: Path) -> str:
    """SHA-256 of an archive's bytes, or of the names and digests of a folder's known files."""
    try:
        if not path.is_dir():
            if not path.is_file():
                raise RefusedError("there is no such file or folder")
            return file_digest(path)
        lines = [
            f"{file_digest(path / name)}  {name}\n"
            for name in sorted(SIZE_LIMITS)
            if (path / name).is_file()
        ]
    except OSError as error:
        raise RefusedError(f"cannot be read: {os_reason(error)}") from None
    if not lines:
        raise RefusedError("holds none of the files of a published model")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def describe_files(source: Source) -> str:
    """What the first few pickles of an unfit source are; empty if there are none."""
    described = []
    for name in sorted(source.names)[:_MAX_DESCRIBED_FILES]:
        try:
            described.append(f"{name} is {describe(source.read(name))}")
        except RefusedError as refusal:
            described.append(f"{name}: {refusal}")
    return "; ".join(described)


def describe(data: bytes) -> str:
    """A few words on what a pickle holds and which scikit-learn saved it; nothing is run."""
    try:
        value = read_pickle(data, None)
    except RefusedError as refusal:
        return f"not a readable pickle ({refusal})"
    return f"a pickle of {brief(value)}{_saved_with(value)}"


def _saved_with(value: object) -> str:
    """The version on the object itself or, of imbalanced-learn's forests, on a part of it."""
    if isinstance(value, Record) and isinstance(value.state, dict):
        parts = (part for part in value.state.values() if isinstance(part, Record))
        for record in (value, *parts):
            version = record.state.get("_sklearn_version") if isinstance(record.state, dict) else 0
            if isinstance(version, str):
                return f" saved with scikit-learn {brief_name(version)}"
    return ""
