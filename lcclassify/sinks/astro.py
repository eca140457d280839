"""VOTable and ECSV, the tables of astronomers' tools."""

import io
import warnings
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.errors import OutputError
from lcclassify.sinks.records import signed

try:
    from astropy.io.votable.exceptions import VOWarning
    from astropy.table import MaskedColumn, Table
except ModuleNotFoundError:
    raise OutputError(
        "writing VOTable and ECSV needs astropy: pip install 'lcclassify[astro]'"
    ) from None


def astropy_table(table: pa.Table) -> Table:
    """A table of astropy's, texts as wide as the longest of their column; null is masked."""
    columns = zip(table.column_names, table.columns, strict=True)
    return Table({name: _masked(c) if c.null_count else _values(c) for name, c in columns})


class VoTableFormat:
    """VOTable, its data in binary (BINARY2), which keeps every number and text as it is.

    A null text is an empty one: VOTable has no other. The table is held in memory until the end.
    """

    def __init__(self, file: IO[bytes], schema: pa.Schema) -> None:
        self._file = file
        self._tables = [schema.empty_table()]

    def write(self, table: pa.Table, /) -> None:
        """Keep rows."""
        self._tables.append(table)

    def close(self, *, keep: bool = True) -> None:
        """Write all of it, if it is kept."""
        if keep:
            self._save(pa.concat_tables(self._tables))

    def _save(self, table: pa.Table) -> None:
        # Texts as objects: astropy cuts those of a fixed length that have letters beyond UCS-2. If
        # there are none, it cannot tell what they are. Of unsigned integers VOTable has but bytes.
        table = signed(table)
        columns = {
            name: _texts(column) if _is_text(column) and len(column) else _masked(column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VOWarning)  # a class is no XML identifier: "Ib/c"
            Table(columns).write(self._file, format="votable", tabledata_format="binary2")


class EcsvFormat(VoTableFormat):
    """ECSV: CSV with the columns' types at its top; an empty field is null.

    The table is held in memory until the end, texts as wide as the longest of their column.
    """

    def _save(self, table: pa.Table) -> None:
        text = io.TextIOWrapper(self._file, "utf-8", newline="")
        astropy_table(table).write(text, format="ascii.ecsv")
        text.detach()


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type))


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(pc.fill_null(column, "").to_numpy(), object)


def _masked(column: pa.ChunkedArray) -> MaskedColumn:
    return MaskedColumn(_values(column), mask=column.is_null().to_numpy())


def _values(column: pa.ChunkedArray) -> np.ndarray:
    if _is_text(column):
        return _texts(column).astype(str)
    return np.asarray(pc.fill_null(column, 0).to_numpy())
