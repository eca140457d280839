"""Avro schemas as trees of types. What is read here may be anybody's: it is checked and bounded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lcclassify.avro.schema import MAX_DEPTH, PRIMITIVES

MAX_TYPES = 50_000
MAX_BRANCHES = 64  # of a union
SHOWN = 8  # branches of a union that a description names
Find = Callable[[str], str | bytes | None]  # full name of a type -> the text of its own file


@dataclass(frozen=True, slots=True, eq=False)
class Type:
    """An Avro type, its parts with it. One that is named at several places is one object."""

    kind: str  # of PRIMITIVES, or record, enum, fixed, array, map, union
    name: str = ""  # full name of a record, enum or fixed
    aliases: tuple[str, ...] = ()
    fields: tuple["Field", ...] = ()
    parts: tuple["Type", ...] = ()  # branches of a union; the one type of items or values
    symbols: tuple[str, ...] = ()
    default: str | None = None  # for a symbol that a reader does not know
    size: int = 0  # of a fixed, bytes
    meaning: str = ""  # logical type
    depth: int = 1

    @property
    def short_name(self) -> str:
        """The name without its namespace, by which Avro compares records."""
        return self.name.rpartition(".")[2]

    @property
    def branches(self) -> tuple["Type", ...]:
        """The types that a value may have."""
        return self.parts if self.kind == "union" else (self,)

    def __str__(self) -> str:
        if self.kind == "union":
            names = [str(part) for part in self.parts]
            return " or ".join(names[:SHOWN] + ["..."] * (len(names) > SHOWN))
        if self.kind in ("array", "map"):
            part = self.parts[0]
            return f"{self.kind} of " + (f"({part})" if part.kind == "union" else str(part))
        named = f"{self.kind} {self.short_name}".strip()
        return f"{named} ({self.meaning})" if self.meaning else named


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a record."""

    name: str
    type: Type
    aliases: tuple[str, ...] = ()
    has_default: bool = False


def parse_schema(text: str | bytes, find: Find = lambda name: None) -> Type:
    """A schema from JSON; a type that it does not define is looked for with ``find``.

    ValueError if it is none, contains itself, or is deeper or larger than any schema of alerts.
    """
    try:
        return _Parser(find).parse(_json(text), "", 1)
    except RecursionError:  # of values that are no types, as they are shown
        raise ValueError("it is too deep") from None


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    except ValueError as error:  # json's, or an integer of thousands of digits
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is too deep") from None


class _Parser:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._named: dict[str, Type | None] = {}  # None: its definition has begun
        self._n_types = 0

    def parse(self, schema: Any, namespace: str, level: int) -> Type:
        self._n_types += 1
        if level > MAX_DEPTH:
            raise ValueError(f"it has types inside types beyond {MAX_DEPTH} levels")
        if self._n_types > MAX_TYPES:
            raise ValueError(f"it has more than {MAX_TYPES} types")
        if isinstance(schema, str):
            return (
                Type(schema) if schema in PRIMITIVES else self._reference(schema, namespace, level)
            )
        if isinstance(schema, list):
            return self._union(schema, namespace, level)
        if not isinstance(schema, dict):
            raise ValueError(f"{schema!r:.60} is no type")
        kind = schema.get("type")
        if kind in ("array", "map"):
            key = "items" if kind == "array" else "values"
            part = self.parse(_get(schema, key), namespace, level + 1)
            return _checked(Type(kind, parts=(part,), depth=part.depth + 1))
        if kind in ("record", "error", "enum", "fixed"):
            return self._definition(schema, kind, namespace, level)
        if kind in PRIMITIVES:
            return Type(kind, meaning=_meaning(schema))
        return self.parse(kind, namespace, level + 1)

    def _union(self, schema: list[Any], namespace: str, level: int) -> Type:
        parts = tuple(self.parse(part, namespace, level + 1) for part in schema)
        if not parts or any(part.kind == "union" for part in parts):
            raise ValueError("it has a union of nothing, or of unions")
        if len(parts) > MAX_BRANCHES:
            raise ValueError(f"it has a union of more than {MAX_BRANCHES} types")
        return _checked(Type("union", parts=parts, depth=1 + max(p.depth for p in parts)))

    def _reference(self, name: str, namespace: str, level: int) -> Type:
        full = f"{namespace}.{name}" if namespace and "." not in name else name
        for known in (full, name):
            if known in self._named:
                if found := self._named[known]:
                    return found
                raise ValueError(f"its type {known!r:.60} contains itself")
        text = self._find(full)
        if text is None:
            raise ValueError(f"it has no type {name!r:.60}")
        found = self.parse(_json(text), "", level + 1)
        if found.name != full:
            raise ValueError(f"the file of type {full!r:.60} defines {str(found)!r:.60}")
        return found

    def _definition(self, schema: Mapping[str, Any], kind: str, space: str, level: int) -> Type:
        name = _name(_get(schema, "name"))
        space = name.rpartition(".")[0] or _name(schema.get("namespace", space) or "", empty=True)
        full = name if "." in name or not space else f"{space}.{name}"
        if full in self._named:
            raise ValueError(f"it defines type {full!r:.60} twice")
        self._named[full] = None
        aliases = _names(schema, "aliases")
        if kind == "enum":
            default = _name(schema["default"]) if "default" in schema else None
            symbols = _names(schema, "symbols")
            made = Type(kind, full, aliases, symbols=symbols, default=default)
        elif kind == "fixed":
            size = _get(schema, "size")
            if type(size) is not int or size < 0:
                raise ValueError(f"type {full!r:.60} has no size")
            made = Type(kind, full, aliases, size=size, meaning=_meaning(schema))
        else:
            fields = tuple(self._field(field, space, level) for field in _list(schema, "fields"))
            if len({field.name for field in fields}) < len(fields):
                raise ValueError(f"record {full!r:.60} has two fields of one name")
            depth = 1 + max((field.type.depth for field in fields), default=0)
            made = _checked(Type("record", full, aliases, fields, depth=depth))
        self._named[full] = made
        return made

    def _field(self, field: Any, namespace: str, level: int) -> Field:
        if not isinstance(field, dict):
            raise ValueError(f"{field!r:.60} is no field")
        return Field(
            name=_name(_get(field, "name")),
            type=self.parse(_get(field, "type"), namespace, level + 1),
            aliases=_names(field, "aliases"),
            has_default="default" in field,
        )


def _checked(made: Type) -> Type:
    if made.depth > MAX_DEPTH:  # by names, which the level of the text does not tell
        raise ValueError(f"it has types inside types beyond {MAX_DEPTH} levels")
    return made


def _meaning(schema: Mapping[str, Any]) -> str:
    name = schema.get("logicalType", "")
    if name == "decimal":
        name = f"decimal {schema.get('precision')}, {schema.get('scale', 0)}"
    return _name(name, empty=True)


def _get(schema: Mapping[str, Any], key: str) -> Any:
    if key not in schema:
        raise ValueError(f"{dict(schema)!r:.60} has no {key!r}")
    return schema[key]


def _list(schema: Mapping[str, Any], key: str) -> list[Any]:
    value = schema.get(key, [])
    if not isinstance(value, list):
        raise ValueError(f"{key!r} is {value!r:.60}, not a list")
    return value


def _names(schema: Mapping[str, Any], key: str) -> tuple[str, ...]:
    return tuple(map(_name, _list(schema, key)))


def _name(value: Any, *, empty: bool = False) -> str:
    """A name, legal in Avro or not; but text that a terminal shows as it is."""
    if isinstance(value, str) and value.isprintable() and (value or empty):
        return value
    raise ValueError(f"{value!r:.60} is no name")
