"""Parquet, CSV and JSON Lines files that are either whole or not there."""

import json
import math
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, Protocol, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from lcclassify.errors import OutputError, os_reason
from lcclassify.sinks.records import records

ROW_GROUP = 1 << 16  # rows


class Format(Protocol):
    """Writes tables into an open file."""

    def write(self, table: pa.Table, /) -> None:
        """Append rows."""

    def close(self, *, keep: bool = True) -> None:
        """Write what belongs at the end of a file that is kept; let go of one that is not."""


Start = Callable[[IO[bytes], pa.Schema], Format]


class FileSink:
    """A file under a temporary name beside its own, renamed when the context is left in peace.

    One that stands there by then is replaced only by ``force``.
    """

    def __init__(self, path: Path, start: Start, *, force: bool) -> None:
        self.path = Path(os.path.realpath(path))  # a link stays one
        self.force = force
        self._start = start
        self._format: Format | None = None

    def __enter__(self) -> Self:
        try:
            handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise self._error(error) from None
        self._file = os.fdopen(handle, "wb")
        self._partial = Path(name)
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if exc[0] is None:
                self._finish()
        except OSError as error:
            raise self._error(error) from None
        finally:
            with suppress(OSError):  # what could not be written is thrown away with the file
                if exc[0] is not None and self._format is not None:
                    self._format.close(keep=False)
            with suppress(OSError):
                self._file.close()
            self._partial.unlink(missing_ok=True)

    def write(self, table: pa.Table, /) -> None:
        """Append rows."""
        try:
            if self._format is None:
                self._format = self._start(self._file, table.schema)
            self._format.write(table)
        except OSError as error:
            raise self._error(error) from None

    def flush(self) -> None:
        """A file is delivered when it is renamed, all at once."""

    def _finish(self) -> None:
        if self._format is not None:
            self._format.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.chmod(0o666 & ~_umask())  # mkstemp's 0o600 would make the result private
        if self.force:
            self._partial.replace(self.path)
        else:
            self._link()

    def _link(self) -> None:
        """Give the file its name, unless something has it."""
        try:
            os.link(self._partial, self.path)
        except FileExistsError:
            raise OutputError(f"{self.path} exists already; --force replaces it") from None
        except OSError:  # a file system without links
            if self.path.exists():
                raise OutputError(f"{self.path} exists already; --force replaces it") from None
            self._partial.replace(self.path)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self.path}: {os_reason(error)}")


@cache
def _umask() -> int:
    """The mask of this process: once, since it is read by setting another, which threads see."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


class ParquetFormat:
    """Parquet with zstd, in row groups of one size whatever the size of the tables."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._pending = schema.empty_table()

    def write(self, table: pa.Table, /) -> None:
        """Append rows."""
        self._pending = pa.concat_tables([self._pending, table])
        while len(self._pending) >= ROW_GROUP:
            self._writer.write_table(self._pending.slice(0, ROW_GROUP).combine_chunks())
            self._pending = self._pending.slice(ROW_GROUP)

    def close(self, *, keep: bool = True) -> None:
        """Write the rows that are left, and the footer."""
        if keep:
            self._writer.write_table(self._pending.combine_chunks())
        self._writer.close()


class CsvFormat:
    """CSV with a line of names; an empty field is null."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._writer = pyarrow.csv.CSVWriter(file, schema)

    def write(self, table: pa.Table, /) -> None:
        """Append lines."""
        self._writer.write_table(table)

    def close(self, *, keep: bool = True) -> None:
        """Hand the last lines to the file."""
        self._writer.close()


class JsonLinesFormat:
    """One JSON object per line, maps and records as objects; NaN and infinities are null."""

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file

    def write(self, table: pa.Table, /) -> None:
        """Append lines."""
        self._file.writelines(map(_line, records(table)))

    def close(self, *, keep: bool = True) -> None:
        """A line is complete as it is."""


def _line(row: dict[str, Any]) -> bytes:
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(row), ensure_ascii=False)
    return text.encode() + b"\n"


def _finite(value: Any) -> Any:
    """A value with null for NaN and infinities, at any depth."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
