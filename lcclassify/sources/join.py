"""JoinedSource: columns of a second table beside those of a source, by object id."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import is_header
from lcclassify.hashes import text_hashes
from lcclassify.remarks import Kind, Remark, all_remarks, remark
from lcclassify.sources import Source
from lcclassify.sources.file import FileSet, FileSource
from lcclassify.sources.light_curves import without_feature_problems
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.status import Problem, join_texts


class JoinTable:
    """Columns of a table, held in memory. InputError for an object twice.

    A row without an id is nobody's; what is wrong with another is of the objects that match it.
    """

    def __init__(self, name: str, table: FileSet, columns: Sequence[str]) -> None:
        self.name = name
        batches = list(FileSource(table, columns))
        ids = pa.chunked_array([_text(batch.object_id) for batch in batches]).combine_chunks()
        hashes = text_hashes(ids)
        self._known = np.flatnonzero(pc.fill_null(pc.not_equal(ids, ""), False))
        self._order = self._known[np.argsort(hashes[self._known])]
        self._hashes = hashes[self._order]
        if (n_repeated := int(np.count_nonzero(np.diff(self._hashes) == 0))) > 0:
            raise InputError(
                f"{table.parts[0].path}: {n_repeated} ids are there more than once; a table to "
                "join has one row per object"
            )
        self._ids = ids
        self._rounded = np.concatenate([batch.is_rounded for batch in batches])
        self._id_name = table.id_name
        self._problems = _problems(batches, columns)
        self.features = pa.concat_tables([batch.features for batch in batches]).combine_chunks()

    @property
    def example(self) -> str | None:
        """One of its ids, as text; None if it has none."""
        return self._ids[int(self._known[0])].as_py() if len(self._known) else None

    def rows(self, ids: pa.Array) -> pa.Array:
        """Where each object is in the table, null if it is not. (N,) int64"""
        if not len(self._order):
            return pa.nulls(len(ids), pa.int64())
        texts = _text(ids)
        places = np.searchsorted(self._hashes, text_hashes(texts)).clip(max=len(self._order) - 1)
        rows = self._order[places]
        found = pc.fill_null(pc.equal(self._ids.take(pa.array(rows)), texts), False)
        return pa.array(rows, mask=~found.to_numpy(zero_copy_only=False))

    def problems(self, rows: pa.Array) -> Mapping[int, Problem]:
        """What is wrong with the rows that were found, by the place in which they were asked for"""
        if not self._problems:
            return {}
        found = enumerate(rows.to_pylist())
        return {place: self._problems[row] for place, row in found if row in self._problems}

    def remarks(self, rows: pa.Array) -> Mapping[Remark, int]:
        """On rows that were found by ids that had gone through a float: they may be another's."""
        n_rounded = int(self._rounded[rows.drop_null().to_numpy()].sum())
        return {remark(Kind.ROUNDED_ID, f"{self._id_name} in {self.name}"): n_rounded}


class JoinedSource:
    """The batches of a source, row for row, with the columns of another table.

    An object that the table lacks has nulls there; one with a light curve is a repaired one, if
    anything is read of the table. A problem of its row there is the object's, if it has none
    itself. Ids are compared as text, so that 17 and "17" are one object.
    """

    def __init__(self, source: Source, table: JoinTable) -> None:
        self.source = source
        self.table = table
        self.n_unmatched = 0  # objects so far that the table lacks
        self.example: str | None = None  # the id of one of them, as text

    def __enter__(self) -> Self:
        self.source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close what was joined to."""
        self.source.__exit__(*exc)

    def __iter__(self) -> Iterator[Batch]:
        """The source's batches, with more columns."""
        for batch in self.source:
            rows = self.table.rows(batch.object_id)
            self.n_unmatched += rows.null_count
            if self.example is None and rows.null_count:
                self.example = _first(batch.object_id.filter(rows.is_null()))
            features = batch.features
            added = self.table.features
            for name, column in zip(added.column_names, added.columns, strict=True):
                features = features.append_column(name, column.take(rows))
            whole = replace(
                batch,
                features=features,
                problems={**self.table.problems(rows), **batch.problems},
                repairs=self._repairs(batch, rows),
                remarks=all_remarks((batch.remarks, self.table.remarks(rows))),
            )
            yield whole if batch.light_curves is None else without_feature_problems(whole)

    def _repairs(self, batch: Batch, rows: pa.Array) -> Mapping[int, str]:
        is_read = self.table.features.num_columns > 0
        if batch.light_curves is None or not rows.null_count or not is_read:
            return batch.repairs
        missing = pc.indices_nonzero(rows.is_null()).to_pylist()
        return join_texts(batch.repairs, dict.fromkeys(missing, f"it is not in {self.table.name}"))

    def commit(self) -> None:
        """What was joined to is told."""
        self.source.commit()


def _problems(batches: Sequence[Batch], columns: Sequence[str]) -> dict[int, Problem]:
    """Row -> what is wrong with it, of what is read."""
    starts = np.cumsum([0, *map(len, batches)]).tolist()
    has_features = any(not is_header(name) for name in columns)
    return {
        start + row: problem
        for start, batch in zip(starts, batches, strict=False)
        for row, problem in batch.problems.items()
        if columns and (has_features or problem != NO_FEATURES)
    }


def _first(ids: pa.Array) -> str | None:
    """The first that is an id, as text."""
    known = (text for text in _text(ids).to_pylist() if text)
    return next(known, None)


def _text(ids: pa.Array) -> pa.Array:
    return ids.cast(pa.string())
