"""How light curves lie in a table: in rows, in lists, in messages or in alert packets.

The names by which columns are known, and the zero points that names and schemas declare, are
``catalogue/light_curve_columns.csv`` and ``catalogue/alert_schemas.csv``. No zero point is ever
guessed from values.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Literal

import pyarrow as pa

from lcclassify.batch import ZERO_POINTS, is_zero_point
from lcclassify.errors import InputError
from lcclassify.sources.columns import is_bytes, is_number, is_text

NANOJANSKY = 31.4  # AB magnitude of 1 nJy
DETECTIONS = "detections"  # of a feature message
DIA_SOURCE = "diaSource"
IDS = ("diaObjectId", "diaSourceId")  # of a source in an alert packet
ALERT = (DIA_SOURCE, "prvDiaSources", "prvDiaForcedSources")  # of an alert packet
SIGN = "isdiffpos"  # of a difference flux that is written as a magnitude
DIFFERENCES = ("mag", "magpsf", "magnitude")  # such magnitudes; magpsf_corr is of a total flux
ALERCE_FLUXES = ("mag", "mag_corr", "e_mag", "e_mag_corr")
MAGNITUDE = re.compile(r"(?i:^d?mag|[._-]mag|mag([._-]|$))|[a-z0-9]Mag")
FLUX = re.compile("flux", re.IGNORECASE)
Columns = Mapping[str, pa.DataType]


@dataclass(frozen=True, slots=True)
class LightCurveOptions:
    """What a table does not tell of its light curves."""

    zero_point: float | None = None  # AB magnitude of flux 1; None: as names or schema declare it
    magnitudes: bool = False  # convert magnitudes to flux

    def require_use(self, needs_light_curves: bool, label: str) -> None:
        """InputError if something is said of light curves that a model does not look at."""
        if not needs_light_curves and self != LightCurveOptions():
            name = "--magnitudes" if self.magnitudes else "--zero-point"
            raise InputError(f"{label} looks at no light curves: there is nothing for {name}")


@dataclass(frozen=True, slots=True)
class CurveForm:
    """How the light curves of a table lie in it."""

    kind: Literal["rows", "lists", "structs", "messages", "alerts"]
    mjd: str  # name of a column, or of a field of the structs; likewise the next three
    band: str
    flux: str
    flux_err: str | None  # None: there is none
    zero_point: float | None  # AB magnitude of flux 1, where a name or a schema declares it
    structs: tuple[str, ...] = ()  # columns of structs, lists of them, or a struct of all lists
    is_magnitude: bool = False  # what a message calls ``mag`` is a flux; elsewhere it is not
    is_declared: bool = False  # by a file of names, which knows of magnitudes
    has_row_band: bool = False  # the band is a column of the rows: all of an object's are in one
    bands: Mapping[str, int] = field(default_factory=dict)  # index into BANDS of each code; empty:
    # as everywhere
    reject: Mapping[str, int] = field(default_factory=dict)  # flags, and the bits that leave out
    sign: str | None = None  # column or field with the sign of a difference flux
    survey: str | None = None  # that made them, where a name or a declaration shows it
    shown_by: str = ""  # what shows it

    @property
    def flags(self) -> str:
        """The flags that leave observations out, in words; empty if none do."""
        return " or ".join(f"{name} & {bits}" for name, bits in self.reject.items())

    def describe_filter(self) -> str | None:
        """Which observations are left out by their flags, in words; None if none are."""
        return f"observations with {self.flags} are left out" if self.flags else None

    @property
    def observed(self) -> tuple[str, ...]:
        """The columns or fields of which each observation has a value of its own."""
        band = None if self.has_row_band else self.band
        names = (self.mjd, band, self.flux, self.flux_err, self.sign, *self.reject)
        return tuple(dict.fromkeys(name for name in names if name is not None))


MESSAGES = CurveForm(
    "messages",
    "mjd",
    "fid",
    "mag",
    "e_mag",
    zero_point=NANOJANSKY,
    structs=(DETECTIONS,),
    sign=SIGN,
)


def find_form(columns: Columns, schema_name: str = "") -> CurveForm | None:
    """The form of the light curves in a table, by its columns and Avro schema; None: it has none.

    Feature messages are Avro. Any other list of structs, or struct of lists, is taken for light
    curves if it is the only one with the right names.
    """
    nested = {name: fields for name, kind in columns.items() if (fields := struct_fields(kind))}
    if DIA_SOURCE in nested and (form := _named(nested[DIA_SOURCE], "alerts")):
        there = tuple(name for name in ALERT if name in nested)
        return replace(form, structs=there, zero_point=_declared(schema_name))
    if schema_name and {"mjd", "fid", "mag"} <= set(nested.get(DETECTIONS, ())):
        return MESSAGES
    lists = {name: kind.value_type for name, kind in columns.items() if is_list(kind)}
    scalars = {name: kind for name, kind in columns.items() if name not in lists}
    if form := _named(scalars, "rows"):
        return replace(form, sign=SIGN) if SIGN in columns else form  # whatever type it is of
    if form := _named(lists, "lists"):
        return form
    inside = [
        replace(form, structs=(name,))
        for name, fields in nested.items()
        if (form := _nested(columns[name], fields))
    ]
    return inside[0] if len(inside) == 1 else None


@cache
def observed_names() -> frozenset[str]:
    """All names under which something is known of an observation."""
    return frozenset([*IDS, *(row[key] for row in _names() for key in ("name", "error"))])


def time_names() -> frozenset[str]:
    """All names under which a time is known."""
    return frozenset(row["name"] for row in _names() if row["quantity"] == "mjd")


def named_zero_points() -> dict[str, float]:
    """The zero point of each name of a flux, or of its error, that declares one."""
    return {
        row[key]: float(row["zero_point"])
        for row in _names()
        if row["zero_point"]
        for key in ("name", "error")
    }


def settle(path: object, form: CurveForm | None, options: LightCurveOptions) -> CurveForm:
    """The form of a table's light curves, of a known zero point.

    InputError if there are none, if it is not known or none, or if magnitudes come unasked for.
    """
    if options.zero_point is not None and not is_zero_point(options.zero_point):
        raise InputError(f"--zero-point {options.zero_point:g}: {ZERO_POINTS}")
    if form is None:
        raise InputError(
            f"{path}: no light curves: expected columns of time, band and flux ({_known_names()}), "
            "a row per observation or a list per object; --columns says which column is what"
        )
    if form.is_magnitude and not (options.magnitudes or form.is_declared):
        raise InputError(
            f"{path}: column {form.flux!r} holds magnitudes, and the model looks at fluxes; "
            "--magnitudes converts them: flux = 10 ** (-0.4 * (magnitude - zero point)), "
            f"the zero point being {options.zero_point or NANOJANSKY:g} (AB)"
        )
    if options.magnitudes and not form.is_magnitude:
        raise InputError(f"{path}: {form.flux!r} is a flux: there is nothing for --magnitudes")
    zero_point = options.zero_point if options.zero_point is not None else form.zero_point
    if form.is_magnitude and zero_point is None:
        zero_point = NANOJANSKY
    if zero_point is None:
        raise InputError(
            f"{path}: {form.flux!r} does not say its unit; give --zero-point, the AB magnitude of "
            "flux 1: 31.4 for nJy, 27.5 for SNANA's FLUXCAL"
        )
    return replace(form, zero_point=zero_point)


def is_flux(name: str) -> bool:
    """Whether a column of this name is known to hold fluxes."""
    return any(row["quantity"] == "flux" and row["name"] == name for row in _names())


def require_flux(path: object, key: str, column: str) -> None:
    """InputError if a column that is declared as a flux is called as magnitudes are.

    ALeRCE's messages of LSST call their fluxes ``mag`` and ``mag_corr``.
    """
    if column not in ALERCE_FLUXES and MAGNITUDE.search(column) and not FLUX.search(column):
        raise InputError(
            f"{path}: {key} is {column!r}, which is the name of magnitudes; [light_curves] takes "
            "them as magnitude, and for columns of known names there is --magnitudes"
        )


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of any kind."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_readable(kind: pa.DataType) -> bool:
    """Whether values of a type are numbers, or text or bytes that may be bands or numbers."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_number(value) or is_text(value) or is_bytes(value)


