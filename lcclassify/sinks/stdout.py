"""Standard output, as JSON Lines."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import pyarrow as pa

from lcclassify.errors import OutputError, ReaderGoneError, os_reason
from lcclassify.sinks.file import JsonLinesFormat


class StdoutSink:
    """Standard output. ReaderGoneError when whoever reads it goes away early."""

    def __enter__(self) -> Self:
        self._format = JsonLinesFormat(sys.stdout.buffer, pa.schema([]))
        return self

    def __exit__(self, *exc: object) -> None:
        """Standard output is not ours to close."""

    def write(self, table: pa.Table, /) -> None:
        """Append lines."""
        with _as_output_error():
            self._format.write(table)

    def flush(self) -> None:
        """Hand all lines to whoever reads them."""
        with _as_output_error():
            sys.stdout.buffer.flush()


@contextmanager
def _as_output_error() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise ReaderGoneError("nobody reads standard output any more") from None
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {os_reason(error)}") from None
