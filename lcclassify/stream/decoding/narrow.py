"""Avro messages without what nobody asked for, which is most of them.

A message is walked once, by compiled code that knows its schema, checks every length, and drops
the fields that are not wanted. What is left is an Avro value of a smaller schema, which fastavro
reads as it is: reading a large value by a small schema would take it ten times as long, and would
take bytes for text.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import fastavro
import numpy as np

from lcclassify.avro.schema import INSIDE, NAMED, RECORDS, shown
from lcclassify.errors import InputError
from lcclassify.sources.avro_schema import Named, bounded_schema, named_types
from lcclassify.sources.curve_forms import DETECTIONS
from lcclassify.sources.parquet import FEATURES
from lcclassify.stream.decoding.instructions import Instructions, Parts


@dataclass(frozen=True, slots=True)
class Wants:
    """What is read of a message."""

    fields: frozenset[str]  # of the message itself
    features: frozenset[str] | None  # None: all of them
    detections: frozenset[str]  # fields of detections; empty: none are read

    def of(self, field: str) -> tuple[bool, Parts]:
        """Whether a field of the message is wanted, and of records in it which fields; None: all"""
        if field == DETECTIONS:
            return bool(self.detections), self.detections
        if field == FEATURES:
            return True, self.features
        return field in self.fields, None


class UnreadableError(ValueError):
    """A message that cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """Messages of one schema, and what is wanted of them."""

    code: np.ndarray  # instructions, (n, 4) int64
    branches: np.ndarray  # (m,) int64
    schema: Any  # of what is left

    def __call__(self, data: bytes) -> dict[str, Any]:
        """What is wanted of a message. UnreadableError if it is none of this schema."""
        from lcclassify.stream.decoding.narrow_kernel import BROKEN, DAMAGED, TOO_DEEP, walk

        source = np.frombuffer(data, np.uint8)
        out = np.empty(len(source), np.uint8)
        length = walk(source, self.code, self.branches, out)
        if length < 0:
            reasons = {
                DAMAGED: "its bytes are no value of its schema",
                TOO_DEEP: "its values are nested too deep",
                BROKEN: "its schema was turned into instructions that lead nowhere",
            }
            raise UnreadableError(reasons[length])
        try:
            value: Any = fastavro.schemaless_reader(
                BytesIO(out[:length].tobytes()), self.schema, None, handle_unicode_errors="replace"
            )
        except Exception as error:  # IndexError, ...: whatever the bytes lead to
            raise UnreadableError(str(error) or type(error).__name__) from None
        return dict(value)


def narrow(schema: Any, wants: Wants, where: object = "the message") -> Narrow:
    """The reader of messages of a writer's schema. InputError if no message can be of it."""
    safe = bounded_schema(where, schema)
    try:
        parsed: Any = fastavro.parse_schema(safe)
    except Exception as error:  # of whatever kind the schema leads to
        reason = shown(str(error) or type(error).__name__, 200)
        raise InputError(f"{where} cannot be read: its schema is none: {reason}") from None
    named = named_types(where, parsed)
    instructions, rest = Instructions(named), _Rest(where, named)
    fields = []
    for field in parsed["fields"]:
        keep, parts = wants.of(field["name"])
        instructions.add(field["type"], parts, keep=keep)
        if keep:
            fields.append({"name": field["name"], "type": rest.of(field["type"], parts)})
    code, branches = instructions.finish()
    left = {"type": "record", "name": "message", "fields": fields}
    return Narrow(code, branches, fastavro.parse_schema(left))


def compile_walk() -> None:
    """Have the walk compiled, which may take seconds, before a message waits for it."""
    empty = {"type": "record", "name": "lcclassify.empty", "fields": []}
    narrow(empty, Wants(frozenset(), None, frozenset()))(b"")


class _Rest:
    """What is left of types. They get names of our own: what they were called may be anything."""

    def __init__(self, where: object, named: Named) -> None:
        self._where, self._named = where, named
        self._names: dict[tuple[str, Parts], str] = {}  # of what is written, and what is left of it
        self._empty = Instructions(named).is_empty

    def of(self, schema: Any, parts: Parts = None) -> Any:
        """A type without logical types; its records with the ``parts`` alone. InputError"""
        if isinstance(schema, list):
            return [self.of(branch, parts) for branch in schema]
        if isinstance(schema, str):
            return self.of(self._named[schema], parts) if schema in self._named else schema
        kind = schema["type"]
        if kind in INSIDE:
            return {"type": kind, INSIDE[kind]: self.of(schema[INSIDE[kind]], parts)}
        if kind not in NAMED:
            return kind
        key = schema["name"], parts
        if key in self._names:
            return self._names[key]
        self._names[key] = name = f"type{len(self._names)}"
        rest = {own: schema[own] for own in ("type", "size", "symbols") if own in schema}
        if kind in RECORDS:
            rest["fields"] = self._fields(schema, parts)
        return rest | {"name": name}

    def _fields(self, schema: Any, parts: Parts) -> list[Any]:
        kept = [f for f in schema["fields"] if parts is None or f["name"] in parts]
        for field in kept if parts is None else ():
            if self._empty(field["type"]):  # such can be many in a few bytes
                what = shown(f"{schema['name']}.{field['name']}")
                raise InputError(f"{self._where} cannot be read: its {what} takes no bytes")
        return [{"name": field["name"], "type": self.of(field["type"])} for field in kept]
