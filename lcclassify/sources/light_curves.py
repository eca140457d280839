"""Columns of nested or flat observations to light curves, without an object of Python for a row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.features import is_header
from lcclassify.remarks import all_remarks
from lcclassify.sources.bands import Spellings
from lcclassify.sources.columns import is_number
from lcclassify.sources.curve_forms import CurveForm, is_list, struct_fields
from lcclassify.sources.measure import measure
from lcclassify.sources.observed import Observations, read_observations
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.sources.surveys import other_survey
from lcclassify.status import Problem, Status


def with_light_curves(batch: Batch, form: CurveForm, spellings: Spellings) -> Batch:
    """A batch with light curves from the nested columns in its context, which it loses.

    An object whose lists do not fit together has a problem.
    """
    context = {name: _whole(batch.context[name]) for name in batch.context.column_names}
    problems = dict(batch.problems)
    band = None
    if form.has_row_band:
        band = spellings.read(context.pop(form.band))
    if form.kind == "lists":
        items = [_of_lists(_lists(context, form), form, problems)]
    else:
        items = [_of_structs(context.pop(name), form) for name in form.structs]
    lengths = np.array([n for n, _ in items], np.int64).reshape(len(items), len(batch))
    groups = [
        read_observations(
            values, int(n.sum()), form, spellings, None if band is None else np.repeat(band, n)
        )
        for n, values in items
    ]
    return with_measured(
        replace(batch, context=pa.table(context), problems=problems),
        form,
        *_interleave(lengths, groups),
        spellings,
    )


def with_measured(
    batch: Batch,
    form: CurveForm,
    offsets: np.ndarray,
    seen: Observations,
    spellings: Spellings,
) -> Batch:
    """A batch with these observations, from ``offsets`` on, as light curves."""
    found = measure(form, offsets, seen, spellings)
    survey = other_survey(form, batch.object_id, offsets, seen.band, spellings)
    return replace(
        batch,
        problems=found.problems | dict(batch.problems),
        light_curves=found.light_curves,
        repairs=together(batch.repairs, found.repairs),
        remarks=all_remarks((batch.remarks, found.remarks, survey)),
        first_rows=found.first_rows,
    )


def without_feature_problems(batch: Batch) -> Batch:
    """A batch in which objects without features are repaired ones, not problems.

    Of features that are not asked for nothing is said.
    """
    lacking = [row for row, problem in batch.problems.items() if problem == NO_FEATURES]
    if not lacking:
        return batch
    asked = any(not is_header(name) for name in batch.features.column_names)
    said = dict.fromkeys(lacking, NO_FEATURES.reason) if asked else {}
    return replace(
        batch,
        problems={row: p for row, p in batch.problems.items() if p != NO_FEATURES},
        repairs=together(batch.repairs, said),
    )


def together(one: Mapping[int, str], other: Mapping[int, str]) -> dict[int, str]:
    """What was repaired, of two accounts."""
    return {
        row: "; ".join(account[row] for account in (one, other) if row in account)
        for row in sorted({*one, *other})
    }


def nested_columns(form: CurveForm) -> list[str]:
    """What holds light curves: columns, or fields of the struct that lists lie in."""
    names = list(form.structs or form.observed)
    if form.kind == "lists":
        names = [f"{struct}.{name}" for struct in form.structs for name in form.observed] or names
    return [*names, form.band] if form.has_row_band else names


def check_nested(path: object, form: CurveForm, columns: Mapping[str, pa.DataType]) -> None:
    """Refuse lists or structs in which times or fluxes are no numbers. InputError"""
    for column in form.structs or form.observed:
        kind = columns[column]
        for name, one in (struct_fields(kind) if form.structs else {column: kind}).items():
            value = one.value_type if form.kind == "lists" and is_list(one) else one
            if name in (form.mjd, form.flux, form.flux_err) and not is_number(value):
                raise InputError(f"{path}: {column!r} holds {value} of {name}, not numbers")


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


class _Items(NamedTuple):
    """The observations of N objects as they are written."""

    lengths: np.ndarray  # (N,) int64
    values: Mapping[str, pa.Array]  # M of each column or field that is there


def _of_structs(column: pa.Array, form: CurveForm) -> _Items:
    """What lies in structs, or lists of them."""
    if is_list(column.type):
        lengths, items = _lengths(column), column.flatten()
    else:
        lengths, items = column.is_valid().to_numpy(zero_copy_only=False), column.drop_null()
    there = struct_fields(items.type)
    values = {name: pc.struct_field(items, name) for name in form.observed if name in there}
    return _Items(lengths.astype(np.int64), values)


def _lists(context: dict[str, pa.Array], form: CurveForm) -> dict[str, pa.Array]:
    """The lists of each object, which the context loses; a null struct has null lists."""
    if not form.structs:
        return {name: context.pop(name) for name in form.observed}
    (struct,) = (context.pop(name) for name in form.structs)
    return {name: pc.struct_field(struct, name) for name in form.observed}


def _of_lists(
    columns: Mapping[str, pa.Array], form: CurveForm, problems: dict[int, Problem]
) -> _Items:
    """What lies in a list each of times, bands, fluxes and so on."""
    columns = {name: _as_list(column) for name, column in columns.items()}
    lengths = {name: _lengths(column) for name, column in columns.items()}
    n_times = lengths[form.mjd]
    unlike = np.zeros(len(n_times), bool)
    for name, length in lengths.items():
        for row in np.flatnonzero(length != n_times):
            reason = f"{form.mjd} has {n_times[row]} values and {name} {length[row]}"
            problems.setdefault(int(row), Problem(Status.INVALID_RECORD, reason))
        unlike |= length != n_times
    if unlike.any():
        index = pa.array(np.arange(len(n_times)), mask=unlike)
        columns = {name: column.take(index) for name, column in columns.items()}
    values = {name: column.flatten() for name, column in columns.items()}
    return _Items(np.where(unlike, 0, n_times), values)


def _as_list(column: pa.Array) -> pa.Array:
    """A column of lists; where some rows of a format without types have none, no list at all."""
    return column if is_list(column.type) else pa.nulls(len(column), pa.list_(pa.null()))


def _lengths(column: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)


def _interleave(
    lengths: np.ndarray, groups: Sequence[Observations]
) -> tuple[np.ndarray, Observations]:
    """Each object's observations of all groups, one group after the other. lengths (groups, N)"""
    offsets = np.concatenate(([0], np.cumsum(lengths.sum(axis=0))))
    if len(groups) == 1:
        return offsets, groups[0]
    starts = offsets[:-1] + np.cumsum(lengths, axis=0) - lengths  # of each group in its object
    target = np.concatenate(
        [
            np.repeat(start - np.cumsum(n) + n, n) + np.arange(n.sum())
            for start, n in zip(starts, lengths, strict=True)
        ]
    )
    order = np.argsort(target)
    return offsets, Observations(
        *(np.concatenate(columns)[order] for columns in zip(*groups, strict=True))
    )
