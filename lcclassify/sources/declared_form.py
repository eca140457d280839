"""DeclaredForm: light curves in lists, a row per object, as a file of names says where they lie."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lcclassify.batch import BANDS, ZERO_POINTS, is_zero_point
from lcclassify.errors import InputError
from lcclassify.features import some_of
from lcclassify.sources.columns import is_number, is_text
from lcclassify.sources.curve_forms import CurveForm, is_list, struct_fields

TABLE = "light_curves"
TEXTS = ("id", "inside", "mjd", "band", "flux", "flux_err", "magnitude", "magnitude_err")
KEYS = (*TEXTS, "zero_point", "bands", "reject")
NUMBERS = "a list of numbers"
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

    def on(self, path: object, columns: Columns, called: Mapping[str, str]) -> CurveForm:
        """The form of light curves in a table; ``called`` has the new names of its columns.

        InputError if something is not there, or of another type than it has to be.
        """
        lists = self._lists(path, columns, called)
        band = called.get(self.band, self.band)
        has_row_band = not lists.has(self.band) and band in columns
        if not has_row_band:
            band = lists.find("band", self.band, _is_code, "a list of bands, or a column of them,")
        elif not _is_code(columns[band]):
            raise InputError(f"{path}: column {band!r} holds {columns[band]}, not bands")
        flux = "magnitude" if self.is_magnitude else "flux"
        error = self.flux_err
        return CurveForm(
            kind="structs" if lists.are_of_structs else "lists",
            mjd=lists.find("mjd", self.mjd, is_number, NUMBERS),
            band=band,
            flux=lists.find(flux, self.flux, is_number, NUMBERS),
            flux_err=error and lists.find(f"{flux}_err", error, is_number, NUMBERS),
            zero_point=self.zero_point,
            structs=() if lists.struct is None else (lists.struct,),
            is_magnitude=self.is_magnitude,
            is_declared=True,
            has_row_band=has_row_band,
            bands={code: BANDS.index(name) for code, name in self.bands.items()},
            reject={
                lists.find("reject", name, _is_flag, "a list of integers or booleans"): bits
                for name, bits in self.reject.items()
            },
        )

    def _lists(self, path: object, columns: Columns, called: Mapping[str, str]) -> "_Lists":
        if self.inside is None:
            return _Lists(path, None, False, _items(columns), called)
        struct = called.get(self.inside, self.inside)
        kind = columns.get(struct, pa.null())
        if fields := struct_fields(kind):
            items = fields if is_list(kind) else _items(fields)
            return _Lists(path, struct, is_list(kind), items, {})
        found = f"it holds {kind}" if struct in columns else "there is none"
        raise InputError(
            f"{path}: expected a column of structs named {struct!r}, as [{TABLE}] says of inside; "
            f"{found}"
        )


@dataclass(frozen=True, slots=True)
class _Lists:
    """The lists that a table has, as columns or inside one."""

    path: object
    struct: str | None  # the column that they are inside
    are_of_structs: bool  # one list of structs, in place of a struct of lists
    items: Columns  # what each is a list of
    called: Mapping[str, str]  # name in the files -> name here

    def has(self, name: str) -> bool:
        """Whether one has a name in the files."""
        return self.called.get(name, name) in self.items

    def find(self, key: str, name: str, fits: Callable[[pa.DataType], bool], wanted: str) -> str:
        """What the list of a name in the files is called here. InputError if it is not ``wanted``.

        ``key`` is what it was declared as.
        """
        name = self.called.get(name, name)
        if name in self.items and fits(self.items[name]):
            return name
        where = "" if self.struct is None else f" inside {self.struct!r}"
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
    )


def _entries(path: object, table: Mapping[str, Any], key: str) -> dict[str, Any]:
    entries = table.get(key, {})
    if not isinstance(entries, dict):
        raise _wrong(path, key, entries, f"a table [{TABLE}.{key}]")
    return entries


def _wrong(path: object, key: str, value: object, wanted: str) -> InputError:
    return InputError(f"{path}: {TABLE}.{key} is {value!r:.60}; expected {wanted}")


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_code(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_number(value) or is_text(value)


def _is_flag(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind))


def _items(columns: Columns) -> Columns:
    return {name: kind.value_type for name, kind in columns.items() if is_list(kind)}
