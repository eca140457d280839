"""Avro schemas as instructions for a walk over values: what to keep of each, and what to drop."""

from typing import Any

import numpy as np

from lcclassify.avro.schema import INSIDE, MAX_DEPTH, RECORDS
from lcclassify.sources.avro_schema import Named

# What an instruction does; it is a row of (kind, value, keep, number of branches or symbols).
FIXED, VARINT, BYTES, UNION, ENUM, BEGIN, NEXT, JUMP, CALL, RETURN = range(10)
COLUMNS = 4
MAX_NESTED = MAX_DEPTH + 2  # calls, and loops, one inside the other
SIMPLE = {
    "boolean": (FIXED, 1),
    "int": (VARINT, 0),
    "long": (VARINT, 0),
    "float": (FIXED, 4),
    "double": (FIXED, 8),
    "bytes": (BYTES, 0),
    "string": (BYTES, 0),
}
Parts = frozenset[str] | None  # the fields of records that are kept; None: all


class Instructions:
    """Writes instructions for values of types that a bounded schema names.

    A record is written once for each way to read it, and called from wherever it stands: there are
    no more instructions than a few times the types in the schema's text.
    """

    def __init__(self, named: Named) -> None:
        self._named = named
        self._code: list[list[int]] = []
        self._branches: list[int] = []
        self._empty: dict[str, bool] = {}  # record -> whether its values take no bytes
        self._calls: dict[tuple[str, Parts, bool], list[int]] = {}  # how a record is read -> calls

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """End the message, and write what is called. (n, 4) and (m,) int64"""
        self._emit(RETURN)
        starts: dict[tuple[str, Parts, bool], int] = {}
        while todo := [key for key in self._calls if key not in starts]:
            for name, parts, keep in todo:
                starts[name, parts, keep] = len(self._code)
                self._record(self._named[name], parts, keep=keep)
                self._emit(RETURN)
        for key, calls in self._calls.items():
            for call in calls:
                self._code[call][1] = starts[key]
        return np.array(self._code, np.int64), np.array(self._branches, np.int64)

    def add(self, schema: Any, parts: Parts = None, *, keep: bool) -> None:
        """Read a value of a type. Of records that are kept, ``parts`` are."""
        if self.is_empty(schema):
            return
        if isinstance(schema, list):
            self._union(schema, parts, keep=keep)
            return
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind in SIMPLE:
            self._emit(*SIMPLE[kind], keep=keep)
        elif kind == "fixed":
            self._emit(FIXED, schema["size"], keep=keep)
        elif kind == "enum":
            self._emit(ENUM, keep=keep, count=len(schema["symbols"]))
        elif kind in INSIDE:
            self._loop(schema, parts, keep=keep)
        elif kind in RECORDS:
            how = schema["name"], parts if keep else None, keep
            self._calls.setdefault(how, []).append(self._emit(CALL))
        else:
            self.add(self._named[kind], parts, keep=keep)

    def is_empty(self, schema: Any) -> bool:
        """Whether values of a type take no bytes."""
        if isinstance(schema, list):
            return False
        if isinstance(schema, str):
            return schema == "null" or (
                schema in self._named and self.is_empty(self._named[schema])
            )
        if schema["type"] in RECORDS:
            name = schema["name"]
            if name not in self._empty:
                self._empty[name] = all(self.is_empty(field["type"]) for field in schema["fields"])
            return self._empty[name]
        return schema["type"] == "null" or (schema["type"], schema.get("size")) == ("fixed", 0)

    def _record(self, schema: Any, parts: Parts, *, keep: bool) -> None:
        for field in schema["fields"]:
            self.add(field["type"], keep=keep and (parts is None or field["name"] in parts))

    def _union(self, schema: list[Any], parts: Parts, *, keep: bool) -> None:
        first = len(self._branches)
        self._emit(UNION, first, keep=keep, count=len(schema))
        self._branches += [0] * len(schema)
        ends = []
        for number, branch in enumerate(schema):
            self._branches[first + number] = len(self._code)
            self.add(branch, parts, keep=keep)
            ends.append(self._emit(JUMP))
        for end in ends:
            self._code[end][1] = len(self._code)

    def _loop(self, schema: Any, parts: Parts, *, keep: bool) -> None:
        self._emit(BEGIN)
        following = self._emit(NEXT, keep=keep)
        if schema["type"] == "map":
            self._emit(BYTES, keep=keep)
        self.add(schema[INSIDE[schema["type"]]], parts, keep=keep)
        self._emit(JUMP, following)
        self._code[following][1] = len(self._code)

    def _emit(self, kind: int, value: int = 0, *, keep: bool = False, count: int = 0) -> int:
        self._code.append([kind, value, keep, count])
        return len(self._code) - 1
