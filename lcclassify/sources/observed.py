"""Observations: columns as they are written to numbers, and what is wrong with each of them."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lcclassify.remarks import Kind
from lcclassify.sources.bands import Spellings
from lcclassify.sources.columns import NULL_TEXTS, decode_text, is_bytes, is_text, to_numbers
from lcclassify.sources.curve_forms import CurveForm, is_readable
from lcclassify.status import Problem

JULIAN_DATES = 2_400_000.0  # times above are Julian Dates, of which MJD counts from here and 0.5
LAST_DATE = 2_500_000.0  # in the year 2132: a time above is none in days
NO_MAGNITUDE = 90.0  # of either sign: 99 or 100 stand for no magnitude, and none is so faint
NULLS = frozenset(NULL_TEXTS.to_pylist())
SIGNS = {"t": 1, "true": 1, "1": 1, "f": -1, "false": -1, "0": -1, "-1": -1}


class Fault(IntEnum):
    """Why an observation is left out, besides its band."""

    NONE = 0
    TIME = 1
    FLUX = 2
    SIGN = 3
    FLAG = 4
    NON_DETECTION = 5  # a definition leaves it out: this and the next
    FLAGGED = 6
    RECORD = 7  # its row cannot be read, which its object has as a problem


KINDS = {
    Fault.TIME: Kind.BAD_TIME,
    Fault.FLUX: Kind.BAD_FLUX,
    Fault.SIGN: Kind.BAD_SIGN,
    Fault.FLAG: Kind.BAD_FLAG,
    Fault.NON_DETECTION: Kind.NON_DETECTION,
    Fault.FLAGGED: Kind.FLAGGED,
}


class Observations(NamedTuple):
    """M observations, in the order of their objects."""

    mjd: np.ndarray  # (M,) float64, d, or Julian Dates; NaN = null
    band: np.ndarray  # (M,) int16, of ``Spellings``
    flux: np.ndarray  # (M,) float64, signed
    flux_err: np.ndarray  # (M,) float64
    fault: np.ndarray  # (M,) int8, of ``Fault``
    is_unsigned: np.ndarray  # (M,) bool; a magnitude whose sign is asked for and null

    @classmethod
    def none(cls) -> "Observations":
        """No observations at all."""
        nothing = np.empty(0)
        no_band, no_fault = np.empty(0, np.int16), np.empty(0, np.int8)
        return cls(nothing, no_band, nothing, nothing, no_fault, np.empty(0, bool))

    def rows(self, index: np.ndarray) -> "Observations":
        """Some of them, by their numbers or a mask."""
        return Observations(*(column[index] for column in self))


def read_observations(
    values: Mapping[str, pa.Array],
    n_rows: int,
    form: CurveForm,
    spellings: Spellings,
    band: np.ndarray | None = None,
) -> Observations:
    """Observations from the columns of a form, as they are written; absent ones are null.

    ``band`` (M,) int16 stands for the column of bands. The form is one of ``settle``, which knows
    the zero point.
    """
    if band is None:
        column = values.get(form.band)
        band = np.zeros(n_rows, np.int16) if column is None else spellings.read(column)
    mjd, _ = _numbers(values.get(form.mjd), n_rows)
    flux, unreadable = _numbers(values.get(form.flux), n_rows)
    flux_err, _ = _numbers(values.get(form.flux_err or ""), n_rows)
    fault = np.zeros(n_rows, np.int8)
    if form.is_magnitude:
        no_magnitude = np.isnan(flux) & ~unreadable | (np.abs(flux) >= NO_MAGNITUDE)
        with np.errstate(invalid="ignore"):
            fault[no_magnitude & ~np.isinf(flux)] = Fault.NON_DETECTION
        flux, flux_err = to_flux(flux, flux_err, float(form.zero_point or 0.0))
    is_unsigned = np.zeros(n_rows, bool)
    if form.sign is not None and form.sign in values:
        sign = _signs(values[form.sign], n_rows)
        flux = np.where(sign < 0, -np.abs(flux), flux)
        fault[np.isnan(sign) & (fault == Fault.NONE)] = Fault.SIGN
        is_unsigned = (sign == 0) & form.is_magnitude  # other fluxes have their own
    fault[~np.isfinite(flux) & (fault == Fault.NONE)] = Fault.FLUX
    with np.errstate(invalid="ignore"):
        fault[~(np.abs(mjd) < LAST_DATE)] = Fault.TIME
    for name, bits in form.reject.items():
        flags, unreadable = _flags(values[name])
        fault[unreadable] = Fault.FLAG  # nobody knows whether it counts
        fault[(flags & bits) != 0] = Fault.FLAGGED
    return Observations(mjd, band, flux, flux_err, fault, is_unsigned & (fault == Fault.NONE))


def to_flux(
    magnitude: np.ndarray, error: np.ndarray, zero_point: float
) -> tuple[np.ndarray, np.ndarray]:
    """Flux and its error, of this zero point. A magnitude without a value gives none."""
    with np.errstate(over="ignore", invalid="ignore"):
        flux = 10 ** (-0.4 * (magnitude - zero_point))
        return flux, 0.4 * np.log(10) * flux * error


def _numbers(column: pa.Array | None, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, NaN where there is none; and where something is written that is none. (M,) each"""
    wrong = np.zeros(n_rows, bool)
    if column is None:
        return np.full(n_rows, np.nan), wrong
    if not is_readable(column.type):
        return np.full(n_rows, np.nan), np.asarray(column.is_valid())
    if is_bytes(column.type):
        column, _ = decode_text(column)
    problems: dict[int, Problem] = {}
    numbers = to_numbers("", column, problems)
    wrong[list(problems)] = True
    return np.asarray(pc.fill_null(numbers, np.nan).to_numpy(zero_copy_only=False)), wrong


def _flags(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Flags as bits, 0 for null; and where something is written that is none. (M,) each"""
    if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        bits = pc.fill_null(column.cast(pa.int64(), safe=False), 0)
        return bits.to_numpy(zero_copy_only=False), np.zeros(len(column), bool)
    if is_text(column.type):
        lower = pc.utf8_lower(column)
        for word, bit in (("true", "1"), ("false", "0")):
            lower = pc.if_else(pc.fill_null(pc.equal(lower, word), False), bit, lower)
        column = lower
    numbers, wrong = _numbers(column, len(column))
    wrong |= ~(np.abs(np.nan_to_num(numbers)) < 2**53)
    return np.where(wrong, 0, np.nan_to_num(numbers)).astype(np.int64), wrong


def _signs(column: pa.Array, n_rows: int) -> np.ndarray:
    """Sign of each observation's difference flux: 1 or -1, 0 for null, NaN for no sign. (M,)"""
    if pa.types.is_null(column.type):
        return np.zeros(n_rows)
    if not is_readable(column.type):
        return np.full(n_rows, np.nan)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    signs = [0.0 if value is None else sign_of(value) for value in column.dictionary.to_pylist()]
    index = pc.fill_null(column.indices, len(signs)).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*signs, 0.0])[index])


def sign_of(value: object) -> float:
    """The sign that a value means: 1 or -1, 0 for one of the texts for null, NaN for none."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text.strip(" \0").casefold().removesuffix(".0")
    return 0.0 if text in NULLS else SIGNS.get(text, np.nan)
