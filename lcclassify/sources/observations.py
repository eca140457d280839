"""Tables of a row per observation to objects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.sources.bands import Spellings
from lcclassify.sources.columns import number_table
from lcclassify.sources.curve_forms import CurveForm
from lcclassify.sources.light_curves import with_measured
from lcclassify.sources.observed import Fault, Observations, read_observations
from lcclassify.status import Problem

PREFIX = "observed."  # of the columns of numbers that observations become
OBSERVED = tuple(f"{PREFIX}{name}" for name in Observations._fields)
ROWS = 1 << 17  # observations held at a time, or one object's


def follows(ids: Iterable[pa.Array]) -> bool:
    """Whether the rows of each object follow each other, in arrays of the rows' ids.

    What is held meanwhile is an id of each object.
    """
    heads: list[pa.Array] = []
    last = pa.nulls(0)
    for array in ids:
        if len(array):
            first = array.take(pa.array(_starts(array)))
            goes_on = len(last) and first[0].is_valid and first[0].as_py() == last[0].as_py()
            heads.append(first.slice(1 if goes_on else 0).drop_null())
            last = array.slice(len(array) - 1)
    if not heads:
        return True
    together = pa.concat_arrays(heads)
    return bool(len(together) == pc.count_distinct(together).as_py())


def in_order(rows: Iterable[Batch]) -> Batch:
    """The rows, each object's together in their order, objects in that of their first rows."""
    whole = _concat(list(rows))
    encoded = whole.object_id.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    first = np.arange(len(codes))  # a row without an id is an object of its own
    known = codes >= 0
    found, where, back = np.unique(codes[known], return_index=True, return_inverse=True)
    if len(found):
        first[known] = first[known][where][back]
    return _take(whole, np.argsort(first, kind="stable"))


def group_rows(
    rows: Iterable[Batch],
    form: CurveForm,
    columns: Sequence[str],
    size: int,
    spellings: Spellings,
) -> Iterator[Batch]:
    """Objects, at most ``size`` at a time, of batches of rows in which they follow each other.

    Columns and context of an object are those of its first row; a problem of any row is its own.
    """
    held: Batch | None = None  # rows of the last object, which may go on
    following = filter(len, rows)
    batch = next(following, None)
    while batch is not None:
        after = next(following, None)
        whole = _concat([held, batch]) if held is not None else batch
        starts = _starts(whole.object_id)
        if after is None:
            starts = np.append(starts, len(whole))
        yield from _objects(whole, starts, form, columns, size, spellings)
        held = _slice(whole, int(starts[-1]), len(whole))
        batch = after


def with_numbers(batch: Batch, form: CurveForm, spellings: Spellings) -> Batch:
    """Rows whose observations, in the context as they are written, are numbers of one type each."""
    written = {name: batch.context[name].combine_chunks() for name in form.observed}
    seen = read_observations(written, len(batch), form, spellings)
    seen.fault[list(batch.problems)] = Fault.RECORD
    rest = batch.context.drop_columns(list(written))
    columns = {f"{PREFIX}{name}": pa.array(column) for name, column in seen._asdict().items()}
    columns |= dict(zip(rest.column_names, rest.columns, strict=True))
    return replace(batch, context=pa.table(columns))


def _objects(
    rows: Batch,
    starts: np.ndarray,
    form: CurveForm,
    columns: Sequence[str],
    size: int,
    spellings: Spellings,
) -> Iterator[Batch]:
    """Objects between starts, of which the last one is the end."""
    for number in range(0, len(starts) - 1, size):
        bounds = starts[number : number + size + 1]
        part = _slice(rows, int(bounds[0]), int(bounds[-1]))
        offsets = (bounds - bounds[0]).astype(np.int64)
        problems: dict[int, Problem] = {}
        for row, problem in sorted(part.problems.items()):
            problems.setdefault(int(np.searchsorted(offsets, row, "right")) - 1, problem)
        first = pa.array(offsets[:-1])
        values = {name: part.features[name].take(first).combine_chunks() for name in columns}
        objects = Batch(
            object_id=part.object_id.take(first),
            id_name=rows.id_name,
            features=number_table(values, {}, len(first)),
            problems=problems,
            context=part.context.drop_columns(list(OBSERVED)).take(first),
            rounded=np.logical_or.reduceat(part.is_rounded, offsets[:-1]),
        )
        seen = Observations(*(part.context[name].to_numpy() for name in OBSERVED))
        yield with_measured(objects, form, offsets, seen, spellings)


def _starts(ids: pa.Array) -> np.ndarray:
    """The rows at which an object starts; rows without an id are one each. int64"""
    codes = pc.fill_null(ids.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    new = (codes[1:] != codes[:-1]) | (codes[1:] < 0)
    return np.concatenate(([0], np.flatnonzero(new) + 1)) if len(codes) else np.empty(0, np.int64)


def _concat(batches: Sequence[Batch]) -> Batch:
    starts = np.cumsum([0, *map(len, batches)])
    return Batch(
        object_id=pa.concat_arrays([batch.object_id for batch in batches]),
        id_name=batches[0].id_name,
        features=_stacked([batch.features for batch in batches], int(starts[-1])),
        problems={
            int(start) + row: problem
            for start, batch in zip(starts, batches, strict=False)
            for row, problem in batch.problems.items()
        },
        context=pa.concat_tables([batch.context for batch in batches]),
        rounded=np.concatenate([batch.is_rounded for batch in batches]),
    )


def _stacked(tables: Sequence[pa.Table], n_rows: int) -> pa.Table:
    """Tables one below the other; without columns they would have no rows."""
    whole = pa.concat_tables(tables)
    return whole if whole.column_names else number_table({}, {}, n_rows)


def _slice(rows: Batch, start: int, stop: int) -> Batch:
    return replace(
        rows,
        object_id=rows.object_id.slice(start, stop - start),
        features=rows.features.slice(start, stop - start),
        problems={r - start: problem for r, problem in rows.problems.items() if start <= r < stop},
        context=rows.context.slice(start, stop - start),
        rounded=rows.is_rounded[start:stop],
    )


def _take(rows: Batch, order: np.ndarray) -> Batch:
    index = pa.array(order)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    return replace(
        rows,
        object_id=rows.object_id.take(index),
        features=_stacked([rows.features.take(index)], len(order)),
        problems={int(position[row]): problem for row, problem in rows.problems.items()},
        context=rows.context.take(index),
        rounded=rows.is_rounded[order],
    )
