"""DeclaredForm: light curves in rows, lists or structs, as a file of names says where they lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from lcclassify.batch import BANDS, SURVEY, ZERO_POINTS, is_zero_point
from lcclassify.errors import InputError
from lcclassify.features import some_of
from lcclassify.sources.bands import band_text
from lcclassify.sources.columns import is_number
from lcclassify.sources.curve_forms import (
    DIFFERENCES,
    SIGN,
    CurveForm,
    is_list,
    is_readable,
    require_flux,
    struct_fields,
)

TABLE = "light_curves"
TEXTS = (
    *("id", "inside", "mjd", "band", "flux", "flux_err", "magnitude", "magnitude_err"),
    *("sign", "survey"),
)
KEYS = (*TEXTS, "zero_point", "bands", "reject")
OF_LSST = ("lsst", "rubin", "elasticc", "plasticc")  # and of what simulates it
MAX_BITS = (1 << 63) - 1
Columns = Mapping[str, pa.DataType]


@dataclass(frozen=True, slots=True)
class DeclaredForm:
    """Where light curves lie, in plain values: columns of the files, or fields of structs there."""

    mjd: str
    band: str  # of each observation, or a column of the rows: one for all that an object has
    flux: str
    flux_err: str | None = None
    is_magnitude: bool = False  # both
    zero_point: float | None = None  # AB magnitude of flux 1
    inside: str | None = None  # the column of a struct of lists, or of lists of structs
    id_name: str | None = None
    bands: Mapping[str, str] = field(default_factory=dict)  # the files' code -> our band
    reject: Mapping[str, int] = field(default_factory=dict)  # flags -> the bits that leave out
    sign: str | None = None  # of a difference flux; None: isdiffpos, beside magnitudes of one
    survey: str | None = None  # whose light curves these are

    def on(self, path: object, columns: Columns, called: Mapping[str, str]) -> CurveForm:
        """The form of light curves in a table; ``called`` has the new names of its columns.

        InputError if something is not there, or of another type than it has to be.
        """
        values = self._values(path, columns, called)
        band = called.get(self.band, self.band)
        in_rows = values.kind == "rows"
        has_row_band = not in_rows and not values.has(self.band) and band in columns
        if not has_row_band:
            band = values.find("band", self.band, is_readable, "bands")
        elif not is_readable(columns[band]):
            raise InputError(f"{path}: column {band!r} holds {columns[band]}, not bands")
        fits = is_readable if in_rows else is_number  # in rows, text may be numbers
        flux = "magnitude" if self.is_magnitude else "flux"
        error, sign = self.flux_err, self.sign
        if sign is None and self.flux in DIFFERENCES and values.has(SIGN):
            sign = SIGN
        return CurveForm(
            kind=values.kind,
            mjd=values.find("mjd", self.mjd, fits, "numbers"),
            band=band,
            flux=values.find(flux, self.flux, fits, "numbers"),
            flux_err=error and values.find(f"{flux}_err", error, fits, "numbers"),
            zero_point=self.zero_point,
            structs=() if values.struct is None else (values.struct,),
            is_magnitude=self.is_magnitude,
            is_declared=True,
            has_row_band=has_row_band,
            bands={band_text(code): BANDS.index(name) for code, name in self.bands.items()},
            reject={
                values.find("reject", name, values.is_flag, "integers or booleans"): bits
                for name, bits in self.reject.items()
            },
            sign=sign and values.find("sign", sign, is_readable, "signs"),
            survey=self.survey,
            shown_by="declared" if self.survey else "",
        )

    def _values(self, path: object, columns: Columns, called: Mapping[str, str]) -> "_Values":
        if self.inside is None:
            mjd = columns.get(called.get(self.mjd, self.mjd))
            if mjd is not None and not is_list(mjd):
                return _Values(path, "rows", None, columns, called)
            return _Values(path, "lists", None, _items(columns), called)
        struct = called.get(self.inside, self.inside)
        kind = columns.get(struct, pa.null())
        if fields := struct_fields(kind):
            if is_list(kind):
                return _Values(path, "structs", struct, fields, {})
            return _Values(path, "lists", struct, _items(fields), {})
        found = f"it holds {kind}" if struct in columns else "there is none"
        raise InputError(
            f"{path}: expected a column of structs named {struct!r}, as [{TABLE}] says of inside; "
            f"{found}"
        )


@dataclass(frozen=True, slots=True)
class _Values:
    """Where a table has a value of each observation: as columns of its rows, lists, or structs."""

    path: object
    kind: Literal["rows", "lists", "structs"]
    struct: str | None  # the column that they are inside
    items: Columns  # the type of each observation's values
    called: Mapping[str, str]  # name in the files -> name here

    def has(self, name: str) -> bool:
        """Whether there are values of a name in the files."""
        return self.called.get(name, name) in self.items

    def is_flag(self, kind: pa.DataType) -> bool:
        """Whether values can be flags; in rows they may be written as text."""
        return _is_flag(kind) or (self.kind == "rows" and is_readable(kind))

    def find(self, key: str, name: str, fits: Callable[[pa.DataType], bool], wanted: str) -> str:
        """What the values of a name in the files are called here. InputError if they do not fit.

        ``key`` is what they were declared as, ``wanted`` what they have to be.
        """
        name = self.called.get(name, name)
        if name in self.items and fits(self.items[name]):
            return name
        where = "" if self.struct is None else f" inside {self.struct!r}"
        wanted = f"a column of {wanted}" if self.kind == "rows" else f"a list of {wanted}"
        if key == "band" and self.kind != "rows":
            wanted += ", or a column of them,"
        found = f"there are {some_of(list(self.items))}" if self.items else "there is no list"
        if name in self.items:
            found = f"it holds {self.items[name]}"
        raise InputError(
            f"{self.path}: expected {wanted} named {name!r}{where}, as [{TABLE}] says of {key}; "
            f"{found}"
        )


def read_form(path: object, table: Any) -> DeclaredForm:
    """What the table ``[light_curves]`` of a file of names says. InputError"""
    if not isinstance(table, dict):
        raise InputError(f"{path}: {TABLE} is {table!r:.60}; expected a table [{TABLE}]")
    if unknown := [key for key in table if key not in KEYS]:
        raise InputError(
            f"{path}: [{TABLE}] knows no {some_of(unknown)}; expected {', '.join(KEYS)}"
        )
    for key in TEXTS:
        if key in table and not isinstance(table[key], str):
            raise _wrong(path, key, table[key], "the name of a column in quotes")
    flux = "magnitude" if "magnitude" in table else "flux"
    other = "flux" if flux == "magnitude" else "magnitude"
    missing = [key for key in ("mjd", "band", flux) if key not in table]
    beside = [key for key in (other, f"{other}_err") if key in table]
    if missing or beside:
        found = f"not without {some_of(missing)}" if missing else f"not {beside[0]} beside {flux}"
        raise InputError(
            f"{path}: [{TABLE}] takes mjd, band, and flux (flux_err) or magnitude (magnitude_err), "
            f"{found}"
        )
    if flux == "flux":
        require_flux(path, f"{TABLE}.flux", table[flux])
    zero_point = table.get("zero_point")
    if zero_point is not None and not (_is_real(zero_point) and is_zero_point(zero_point)):
        raise _wrong(path, "zero_point", zero_point, ZERO_POINTS.removeprefix("expected "))
    bands, reject = (_entries(path, table, key) for key in ("bands", "reject"))
    for code, band in bands.items():
        if band not in BANDS:
            raise _wrong(path, f"bands.{code}", band, f"one of {', '.join(BANDS)} in quotes")
    for flag, bits in reject.items():
        if not isinstance(bits, int) or isinstance(bits, bool) or not 0 < bits <= MAX_BITS:
            wanted = "the bits that leave an observation out, as a number of at least 1"
            raise _wrong(path, f"reject.{flag}", bits, wanted)
    return DeclaredForm(
        mjd=table["mjd"],
        band=table["band"],
        flux=table[flux],
        flux_err=table.get(f"{flux}_err"),
        is_magnitude=flux == "magnitude",
        zero_point=None if zero_point is None else float(zero_point),
        inside=table.get("inside"),
        id_name=table.get("id"),
        bands=bands,
        reject=reject,
        sign=table.get("sign"),
        survey=_survey(path, table.get("survey")),
    )


def _survey(path: object, name: str | None) -> str | None:
    """The survey as it is called here."""
    if name is None:
        return None
    folded = name.strip().casefold()
    if not folded:
        raise _wrong(path, "survey", name, f"the name of a survey, such as {SURVEY} or ztf")
    return SURVEY if folded in OF_LSST else folded


def _entries(path: object, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    entries = table.get(key, {})
    if not isinstance(entries, dict):
        raise _wrong(path, key, entries, f"a table [{TABLE}.{key}]")
    return entries


def _wrong(path: object, key: str, value: object, wanted: str) -> InputError:
    return InputError(f"{path}: {TABLE}.{key} is {value!r:.60}; expected {wanted}")


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_flag(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _items(columns: Columns) -> Columns:
    return {name: kind.value_type for name, kind in columns.items() if is_list(kind)}
