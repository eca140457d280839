"""Columns under other names: the file that says which column is what, and parts read by it."""

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError, os_reason
from lcclassify.features import accepted_names, some_of
from lcclassify.sources.curve_forms import CurveForm, find_form, is_flux, require_flux
from lcclassify.sources.declared_form import TABLE as CURVES
from lcclassify.sources.declared_form import DeclaredForm, read_form
from lcclassify.sources.ids import without_zeros
from lcclassify.sources.part import Part, distinct, whole_columns
from lcclassify.sources.places import Place

TABLE = "columns"
PRESETS = files("lcclassify") / "catalogue" / "presets"


@dataclass(frozen=True, slots=True)
class Names:
    """Which column is what, as a file says, in plain values."""

    columns: Mapping[str, str] = field(default_factory=dict)  # name -> column in the files
    light_curves: DeclaredForm | None = None  # None: they are where they are found

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Names that were written as JSON. TypeError or KeyError"""
        form = values["light_curves"]
        return cls(values["columns"], None if form is None else DeclaredForm(**form))

    @property
    def id_name(self) -> str | None:
        """What the column of the object id is called, if the file says so."""
        column = None if self.light_curves is None else self.light_curves.id_name
        return None if column is None else self._called.get(column, column)

    def form_of(self, part: Part) -> CurveForm | None:
        """How light curves lie in a part under these names; None if there are none.

        InputError if they do not lie there as the file says.
        """
        if self.light_curves is None:
            return find_form(part.columns, part.schema_name)
        return self.light_curves.on(part.path, part.columns, self._called)

    @property
    def _called(self) -> dict[str, str]:
        return {column: name for name, column in self.columns.items()}


def read_names(path: Path) -> Names:
    """The names that a TOML file gives, or the preset that is called so. InputError"""
    source: Traversable = path
    if path.name == str(path) and not path.exists() and not path.suffix:
        source = PRESETS / f"{path}.toml"
        if not source.is_file():
            presets = ", ".join(sorted(Path(one.name).stem for one in PRESETS.iterdir()))
            raise InputError(
                f"there is no file {str(path)!r}, and no preset of that name: choose from {presets}"
            )
    try:
        content = tomllib.loads(source.read_bytes().decode())
    except OSError as error:
        raise InputError(f"cannot read {path}: {os_reason(error)}") from None
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    form = content.pop(CURVES, None)
    names = content.pop(TABLE, None if form is None else {})
    if content or not isinstance(names, dict):
        found = f", not {some_of(list(content))}" if content else ""
        raise InputError(f"{path}: expected a table [{TABLE}], [{CURVES}] or both{found}")
    for name, column in names.items():
        if not isinstance(column, str):
            raise InputError(
                f"{path}: {name} is {column!r:.60}; expected the name of a column in quotes"
            )
        if is_flux(name):
            require_flux(path, name, column)
    return Names(names, None if form is None else read_form(path, form))


def check_names(path: Path, names: Mapping[str, str], renamed: Collection[str]) -> None:
    """Refuse names that no column of the input was given, for want of such a column. InputError"""
    if missing := [column for name, column in names.items() if name not in renamed]:
        raise InputError(f"{path}: the input has no column {some_of(missing)}")


def rename(parts: Sequence[Part], names: Mapping[str, str]) -> tuple[Part, ...]:
    """Parts whose columns are called by these names, as far as they have them; name -> column.

    A column that had such a name, in any of its spellings, is hidden, and a renamed column has its
    old name no longer.
    """
    kept = {id(part.columns): _rename(part.columns, names) for part in distinct(parts)}
    return tuple(
        RenamedPart(part, *renamed) if (renamed := kept[id(part.columns)]) else part
        for part in parts
    )


def _rename(
    columns: Mapping[str, pa.DataType], names: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, pa.DataType]] | None:
    """Every column's name -> the one it had, and -> its type; None if no column is renamed."""
    given = {name: column for name, column in names.items() if column in columns}
    if not given:
        return None
    gone = {spelling for name in given for spelling in accepted_names(name)} | {*given.values()}
    before = {name: name for name in columns if name not in gone} | given
    return before, {name: columns[column] for name, column in before.items()}


@dataclass(frozen=True, slots=True)
class RenamedPart:
    """A part under other names for its columns."""

    part: Part
    names: Mapping[str, str]  # every column's name -> the one it has in the part
    columns: Mapping[str, pa.DataType]  # by its new name

    @property
    def path(self) -> Place:
        """Where the file is."""
        return self.part.path

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known."""
        return self.part.n_rows

    @property
    def row_group_sizes(self) -> Sequence[int]:
        """Rows of each piece that can be read alone."""
        return self.part.row_group_sizes

    @property
    def schema_name(self) -> str:
        """The Avro schema of the records."""
        return self.part.schema_name

    def id_type(self, name: str) -> pa.DataType:
        """The type of ids from a column."""
        return self.part.id_type(self.names[name])

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, under the new names, by which it goes whether 0 is an id."""
        ids = self.names.get(id_name, id_name)
        numbers = [self.names[name] for name in columns]
        whole = whole_columns(exact, self.columns)
        as_they_are = [self.names[name] for name in whole]
        asked = [
            self.names[column] + name.removeprefix(column)
            for name in exact
            for column in whole_columns([name], self.columns)
        ]
        for batch in self.part.batches(
            ids, list(dict.fromkeys(numbers)), size, list(dict.fromkeys(asked))
        ):
            context = {
                name: batch.context[name]
                for name in batch.context.column_names
                if name not in as_they_are
            }
            context |= {name: batch.context[self.names[name]] for name in whole}
            yield replace(
                batch,
                object_id=without_zeros(id_name, batch.object_id),
                id_name=id_name,
                features=batch.features.select(numbers).rename_columns(list(columns)),
                context=pa.table(context),
            )
