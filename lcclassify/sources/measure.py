"""Observations of objects to light curves, and all that is said of those that are left out."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lcclassify.batch import BANDS, LightCurves
from lcclassify.features import some_of
from lcclassify.remarks import Kind, Remarks, remark
from lcclassify.sources.bands import LOWER_Y, Spellings
from lcclassify.sources.curve_forms import CurveForm
from lcclassify.sources.observed import JULIAN_DATES, KINDS, Fault, Observations
from lcclassify.status import Problem, Status

MOST_TOLD = 3  # bands that an object's reason names


class Measured(NamedTuple):
    """Light curves of N objects; rows that were repaired, and those that have no observation."""

    light_curves: LightCurves
    repairs: dict[int, str]
    problems: dict[int, Problem]
    remarks: Remarks
    first_rows: dict[Kind, int]  # what was said -> the first object of which it was


def measure(
    form: CurveForm, offsets: np.ndarray, seen: Observations, spellings: Spellings
) -> Measured:
    """Light curves of objects with observations from ``offsets`` on, (N + 1,) int64.

    What flags leave out is gone as if it had never been; what could not be read stays without a
    band, and its object is repaired. The form is one of ``settle``, which knows the zero point.
    """
    problems: dict[int, Problem] = {}
    said = _Said(Counter(), {})
    flagged = seen.fault == Fault.FLAGGED
    if flagged.any():
        said.add(Kind.FLAGGED, form.flags, flagged, offsets)
        n_kept = _per_object(~flagged, offsets)
        for row in np.flatnonzero((np.diff(offsets) > 0) & (n_kept == 0)):
            n_flagged = offsets[row + 1] - offsets[row]
            reason = f"all of its {n_flagged} observations are flagged"
            problems[int(row)] = Problem(Status.TOO_FEW_OBSERVATIONS, reason)
        offsets = np.concatenate([[0], np.cumsum(n_kept)])
        seen = seen.rows(~flagged)
    band = spellings.codes[seen.band]
    unknown = (band < 0) & (seen.fault == Fault.NONE)
    mjd = seen.mjd
    is_julian = (mjd > JULIAN_DATES) & (seen.fault != Fault.TIME)
    if is_julian.any():
        said.add(Kind.JULIAN_DATE, form.mjd, is_julian, offsets)
        mjd = np.where(is_julian, mjd - JULIAN_DATES - 0.5, mjd)
    said.add(Kind.NO_SIGN, form.sign or "", seen.is_unsigned, offsets)
    lower = _lower(seen, spellings)
    _count(said, form, offsets, seen, unknown, spellings)
    said.add(Kind.LOWER_Y, LOWER_Y, lower, offsets)
    repairs = _repairs(form, offsets, seen, unknown, lower, spellings)
    band = np.where(seen.fault == Fault.NONE, band, -1).astype(np.int8)
    curves = LightCurves(
        offsets, mjd, band, seen.flux, seen.flux_err, float(form.zero_point or 0.0)
    )
    return Measured(curves, repairs, problems, said.remarks, said.first_rows)


class _Said(NamedTuple):
    """What was said so far, and of which object first."""

    remarks: Remarks
    first_rows: dict[Kind, int]

    def add(self, kind: Kind, name: str, marked: np.ndarray, offsets: np.ndarray) -> None:
        """Say something of the observations that are marked, (M,) bool."""
        self.add_all(kind, {name: int(np.count_nonzero(marked))}, marked, offsets)

    def add_all(
        self, kind: Kind, counts: Mapping[str, int], marked: np.ndarray, offsets: np.ndarray
    ) -> None:
        """Likewise, of observations that have several names between them."""
        if not any(counts.values()):
            return
        self.remarks.update({remark(kind, name): count for name, count in counts.items()})
        row = int(np.searchsorted(offsets, np.argmax(marked), "right")) - 1
        self.first_rows[kind] = min(row, self.first_rows.get(kind, row))


def _count(
    said: _Said,
    form: CurveForm,
    offsets: np.ndarray,
    seen: Observations,
    unknown: np.ndarray,
    spellings: Spellings,
) -> None:
    """Say what is left out."""
    for fault, name in {**_names(form), Fault.NON_DETECTION: form.flux}.items():
        said.add(KINDS[fault], name, seen.fault == fault, offsets)
    counts = np.bincount(seen.band[unknown], minlength=1)
    names_of = {spellings.known[n].text: int(counts[n]) for n in np.flatnonzero(counts).tolist()}
    said.add_all(Kind.UNKNOWN_BAND, names_of, unknown, offsets)


def _repairs(
    form: CurveForm,
    offsets: np.ndarray,
    seen: Observations,
    unknown: np.ndarray,
    lower: np.ndarray,
    spellings: Spellings,
) -> dict[int, str]:
    """Row -> what of its observations could not be read, or was read as something else.

    Codes that a declaration does not name are left out by its definition, and repair nothing.
    """
    said: dict[int, list[tuple[int, str]]] = {}
    if unknown.any() and not form.bands:
        for row, n_unknown in _some(unknown, offsets):
            here = slice(offsets[row], offsets[row + 1])
            numbers = np.unique(seen.band[here][unknown[here]]).tolist()
            bands = [spellings.known[number].described for number in numbers]
            said.setdefault(row, []).append((n_unknown, f"in band {some_of(bands, MOST_TOLD)}"))
    for fault, name in _names(form).items():
        for row, n_bad in _some(seen.fault == fault, offsets):
            said.setdefault(row, []).append((n_bad, f"without a usable {name}"))
    repairs = {
        row: f"{sum(n for n, _ in found)} of {offsets[row + 1] - offsets[row]} observations are "
        f"left out: {', '.join(f'{n} {text}' for n, text in found)}"
        for row, found in sorted(said.items())
    }
    for row, n_lower in _some(lower, offsets):
        text = f"{n_lower} observations in band y are read as {BANDS[-1]}"
        repairs[row] = f"{repairs[row]}; {text}" if row in repairs else text
    return repairs


def _names(form: CurveForm) -> dict[Fault, str]:
    """What could not be read of an observation, by the names of columns or fields."""
    names = {Fault.TIME: form.mjd, Fault.FLUX: form.flux}
    return names | {Fault.SIGN: form.sign or "", Fault.FLAG: " or ".join(form.reject)}


def _lower(seen: Observations, spellings: Spellings) -> np.ndarray:
    """Which observations are in ``y``, where that is read as Y without a declaration. (M,) bool"""
    numbers = [n for n, known in enumerate(spellings.known) if known.is_guess]
    return np.asarray(np.isin(seen.band, numbers) & (seen.fault == Fault.NONE))


def _some(marked: np.ndarray, offsets: np.ndarray) -> list[tuple[int, int]]:
    """The objects with marked observations, and how many these are."""
    if not marked.any():
        return []
    counts = _per_object(marked, offsets)
    rows = np.flatnonzero(counts)
    return list(zip(rows.tolist(), counts[rows].tolist(), strict=True))


def _per_object(marked: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """How many of each object's observations are marked. (M,) bool, (N + 1,) -> (N,) int64"""
    n_before = np.concatenate([[0], np.cumsum(marked)])
    return np.asarray(np.diff(n_before[offsets]))
