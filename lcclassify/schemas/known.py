"""The schemas that are known by name, and which of them another schema is."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from lcclassify.schemas.avsc import Type, parse_schema
from lcclassify.schemas.evolution import Difference, Effect, differences, worst
from lcclassify.schemas.written import read_schema, read_schemas, sample

JSON_TYPES: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "string": (str,),
    "bytes": (str,),
}
NEAR = 0.5  # share of the fields of both that a schema must have in common to be worth comparing
Fit = Literal["exact", "compatible", "different", "none"]


@dataclass(frozen=True, slots=True)
class Known:
    """A schema that has a name."""

    name: str
    what: str
    schema: Type


@dataclass(frozen=True, slots=True)
class Match:
    """The schema of files, beside a known one or one that was given."""

    name: str | None  # of the other; None: there is none that is like it
    differences: tuple[Difference, ...] = ()
    files: tuple[str, ...] = ()
    is_given: bool = False

    @property
    def fit(self) -> Fit:
        """Exact but for names that Avro forbids; compatible if all data are read without loss."""
        if self.name is None:
            return "none"
        if worst(self.differences) is not Effect.NONE:
            return "different"
        exact = all(d.state == "illegal name" for d in self.differences)
        return "exact" if exact else "compatible"

    @property
    def is_readable(self) -> bool:
        """Whether all data can be read, with losses or without."""
        return worst(self.differences) in (Effect.NONE, Effect.LOSES)


@cache
def known_schemas() -> Mapping[str, Known]:
    """All of them, by name."""
    folder = files("lcclassify") / "schemas"
    rows = csv.DictReader((folder / "known.csv").read_text("utf-8").splitlines())
    return {row["name"]: Known(row["name"], row["what"], _shipped(row["file"])) for row in rows}


def match_inputs(inputs: Sequence[str], reader: Known | None = None) -> list[Match]:
    """Each schema of files, folders, globs and URLs, beside ``reader`` or what it is. InputError

    ``reader`` is for files that carry a schema; what JSON Lines are, their values tell.
    """
    matches = []
    for written in read_schemas(inputs):
        first, schema = written.places[0], written.schema
        if reader is not None:
            found = tuple(differences(schema or read_schema(first), reader.schema))
            match = Match(reader.name, found, is_given=True)
        elif schema is not None:
            match = recognise(schema)
        else:
            match = recognise_values(sample(first))
        matches.append(replace(match, files=tuple(map(str, written.places))))
    return matches


def recognise(schema: Type) -> Match:
    """The known schema that this one is, or the nearest; beside itself if there is none."""
    near = [known for known in known_schemas().values() if _likeness(schema, known.schema) > NEAR]
    matches = [Match(k.name, tuple(differences(schema, k.schema, same_first=True))) for k in near]
    alone = Match(None, tuple(differences(schema, schema, same_first=True)))  # its illegal names
    return min(matches, key=_distance, default=alone)


def recognise_values(records: Sequence[Any]) -> Match:
    """The known schema that all of these records follow, with all its fields and no others."""
    for known in known_schemas().values() if records else ():
        if all(_holds(known.schema, record) for record in records):
            return Match(known.name)
    return Match(None)


def _holds(schema: Type, value: Any) -> bool:
    """Whether a value of JSON is one of a type."""
    kind = schema.kind
    if kind == "union":
        return any(_holds(part, value) for part in schema.parts)
    if kind == "array":
        return isinstance(value, list) and all(_holds(schema.parts[0], v) for v in value)
    if kind == "map":
        return isinstance(value, dict) and all(_holds(schema.parts[0], v) for v in value.values())
    if kind == "record":
        return (
            isinstance(value, dict)
            and value.keys() == {field.name for field in schema.fields}
            and all(_holds(field.type, value[field.name]) for field in schema.fields)
        )
    return type(value) in JSON_TYPES[kind]


def _distance(match: Match) -> tuple[int, int]:
    """How far a schema is off: by what matters, then by all."""
    matter = [d for d in match.differences if d.effect is not Effect.NONE]
    return len(matter), len(match.differences)


def _likeness(one: Type, other: Type) -> float:
    """Share of the names of two records' fields that both have."""
    names, others = ({field.name for field in schema.fields} for schema in (one, other))
    return len(names & others) / (len(names | others) or 1)


def _shipped(file: str) -> Type:
    folder = (files("lcclassify") / "schemas").joinpath(*file.split("/")[:-1])

    def find(name: str) -> str | None:
        path = folder / f"{name}.avsc"
        return path.read_text("utf-8") if path.is_file() else None

    text = find(file.rpartition("/")[2])
    return parse_schema(text or "", find)
