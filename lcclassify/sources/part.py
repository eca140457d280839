"""Part: what every format offers, and how it is read."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from lcclassify.batch import Batch
from lcclassify.errors import InputError
from lcclassify.sources.ids import read_ids
from lcclassify.sources.places import Place


class Part(Protocol):
    """One file, or several that are one table."""

    @property
    def path(self) -> Place:
        """Where the file is."""

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """Every column; fields of features and header under their own names.

        The same object each time, which files of equal schema may share.
        """

    @property
    def n_rows(self) -> int | None:
        """Number of rows; None where only reading on would tell."""

    @property
    def row_group_sizes(self) -> Sequence[int]:
        """Rows of each piece that can be read alone; none if the file cannot be divided."""

    @property
    def schema_name(self) -> str:
        """Full name of the Avro schema of its records; empty for another format."""

    def id_type(self, name: str) -> pa.DataType:
        """The type of ids from a column that is there. InputError if it can hold none."""

    def batches(
        self, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """The rows in order, at most ``size`` at a time. InputError where the file is damaged.

        ``columns`` come as numbers, ``exact`` ones in the context as they are; of COLUMN.FIELD,
        that column of structs with this field at least. Ids are null if there is no such column.
        """


def distinct(parts: Iterable[Part]) -> list[Part]:
    """The first of all parts that share their columns."""
    found: dict[int, Part] = {}
    for part in parts:
        found.setdefault(id(part.columns), part)
    return list(found.values())


def whole_column(name: str, columns: Collection[str]) -> str:
    """The column that a name is, or is a field of."""
    return name if name in columns else name.rpartition(".")[0] or name


def whole_columns(names: Iterable[str], columns: Collection[str]) -> list[str]:
    """The columns that names are, or are fields of; each once."""
    return list(dict.fromkeys(whole_column(name, columns) for name in names))


def id_type(part: Part, name: str) -> pa.DataType:
    """The type of a part's ids, which may be the value of a ``key=value`` folder. InputError"""
    if name in part.columns:
        return part.id_type(name)
    if name in part.path.keys:
        return pa.string()
    raise InputError(f"{part.path}: there is no column {name!r}")


def read_part(
    part: Part, id_name: str, columns: Sequence[str], size: int, exact: Sequence[str] = ()
) -> Iterator[Batch]:
    """The batches of a part; where no column gives the ids, its folder does."""
    for batch in part.batches(id_name, columns, size, exact):
        if id_name in part.columns:
            yield batch
        else:
            ids = read_ids(id_name, part.path.key_column(id_name, len(batch)), pa.string())
            yield replace(batch, object_id=ids.values, rounded=ids.rounded)
