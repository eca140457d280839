"""JoinedSource: columns of a second table beside those of a source, by object id."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources import Source
from lcclassify.sources.file import FileSet, FileSource


class JoinedSource:
    """The batches of a source, row for row, with columns of a table that is held in memory.

    An object that the table lacks has nulls there; one that it has twice is refused. Ids are
    compared as text, so that 17 and "17" are one object.
    """

    def __init__(self, source: Source, table: FileSet, columns: Sequence[str]) -> None:
        batches = list(FileSource(table, columns))
        ids = pa.chunked_array([_text(batch.object_id) for batch in batches]).combine_chunks()
        if (n_repeated := len(ids) - pc.count_distinct(ids, mode="all").as_py()) > 0:
            raise InputError(
                f"{table.parts[0].path}: {n_repeated} ids are there more than once; a table to "
                "join has one row per object"
            )
        bad = sum(len(batch.problems) for batch in batches)
        if bad:
            problem = next(p for batch in batches for p in batch.problems.values())
            raise InputError(f"{table.parts[0].path}: {bad} bad rows, the first: {problem.reason}")
        self._source = source
        self._ids = ids
        self._features = pa.concat_tables([batch.features for batch in batches]).combine_chunks()
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
            rows = pc.index_in(_text(batch.object_id), value_set=self._ids)
            self.n_unmatched += rows.null_count
            features = batch.features
            for name, column in zip(
                self._features.column_names, self._features.columns, strict=True
            ):
                features = features.append_column(name, column.take(rows))
            yield replace(batch, features=features)

    def commit(self) -> None:
        """What was joined to is told."""
        self._source.commit()


def _text(ids: pa.Array) -> pa.Array:
    return ids.cast(pa.string())
