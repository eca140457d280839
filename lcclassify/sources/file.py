"""FileSource: features in Parquet, CSV or JSON Lines files, in their order."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Protocol, Self

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError, os_reason
from lcclassify.features import some_of
from lcclassify.sources.columns import check_readable, is_number
from lcclassify.sources.delimited import CsvPart
from lcclassify.sources.jsonl import JsonLinesPart
from lcclassify.sources.parquet import ParquetPart

ID_NAMES = ("oid", "aid", "objectId", "object_id", "diaObjectId", "SNID", "id")


class Part(Protocol):
    """One file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """Every column; the fields of structs under their own names."""

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading on would tell."""

    def id_type(self, name: str) -> pa.DataType:
        """The type that ``Batch.object_id`` has. InputError if no ids can be of that type."""

    def batches(self, id_name: str, columns: Sequence[str], size: int) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time. InputError where the file is damaged."""


FORMATS: dict[str, Callable[[Path], Part]] = {
    ".parquet": ParquetPart,
    ".pq": ParquetPart,
    ".csv": CsvPart,
    ".jsonl": JsonLinesPart,
    ".ndjson": JsonLinesPart,
}


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that hold one table between them, looked at but not yet read."""

    parts: tuple[Part, ...]
    id_name: str

    @property
    def columns(self) -> dict[str, pa.DataType]:
        """The columns that every file has; the type is one that is no number, if a file has it."""
        first, *others = self.parts
        return {
            name: next((k for k in kinds if not is_number(k)), kinds[0])
            for name, kind in first.columns.items()
            if len(kinds := [kind, *(p.columns[name] for p in others if name in p.columns)])
            == len(self.parts)
        }

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading them would tell."""
        counts = [part.n_rows for part in self.parts if part.n_rows is not None]
        return sum(counts) if len(counts) == len(self.parts) else None


def open_files(inputs: Sequence[str], id_name: str | None = None) -> FileSet:
    """Look at files, folders and globs. InputError if there is none or one cannot be read."""
    parts = tuple(_open(path) for pattern in inputs for path in _expand(pattern))
    if id_name is None:
        id_name = _find_id(parts)
    types = {part.path: part.id_type(id_name) for part in parts}
    if len(set(types.values())) > 1:
        found = ", ".join(f"{kind} in {path}" for path, kind in types.items())
        raise InputError(f"column {id_name!r} is not of one type: {found}")
    return FileSet(parts, id_name)


class FileSource:
    """The rows of a set of files, as batches of some of its columns.

    InputError at once if one of these can hold no numbers in one of the files.
    """

    def __init__(self, files: FileSet, columns: Sequence[str], batch_size: int = 5000) -> None:
        self.files = files
        self.columns = list(dict.fromkeys(columns))
        self.batch_size = batch_size
        for part in files.parts:
            for name in self.columns:
                check_readable(part.path, name, part.columns[name])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing stays open between batches of different files."""

    def __iter__(self) -> Iterator[Batch]:
        """Every row, in order."""
        empty = True
        for part in self.files.parts:
            for batch in part.batches(self.files.id_name, self.columns, self.batch_size):
                empty = False
                yield batch
        if empty:
            name = self.files.id_name
            yield Batch(
                object_id=pa.array([], self.files.parts[0].id_type(name)),
                id_name=name,
                features=pa.table({column: pa.array([], pa.float64()) for column in self.columns}),
            )

    def commit(self) -> None:
        """Files stay as they are: there is nothing to acknowledge."""


def _expand(pattern: str) -> list[Path]:
    if not pattern:
        raise InputError("the name of an input is empty")
    path = Path(pattern)
    if os.path.isdir(path):
        found = sorted(file for file in path.rglob("*") if _is_data(file, path))
    elif not os.path.exists(path) and has_magic(pattern):
        found = sorted(map(Path, glob(pattern, recursive=True)))
    else:
        return [path]
    if not found:
        raise InputError(f"{pattern}: no {', '.join(FORMATS)} file there")
    return found


def _is_data(file: Path, folder: Path) -> bool:
    hidden = any(part[0] in "._" for part in file.relative_to(folder).parts)
    return file.suffix in FORMATS and file.is_file() and not hidden


def _open(path: Path) -> Part:
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: cannot tell its format; known suffixes: {', '.join(FORMATS)}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path} is not an ordinary file")
    if not str(path).isprintable():
        raise InputError(f"{str(path)!r}: its name cannot be printed; rename the file")
    try:
        path.open("rb").close()  # what the system says of it, before a library does
        return FORMATS[path.suffix](path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {os_reason(error)}") from None


def _find_id(parts: Sequence[Part]) -> str:
    for name in ID_NAMES:
        if all(name in part.columns for part in parts):
            return name
    there = some_of(list(parts[0].columns))
    raise InputError(
        f"{parts[0].path}: no object id: none of the columns {', '.join(ID_NAMES)} is there "
        f"(there are: {there}); name it with --id"
    )