def struct_fields(kind: pa.DataType) -> dict[str, pa.DataType]:
    """The fields of a struct, or of a list of them."""
    inner = kind.value_type if is_list(kind) else kind
    return {field.name: field.type for field in inner} if pa.types.is_struct(inner) else {}


def _nested(kind: pa.DataType, fields: Columns) -> CurveForm | None:
    """The form of a list of structs, or of a struct of lists, by the names of their fields."""
    if is_list(kind):
        return _named(fields, "structs")
    return _named({name: t.value_type for name, t in fields.items() if is_list(t)}, "lists")


def _named(
    columns: Columns, kind: Literal["rows", "lists", "structs", "alerts"]
) -> CurveForm | None:
    """The form of columns that hold numbers and bands under known names; None if one is missing."""
    readable = {name for name, type_ in columns.items() if is_readable(type_)}
    found: dict[str, dict[str, str]] = {}
    for row in _names():
        if row["name"] in readable:
            known = found.setdefault(row["quantity"], row)
            if known["name"] == row["name"] and known["error"] not in readable:
                found[row["quantity"]] = row
    flux = found.get("flux") or found.get("magnitude")
    if not flux or "mjd" not in found or "band" not in found:
        return None
    shown = [row for row in _names() if row["survey"] and row["name"] in columns]
    return CurveForm(
        kind=kind,
        mjd=found["mjd"]["name"],
        band=found["band"]["name"],
        flux=flux["name"],
        flux_err=flux["error"] if flux["error"] in readable else None,
        zero_point=float(flux["zero_point"]) if flux["zero_point"] else None,
        is_magnitude="flux" not in found,
        sign=SIGN if SIGN in columns else None,
        survey=shown[0]["survey"] if shown else None,
        shown_by=f"column {shown[0]['name']!r}" if shown else "",
    )


def _declared(schema_name: str) -> float | None:
    """The zero point of an alert schema. Parquet names none: Fink's, which writes such files, nJy.

    None for a schema that is not known.
    """
    if not schema_name:
        return NANOJANSKY
    known = (row for row in _rows("alert_schemas.csv") if schema_name.startswith(row["schema"]))
    return next((float(row["zero_point"]) for row in known), None)


def _known_names() -> str:
    names = {row["name"]: None for row in _names() if row["quantity"] != "sign"}
    return ", ".join(names)


@cache
def _names() -> tuple[dict[str, str], ...]:
    return _rows("light_curve_columns.csv")


def _rows(table: str) -> tuple[dict[str, str], ...]:
    text = (files("lcclassify") / "catalogue" / table).read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))
