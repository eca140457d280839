"""Where results go."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

import pyarrow as pa

from lcclassify.errors import OutputError


class Sink(Protocol):
    """Where results go. ``write`` may buffer; ``flush`` returns only when all is delivered.

    Leaving the context after an error leaves nothing behind.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def write(self, table: pa.Table, /) -> None:
        """Take rows. All tables of one sink have the same columns."""

    def flush(self) -> None:
        """Return when everything written so far is where it should be."""


def _parquet(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.file import FileSink, ParquetFormat

    return FileSink(path, ParquetFormat, force=force)


def _csv(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.file import CsvFormat, FileSink

    return FileSink(path, CsvFormat, force=force)


def _json_lines(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.file import FileSink, JsonLinesFormat

    return FileSink(path, JsonLinesFormat, force=force)


def _avro(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.avro import AvroFormat
    from lcclassify.sinks.file import FileSink

    return FileSink(path, AvroFormat, force=force)


def _votable(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.astro import VoTableFormat
    from lcclassify.sinks.file import FileSink

    return FileSink(path, VoTableFormat, force=force)


def _ecsv(path: Path, force: bool) -> Sink:
    from lcclassify.sinks.astro import EcsvFormat
    from lcclassify.sinks.file import FileSink

    return FileSink(path, EcsvFormat, force=force)


SINKS: dict[str, Callable[[Path, bool], Sink]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".avro": _avro,
    ".vot": _votable,
    ".votable": _votable,
    ".ecsv": _ecsv,
}
DATABASES = (".sqlite", ".db")
NESTED = (".avro", ".parquet")  # take records inside records


def is_database(to: str) -> bool:
    """Whether results go into a table, which takes a row per object and class (``tidy``)."""
    return "://" in to or Path(to).suffix in DATABASES


def open_sink(to: str, *, force: bool = False) -> Sink:
    """Open the file named, by its suffix, or the database; - is standard output, as JSON Lines.

    A database keeps what it has; ``force`` replaces a file. OutputError if it cannot be written.
    """
    if to == "-":
        from lcclassify.sinks.stdout import StdoutSink

        return StdoutSink()
    if is_database(to):
        from lcclassify.sinks.sql import SqlSink

        return SqlSink(to)
    path = Path(to)
    if path.suffix not in SINKS:
        suffixes = ", ".join([*SINKS, *DATABASES])
        raise OutputError(f"cannot write to {to!r}: choose a suffix from {suffixes} or -")
    if os.path.isdir(path):
        raise OutputError(f"cannot write to {to}: it is a folder")
    if os.path.lexists(path) and not force:
        raise OutputError(f"{to} exists already; --force replaces it")
    if not os.path.isdir(path.parent):
        raise OutputError(f"cannot write {to}: there is no folder {path.parent}")
    return SINKS[path.suffix](path, force)
