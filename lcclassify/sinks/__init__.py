"""Where results go."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

import pyarrow as pa

from lcclassify.errors import OutputError

if TYPE_CHECKING:
    from lcclassify.sinks.file import Start


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


@runtime_checkable
class LeavesOut(Protocol):
    """A sink that cannot hold all results, and counts those that it leaves out."""

    left_out: Counter[str]  # reason -> objects of which nothing was delivered


def _plain() -> Mapping[str, "Start"]:
    from lcclassify.sinks.file import CsvFormat, JsonLinesFormat, ParquetFormat

    return {".parquet": ParquetFormat, ".csv": CsvFormat, ".jsonl": JsonLinesFormat}


def _avro() -> Mapping[str, "Start"]:
    from lcclassify.sinks.avro import AvroFormat

    return {".avro": AvroFormat}


def _astronomers() -> Mapping[str, "Start"]:
    from lcclassify.sinks.astro import EcsvFormat, VoTableFormat

    return {".vot": VoTableFormat, ".votable": VoTableFormat, ".ecsv": EcsvFormat}


SINKS: dict[str, Callable[[], Mapping[str, "Start"]]] = {  # imported when one is asked for
    ".parquet": _plain,
    ".csv": _plain,
    ".jsonl": _plain,
    ".avro": _avro,
    ".vot": _astronomers,
    ".votable": _astronomers,
    ".ecsv": _astronomers,
}
DATABASES = (".sqlite", ".db")
NESTED = (".avro", ".parquet", ".jsonl", "-")  # take records inside records


def takes_records(to: str) -> bool:
    """Whether records inside records can be written there, as published schemas have them."""
    return to == "-" or (not is_database(to) and Path(to).suffix in NESTED)


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
    start = SINKS[path.suffix]()[path.suffix]
    from lcclassify.sinks.file import FileSink

    return FileSink(path, start, force=force)
