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

from lcclassify.errors import InputError
from lcclassify.sources.avro_schema import Named, named_types
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
        from lcclassify.stream.decoding.narrow_kernel import walk

        source = np.frombuffer(data, np.uint8)
        out = np.empty(len(source), np.uint8)
        length = walk(source, self.code, self.branches, out)
        if length < 0:
            raise UnreadableError("its bytes are no value of its schema")
        try:
            value: Any = fastavro.schemaless_reader(
                BytesIO(out[:length].tobytes()), self.schema, None, handle_unicode_errors="replace"
            )
        except Exception as error:  # IndexError, ...: whatever the bytes lead to
            raise UnreadableError(str(error) or type(error).__name__) from None
        return dict(value)


def narrow(schema: Any, wants: Wants, where: object = "the message") -> Narrow:
    """The reader of messages of a writer's schema. InputError if no message can be of it."""
    try:
        parsed: Any = fastavro.parse_schema(schema)
    except Exception as error:  # of whatever kind the schema leads to
        raise InputError(f"{where} cannot be read: its schema is none: {error!s:.200}") from None
    named = named_types(where, parsed)
    instructions, rest = Instructions(named), _Rest(where, named)
    fields = []
    for field in parsed["fields"]:
        keep, parts = wants.of(field["name"])
        instructions.add(field["type"], parts, keep=keep)
        if keep:
            fields.append({"name": field["name"], "type": rest.of(field["type"], parts)})
    code, branches = instructions.finish()
    left = {"type": "record", "name": "lcclassify.message", "fields": fields}
    return Narrow(code, branches, fastavro.parse_schema(left))


def compile_walk() -> None:
    """Have the walk compiled, which may take seconds, before a message waits for it."""
    empty = {"type": "record", "name": "lcclassify.empty", "fields": []}
    narrow(empty, Wants(frozenset(), None, frozenset()))(b"")


class _Rest:
    """What is left of types, which may be named where nothing is kept."""

    def __init__(self, where: object, named: Named) -> None:
        self._where, self._named = where, named
        self._written: set[str] = set()
        self._n_parts = 0
        self._empty = Instructions(named).is_empty

    def of(self, schema: Any, parts: Parts = None) -> Any:
        """A type without logical types; its records with the ``parts`` alone. InputError"""
        if isinstance(schema, list):
            return [self.of(branch, parts) for branch in schema]
        if isinstance(schema, str):
            if schema not in self._named or (parts is None and schema in self._written):
                return schema
            return self.of(self._named[schema], parts)
        kind = schema["type"]
        if kind in ("record", "error"):
            return self._record(schema, parts)
        for inside in ("items", "values"):
            if inside in schema:
                return {"type": kind, inside: self.of(schema[inside], parts)}
        if kind in ("enum", "fixed"):
            if schema["name"] in self._written:
                return schema["name"]
            self._written.add(schema["name"])
            names = ("type", "name", "size", "symbols")
            return {name: schema[name] for name in names if name in schema}
        return self.of(kind, parts)

    def _record(self, schema: Any, parts: Parts) -> Any:
        name = schema["name"]
        if parts is None:
            if name in self._written:
                return name
            self._written.add(name)
            for field in schema["fields"]:
                if self._empty(field["type"]):  # such can be many in a few bytes
                    what = f"{name}.{field['name']}"
                    raise InputError(f"{self._where} cannot be read: its {what} takes no bytes")
        else:
            self._n_parts += 1
            name = f"lcclassify.part{self._n_parts}"
        return {
            "type": "record",
            "name": name,
            "fields": [
                {"name": field["name"], "type": self.of(field["type"])}
                for field in schema["fields"]
                if parts is None or field["name"] in parts
            ],
        }
