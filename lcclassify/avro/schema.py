"""Avro schemas as JSON, looked at before anything follows them.

fastavro follows types inside types down the stack of C, which ends without an exception. A named
type is written once and may stand in many places, also inside other named types: how deep values
nest is not how deep the text does. So each schema from outside passes ``bounded``, which visits
every type of the text once, by its JSON alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

MAX_DEPTH = 64  # of types inside types, those behind names with them
TOO_DEEP = f"its schema is too deep: it has types inside types beyond {MAX_DEPTH} levels"
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
INSIDE = {"array": "items", "map": "values"}
RECORDS = frozenset(("record", "error"))
NAMED = RECORDS | {"enum", "fixed"}
# fastavro takes these words for kinds of types, also where they are the names of types.
WORDS = NAMED | {*PRIMITIVES, *INSIDE, "union", "request", "error_union"}
LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_SIZE = 2**31 - 1  # bytes of a fixed
# fastavro believes a schema with these marks to be its own, and looks at nothing in it.
MARKS = frozenset(("__fastavro_parsed", "__named_schemas"))

Find = Callable[[str], Any]  # full name of a type that is defined elsewhere -> its schema, or None


def bounded(schema: Any, find: Find = lambda name: None) -> Any:
    """A copy of a schema, safe to follow; types that it does not define come from ``find``.

    ValueError if it is none, if a type contains itself, if values may nest deeper than MAX_DEPTH,
    or if items of arrays take no bytes, of which a few bytes could claim any number.
    """
    return _Walk(find).visit(schema, "", 1).schema


def is_legal(name: str) -> bool:
    """Whether Avro allows a name, without its namespace."""
    return LEGAL.fullmatch(name) is not None


def shown(text: object, most: int = 60) -> str:
    """Text from outside as a message can show it, whatever is in its place."""
    if not isinstance(text, str):
        return type(text).__name__
    return (text if text.isprintable() else ascii(text))[:most]


class _Visited(NamedTuple):
    """What is known of a type."""

    schema: Any  # as it stands at this place: its definition, or its name
    depth: int  # of its values; 1 if nothing is inside them
    is_empty: bool  # whether its values take no bytes


class _Walk:
    """Visits types in the order of the text, in which a type is defined before it is named.

    The recursion follows the text, down to MAX_DEPTH; a name is looked up.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._named: dict[str, _Visited | None] = {}  # None: its definition has begun

    def visit(self, schema: Any, space: str, level: int) -> _Visited:
        if level > MAX_DEPTH:
            raise ValueError(TOO_DEEP)
        if isinstance(schema, str):
            return self._name(schema, space, level)
        if isinstance(schema, list):
            parts = [self.visit(part, space, level + 1) for part in schema]
            copies = [part.schema for part in parts]
            return _Visited(copies, _around(parts), is_empty=False)  # which it is takes a byte
        if not isinstance(schema, dict):
            raise ValueError(f"its schema is none: {shown(schema)} is no type")
        kind = schema.get("type")
        copy = {key: value for key, value in schema.items() if key not in MARKS}
        if not isinstance(kind, str):
            raise ValueError(f"its schema is none: {shown(kind)} is no kind of type")
        if kind in PRIMITIVES:
            return _Visited(copy, 1, kind == "null")
        if kind in NAMED:
            return self._definition(copy, space, level)
        if kind in INSIDE:
            inside = INSIDE[kind]
            part = self.visit(_get(schema, inside), space, level + 1)
            if kind == "array" and part.is_empty:
                raise ValueError("its arrays hold items of no bytes")
            return _Visited(copy | {inside: part.schema}, _around([part]), is_empty=False)
        raise ValueError(f"its schema is none: {shown(kind)} is no kind of type")

    def _name(self, name: str, space: str, level: int) -> _Visited:
        if name in PRIMITIVES:
            return _Visited(name, 1, name == "null")
        full = f"{space}.{name}" if space and "." not in name else name
        if full in self._named:
            known = self._named[full]
            if known is None:
                raise ValueError(f"its type {shown(full)} contains itself")
            if full in WORDS:
                raise ValueError(f"its schema is none: type {full} has the name of another kind")
            return known._replace(schema=name)
        definition = self._find(full)
        if definition is None:
            raise ValueError(f"its schema is none: it has no type {shown(full)}")
        found = self.visit(definition, "", level + 1)
        if self._named.get(full) is not found:
            raise ValueError(f"its schema is none: the file of {shown(full)} defines another type")
        return found

    def _definition(self, schema: dict[str, Any], space: str, level: int) -> _Visited:
        full = _full_name(schema, space)
        if full in PRIMITIVES:
            raise ValueError(f"its schema is none: it defines {full}, which Avro does")
        if full in self._named:
            raise ValueError(f"its schema is none: it defines type {shown(full)} twice")
        self._named[full] = None
        depth, is_empty = 1, False
        if schema["type"] == "enum":
            _get(schema, "symbols", list)
        elif schema["type"] == "fixed":
            size = _get(schema, "size", int)
            if isinstance(size, bool) or not 0 <= size <= MAX_SIZE:
                raise ValueError(f"its schema is none: type {shown(full)} has no size")
            is_empty = size == 0
        else:
            inside = full.rpartition(".")[0]
            fields = _get({"fields": []} | schema, "fields", list)
            parts = [
                self.visit(_get(field, "type"), inside, level + 1) for field in map(_field, fields)
            ]
            schema["fields"] = [
                field | {"type": part.schema} for field, part in zip(fields, parts, strict=True)
            ]
            depth, is_empty = _around(parts), all(part.is_empty for part in parts)
        self._named[full] = made = _Visited(schema, depth, is_empty)
        return made


def _around(parts: Sequence[_Visited]) -> int:
    """The depth of what these types are parts of."""
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    return depth


def _full_name(schema: Mapping[str, Any], around: str) -> str:
    name, space = _get(schema, "name", str), schema.get("namespace", around)
    if not name or not isinstance(space, str | None):
        raise ValueError("its schema is none: a part of it has no name")
    return name if "." in name or not space else f"{space}.{name}"


def _field(field: Any) -> Mapping[str, Any]:
    if not isinstance(field, dict):
        raise ValueError(f"its schema is none: {shown(field)} is no field")
    _get(field, "name", str)
    return field


def _get(schema: Mapping[str, Any], key: str, kind: type = object) -> Any:
    if not isinstance(value := schema.get(key), kind):
        raise ValueError(f"its schema is none: a part of it has no {key}")
    return value
