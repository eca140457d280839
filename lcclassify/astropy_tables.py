"""astropy's tables as Arrow tables; astropy is imported only where there is such a table.

What astropy knows of a column counts: what is masked is null, a time is its MJD, and where a name
means a unit, a column of another one is converted.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lcclassify.arrays import to_arrow
from lcclassify.errors import InputError
from lcclassify.sources.curve_forms import NANOJANSKY, named_zero_points, time_names

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
    values nor times, such as positions on the sky, are left out.
    """
    units = _units(fluxes)
    arrays = {
        column: (array, _null(table[column], array))
        for column in table.colnames
        if (array := _values(column, table[column], units.get(names.get(column, column))))
        is not None
    }
    return pa.table({name: to_arrow(array, null) for name, (array, null) in arrays.items()})


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

    is_known = unit is not None and not isinstance(unit, units.UnrecognizedUnit)
    if meant is None or not is_known or unit == units.dimensionless_unscaled:
        return 1.0
    if not isinstance(unit, units.UnitBase) or not unit.is_equivalent(meant):
        said = "" if meant == units.d else ", or give zero_point, the AB magnitude of flux 1"
        raise InputError(
            f"column {name!r} is in {unit}, and its name means {meant.physical_type} in "
            f"{meant.to_string()}; convert it{said}"
        )
    return float(unit.to(meant))
