"""Standard output, as JSON Lines."""

import sys
from typing import Self

import pyarrow as pa

from lcclassify.output import as_output_error, standard_output
from lcclassify.sinks.file import JsonLinesFormat


class StdoutSink:
    """Standard output. ReaderGoneError when whoever reads it goes away early."""

    def __enter__(self) -> Self:
        self._format = JsonLinesFormat(standard_output().buffer, pa.schema([]))
        return self

    def __exit__(self, *exc: object) -> None:
        """Standard output is not ours to close."""

    def write(self, table: pa.Table, /) -> None:
        """Append lines."""
        with as_output_error():
            self._format.write(table)

    def flush(self) -> None:
        """Hand all lines to whoever reads them."""
        with as_output_error():
            sys.stdout.flush()
