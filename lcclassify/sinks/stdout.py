"""Standard output, as JSON Lines."""

import sys
from typing import Self

import pyarrow as pa

from lcclassify.errors import OutputError, os_reason
from lcclassify.sinks.file import JsonLinesFormat


class StdoutSink:
    """Standard output. A reader that goes away early ends the work without an error message."""

    def __enter__(self) -> Self:
        self._format = JsonLinesFormat(sys.stdout.buffer, pa.schema([]))
        return self

    def __exit__(self, *exc: object) -> None:
        """Standard output is not ours to close."""

    def write(self, table: pa.Table, /) -> None:
        """Append lines."""
        try:
            self._format.write(table)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {os_reason(error)}") from None

    def flush(self) -> None:
        """Hand all lines to whoever reads them."""
        try:
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to standard output: {os_reason(error)}") from None
