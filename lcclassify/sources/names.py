"""Columns under other names: the file that says which column is what, and parts read by it."""

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError, os_reason
from lcclassify.features import accepted_names, some_of
from lcclassify.sources.part import Part
from lcclassify.sources.places import Place

TABLE = "columns"


def read_names(path: Path) -> dict[str, str]:
    """Name -> column in the files, from the table ``[columns]`` of a TOML file. InputError"""
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read {path}: {os_reason(error)}") from None
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}") from None
    names = content.pop(TABLE, None)
    if content or not isinstance(names, dict):
        found = f", not {some_of(list(content))}" if content else ""
        raise InputError(f"{path}: expected one table [{TABLE}]{found}")
    for name, column in names.items():
        if not isinstance(column, str):
            raise InputError(
                f"{path}: {name} is {column!r:.60}; expected the name of a column in quotes"
            )
    return names


def check_names(path: Path, names: Mapping[str, str], renamed: Collection[str]) -> None:
    """Refuse names that no column of the input was given, for want of such a column. InputError"""
    if missing := [column for name, column in names.items() if name not in renamed]:
        raise InputError(f"{path}: the input has no column {some_of(missing)}")


def rename(part: Part, names: Mapping[str, str]) -> Part:
    """A part whose columns are called by these names, as far as it has them; name -> column.

    A column that had such a name, in any of its spellings, is hidden, and a renamed column has its
    old name no longer.
    """
    given = {name: column for name, column in names.items() if column in part.columns}
    if not given:
        return part
    gone = {spelling for name in given for spelling in accepted_names(name)} | {*given.values()}
    kept = {name: name for name in part.columns if name not in gone}
    return RenamedPart(part, kept | given)


@dataclass(frozen=True, slots=True)
class RenamedPart:
    """A part under other names for its columns."""

    part: Part
    names: Mapping[str, str]  # every column's name -> the one it has in the part

    @property
    def path(self) -> Place:
        """Where the file is."""
        return self.part.path

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """Every column, by its new name."""
        return {name: self.part.columns[column] for name, column in self.names.items()}

    @property
    def n_rows(self) -> int | None:
        """Number of rows, where it is known."""
        return self.part.n_rows

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
        """The rows in order, under the new names."""
        ids = self.names.get(id_name, id_name)
        numbers = [self.names[name] for name in columns]
        as_they_are = [self.names[name] for name in exact]
        for batch in self.part.batches(
            ids, list(dict.fromkeys(numbers)), size, list(dict.fromkeys(as_they_are))
        ):
            context = {
                name: batch.context[name]
                for name in batch.context.column_names
                if name not in as_they_are
            }
            context |= {name: batch.context[self.names[name]] for name in exact}
            yield replace(
                batch,
                id_name=id_name,
                features=batch.features.select(numbers).rename_columns(list(columns)),
                context=pa.table(context),
            )
