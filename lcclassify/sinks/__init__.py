"""Where results go."""

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


def _parquet(path: Path) -> Sink:
    from lcclassify.sinks.file import FileSink, ParquetFormat

    return FileSink(path, ParquetFormat)


def _csv(path: Path) -> Sink:
    from lcclassify.sinks.file import CsvFormat, FileSink

    return FileSink(path, CsvFormat)


def _json_lines(path: Path) -> Sink:
    from lcclassify.sinks.file import FileSink, JsonLinesFormat

    return FileSink(path, JsonLinesFormat)


SINKS: dict[str, Callable[[Path], Sink]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}


def open_sink(to: str, *, force: bool = False) -> Sink:
    """Open the file named, by its suffix; - is standard output, as JSON Lines."""
    if to == "-":
        from lcclassify.sinks.stdout import StdoutSink

        return StdoutSink()
    path = Path(to)
    if path.suffix not in SINKS:
        raise OutputError(f"cannot write to {to!r}: choose a suffix from {', '.join(SINKS)} or -")
    if path.exists() and not force:
        raise OutputError(f"{to} exists already; --force replaces it")
    return SINKS[path.suffix](path)
