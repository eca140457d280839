"""Columns of nested or flat observations to light curves, without an object of Python for a row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.batch import BANDS, Batch, LightCurves
from lcclassify.errors import InputError
from lcclassify.features import is_header
from lcclassify.sources.bands import CODES, LOWER_Y, band_codes
from lcclassify.sources.columns import is_number
from lcclassify.sources.curve_forms import CurveForm, is_list, struct_fields
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.status import Problem, Status


class Observations(NamedTuple):
    """M observations, in the order of their objects."""

    mjd: np.ndarray  # (M,) float64, NaN = null
    band: np.ndarray  # (M,) int8, of ``band_codes``
    flux: np.ndarray  # (M,) float64, or magnitude
    flux_err: np.ndarray  # (M,) float64


def measure(
    form: CurveForm, offsets: np.ndarray, seen: Observations
) -> tuple[LightCurves, dict[int, str]]:
    """Light curves of objects with observations from ``offsets`` on; row -> what was repaired.

    The form is one of ``settle``, which knows the zero point.
    """
    flux, flux_err = seen.flux, seen.flux_err
    zero_point = float(form.zero_point or 0.0)
    if form.is_magnitude:
        flux, flux_err = to_flux(flux, flux_err, zero_point)
    lower = seen.band == LOWER_Y
    n_lower = np.diff(np.concatenate(([0], np.cumsum(lower)))[offsets])
    repairs = {
        int(row): f"{n_lower[row]} observations in band y are read as {BANDS[-1]}"
        for row in np.flatnonzero(n_lower)
    }
    band = np.where(lower, len(BANDS) - 1, seen.band).astype(np.int8)
    return LightCurves(offsets, seen.mjd, band, flux, flux_err, zero_point), repairs


def to_flux(
    magnitude: np.ndarray, error: np.ndarray, zero_point: float
) -> tuple[np.ndarray, np.ndarray]:
    """Flux and its error, of this zero point. A magnitude without a value gives none."""
    with np.errstate(over="ignore", invalid="ignore"):
        flux = 10 ** (-0.4 * (magnitude - zero_point))
        return flux, 0.4 * np.log(10) * flux * error


def with_light_curves(batch: Batch, form: CurveForm) -> Batch:
    """A batch with light curves from the nested columns in its context, which it loses.

    An object whose lists do not fit together has a problem.
    """
    context = {name: _whole(batch.context[name]) for name in batch.context.column_names}
    problems = dict(batch.problems)
    band = None
    if form.has_row_band:
        band = band_codes(context.pop(form.band), form.bands or CODES)
    if form.kind == "lists":
        items = [_of_lists(_lists(context, form), form, problems)]
    else:
        items = [_of_structs(context.pop(name), form) for name in form.structs]
    groups = [_observed(*each, form, band, problems) for each in items]
    lengths = np.array([n for n, _ in groups], np.int64).reshape(len(groups), len(batch))
    light_curves, repairs = measure(form, *_interleave(lengths, [seen for _, seen in groups]))
    return replace(
        batch,
        context=pa.table(context),
        problems=problems,
        light_curves=light_curves,
        repairs=together(batch.repairs, repairs),
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


def _lengths(column: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)


def _observed(
    lengths: np.ndarray,
    values: Mapping[str, pa.Array],
    form: CurveForm,
    row_band: np.ndarray | None,
    problems: dict[int, Problem],
) -> tuple[np.ndarray, Observations]:
    """The number of observations of each object, and them; without those whose flags say so."""
    n_rows = int(lengths.sum())
    if row_band is not None:
        band = np.repeat(row_band, lengths)
    elif form.band in values:
        band = band_codes(values[form.band], form.bands or CODES)
    else:
        band = np.full(n_rows, -1, np.int8)
    mjd, flux, flux_err = (
        _float64(values.get(name or ""), n_rows) for name in (form.mjd, form.flux, form.flux_err)
    )
    seen = Observations(mjd, band, flux, flux_err)
    if not form.reject:
        return lengths, seen
    kept = np.ones(n_rows, bool)
    for name, bits in form.reject.items():
        flags = pc.fill_null(values[name].cast(pa.int64(), safe=False), 0)
        kept &= (flags.to_numpy() & bits) == 0
    owner = np.repeat(np.arange(len(lengths)), lengths)
    n_kept = np.bincount(owner[kept], minlength=len(lengths))
    for row in np.flatnonzero((lengths > 0) & (n_kept == 0)):
        reason = f"all of its {lengths[row]} observations are flagged"
        problems.setdefault(int(row), Problem(Status.TOO_FEW_OBSERVATIONS, reason))
    return n_kept, Observations(*(column[kept] for column in seen))


def _float64(column: pa.Array | None, n_rows: int) -> np.ndarray:
    if column is None:
        return np.full(n_rows, np.nan)
    return np.asarray(
        pc.fill_null(column.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    )


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
