"""JoinedSource: columns of a second table beside those of a source, by object id."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.hashes import text_hashes
from lcclassify.sources import Source
from lcclassify.sources.file import FileSet, FileSource


class JoinTable:
    """Columns of a table, held in memory. InputError for an object twice, or a bad row."""

    def __init__(self, table: FileSet, columns: Sequence[str]) -> None:
        batches = list(FileSource(table, columns))
        ids = pa.chunked_array([_text(batch.object_id) for batch in batches]).combine_chunks()
        hashes = text_hashes(ids)
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        if (n_repeated := int(np.count_nonzero(np.diff(self._hashes) == 0))) > 0:
            raise InputError(
                f"{table.parts[0].path}: {n_repeated} ids are there more than once; a table to "
                "join has one row per object"
            )
        bad = sum(len(batch.problems) for batch in batches)
        if bad:
            problem = next(p for batch in batches for p in batch.problems.values())
            raise InputError(f"{table.parts[0].path}: {bad} bad rows, the first: {problem.reason}")
        self._ids = ids
        self.features = pa.concat_tables([batch.features for batch in batches]).combine_chunks()

    def rows(self, ids: pa.Array) -> pa.Array:
        """Where each object is in the table, null if it is not. (N,) int64"""
        if not len(self._ids):
            return pa.nulls(len(ids), pa.int64())
        texts = _text(ids)
        places = np.searchsorted(self._hashes, text_hashes(texts)).clip(max=len(self._ids) - 1)
        rows = self._order[places]
        found = pc.fill_null(pc.equal(self._ids.take(pa.array(rows)), texts), False)
        return pa.array(rows, mask=~found.to_numpy(zero_copy_only=False))


class JoinedSource:
    """The batches of a source, row for row, with the columns of another table.

    An object that the table lacks has nulls there. Ids are compared as text, so that 17 and "17"
    are one object.
    """

    def __init__(self, source: Source, table: JoinTable) -> None:
        self._source = source
        self._table = table
        self.n_unmatched = 0  # objects so far that the table lacks

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was joined to."""
        self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Batch]:
        """The source's batches, with more columns."""
        for batch in self._source:
            rows = self._table.rows(batch.object_id)
            self.n_unmatched += rows.null_count
            features = batch.features
            added = self._table.features
            for name, column in zip(added.column_names, added.columns, strict=True):
                features = features.append_column(name, column.take(rows))
            yield replace(batch, features=features)

    def commit(self) -> None:
        """What was joined to is told."""
        self._source.commit()


def _text(ids: pa.Array) -> pa.Array:
    return ids.cast(pa.string())
