"""astropy's tables as Arrow tables; astropy is imported only where there is such a table.

What astropy knows of a column counts: what is masked is null, a time is its MJD, and where a name
means a unit, a column of another one is converted.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from lcclassify.arrays import some_in_lists, to_arrow
from lcclassify.errors import InputError
from lcclassify.sources.curve_forms import (
    NANOJANSKY,
    CurveForm,
    named_zero_points,
    time_names,
)

if TYPE_CHECKING:
    from astropy.units import UnitBase

NO_NAMES: Mapping[str, str] = MappingProxyType({})


def is_astropy_table(value: object) -> bool:
    """Whether something is a table of astropy's, for which astropy has been imported."""
    module = sys.modules.get("astropy.table")
    return module is not None and isinstance(value, module.Table)


def from_astropy(
    table: Any, names: Mapping[str, str] = NO_NAMES, *, fluxes: bool = True
) -> pa.Table:
    """The columns of a table, those of several values per row as lists. InputError

    ``names`` are those that columns will get; column -> name. Times come in the unit that their
    name means; so do ``fluxes``, unless somebody has said what theirs is. Columns that are neither
    values nor times, such as positions on the sky, are left out; so are places of lists at which
    no column of their width has anything, with which FITS fills rows up.
    """
    units = _units(fluxes)
    columns = {
        name: _Column(values, _null(table[name], values))
        for name in table.colnames
        if (values := _values(name, table[name], units.get(names.get(name, name)))) is not None
    }
    filled = {shape: _filled(columns, shape) for shape in {c.shape for c in columns.values()}}
    return pa.table({name: c.to_arrow(filled[c.shape]) for name, c in columns.items()})


def require_brightness(table: Any, form: CurveForm, columns: Mapping[str, str] = NO_NAMES) -> None:
    """InputError if the unit of a flux or a magnitude, or of its error, is one of the other.

    That holds whatever a zero point declares. ``columns`` are those that have got other names;
    name -> column. A unit that is not known says nothing.
    """
    names = () if form.structs else (form.flux, form.flux_err)
    for name in (columns.get(name, name) for name in names if name is not None):
        unit = getattr(table[name], "unit", None)
        if not _is_known(unit):
            continue
        if form.is_magnitude and not _is_ab_magnitude(unit):
            expected = "AB magnitudes, in mag or mag(AB)"
        elif not form.is_magnitude and _is_logarithmic(unit):
            expected = "fluxes, in a unit that is not logarithmic"
        else:
            continue
        raise InputError(f"column {name!r} is in {unit}; expected {expected}: convert it")


class _Column(NamedTuple):
    """A column of a table as plain arrays."""

    values: np.ndarray  # (N,), or (N, W) of W values per row, or more
    null: np.ndarray | None  # of the same shape; None: there is a value everywhere

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the values."""
        return self.values.shape

    def is_empty(self) -> np.ndarray:
        """Where numbers or texts are null, NaN or blank."""
        if self.values.dtype.kind == "f":
            empty = np.isnan(self.values)
        else:
            empty = np.char.str_len(np.char.strip(self.values)) == 0
        return np.asarray(empty if self.null is None else empty | self.null)

    def to_arrow(self, filled: np.ndarray | None) -> pa.Array:
        """An Arrow array of all values, or of lists of those that are ``filled`` in."""
        if filled is None:
            return to_arrow(self.values, self.null)
        return some_in_lists(self.values, self.null, filled)


def _filled(columns: Mapping[str, _Column], shape: tuple[int, ...]) -> np.ndarray | None:
    """Where columns of a shape (N, W) have anything; None if that is everywhere.

    Only numbers and texts that can say of themselves that they are not there count: no integers.
    """
    alike = [c for c in columns.values() if c.shape == shape and c.values.dtype.kind in "fSU"]
    if len(shape) != 2 or not alike:
        return None
    filled = ~np.logical_and.reduce([column.is_empty() for column in alike])
    return None if filled.all() else filled


def _units(fluxes: bool) -> dict[str, "UnitBase"]:
    """The unit that each name means which means one."""
    from astropy import units

    meant = dict.fromkeys(time_names(), units.d)
    if fluxes:
        meant |= {
            name: units.Unit(10 ** (0.4 * (NANOJANSKY - zero_point)) * units.nJy)
            for name, zero_point in named_zero_points().items()
        }
    return meant


def _values(name: str, column: Any, meant: "UnitBase | None") -> np.ndarray | None:
    """The values of a column, those that are masked too; None if it has none."""
    from astropy.table import Column
    from astropy.time import Time

    if isinstance(column, Time):
        return _plain(column.mjd)
    if not isinstance(column, (Column, np.ndarray)) or column.dtype.kind == "V":
        return None
    array = _plain(getattr(column, "value", column))
    factor = _factor(name, getattr(column, "unit", None), meant)
    return array if factor == 1 else array * factor


def _plain(values: Any) -> np.ndarray:
    return np.asarray(getattr(values, "unmasked", values))


def _null(column: Any, array: np.ndarray) -> np.ndarray | None:
    mask = getattr(column, "mask", None)
    return None if mask is None else np.broadcast_to(np.asarray(mask, bool), array.shape)


def _factor(name: str, unit: Any, meant: "UnitBase | None") -> float:
    """What values of a unit are multiplied by; 1 if the unit says nothing. InputError"""
    from astropy import units

    if meant is None or not _is_known(unit) or unit == units.dimensionless_unscaled:
        return 1.0
    if not isinstance(unit, units.UnitBase) or not unit.is_equivalent(meant):
        is_flux = meant != units.d and not _is_logarithmic(unit)
        said = ", or give zero_point, the AB magnitude of flux 1" if is_flux else ""
        raise InputError(
            f"column {name!r} is in {unit}, and its name means {meant.physical_type} in "
            f"{meant.to_string()}; convert it{said}"
        )
    return float(unit.to(meant))


def _is_known(unit: Any) -> bool:
    """Whether there is a unit that means something to astropy."""
    from astropy import units

    return unit is not None and not isinstance(unit, units.UnrecognizedUnit)


def _is_logarithmic(unit: Any) -> bool:
    """Whether a unit is mag, dex or dB, of whatever system, or has one of them in it."""
    from astropy import units

    is_function = isinstance(unit, units.function.FunctionUnitBase)
    return is_function or units.dex in unit.decompose().bases


def _is_ab_magnitude(unit: Any) -> bool:
    """Whether a unit is that of AB magnitudes, or leaves it open of which they are."""
    from astropy import units

    return unit in (units.mag, units.ABmag, units.dimensionless_unscaled)
