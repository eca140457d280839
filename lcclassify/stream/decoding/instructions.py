"""Avro schemas as instructions for a walk over values: what to keep of each, and what to drop."""

from typing import Any

import numpy as np

from lcclassify.sources.avro_schema import MAX_DEPTH, Named

# What an instruction does; it is a row of (kind, value, keep, number of branches).
FIXED, VARINT, BYTES, UNION, BEGIN, NEXT, JUMP, CALL, RETURN = range(9)
MAX_NESTED = MAX_DEPTH + 2  # calls, and loops, one inside the other
SIMPLE = {
    "boolean": (FIXED, 1),
    "int": (VARINT, 0),
    "long": (VARINT, 0),
    "enum": (VARINT, 0),
    "float": (FIXED, 4),
    "double": (FIXED, 8),
    "bytes": (BYTES, 0),
    "string": (BYTES, 0),
}
Parts = frozenset[str] | None  # the fields of records that are kept; None: all


class Instructions:
    """Writes instructions for values of types that a schema names."""

    def __init__(self, named: Named) -> None:
        self._named = named
        self._code: list[list[int]] = []
        self._branches: list[int] = []
        self._empty: dict[str, bool] = {}  # types whose values take no bytes
        self._calls: dict[tuple[str, bool], list[int]] = {}  # type, kept -> the calls of it

    def finish(self) -> tuple[np.ndarray, np.ndarray]:
        """End the message, and write what is called. (n, 4) and (m,) int64"""
        self._emit(RETURN)
        starts: dict[tuple[str, bool], int] = {}
        while todo := self._calls.keys() - starts.keys():
            for name, keep in sorted(todo):
                starts[name, keep] = len(self._code)
                self._record(self._named[name], None, keep=keep)
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
        if isinstance(kind, list | dict):
            self.add(kind, parts, keep=keep)
        elif kind in SIMPLE:
            self._emit(*SIMPLE[kind], keep=keep)
        elif kind == "fixed":
            self._emit(FIXED, schema["size"], keep=keep)
        elif kind in ("array", "map"):
            self._loop(schema, parts, keep=keep)
        elif kind in ("record", "error"):
            if parts is None:
                call = self._emit(CALL)
                self._calls.setdefault((schema["name"], keep), []).append(call)
            else:
                self._record(schema, parts, keep=keep)
        else:
            self.add(self._named[kind], parts, keep=keep)

    def is_empty(self, schema: Any) -> bool:
        """Whether values of a type take no bytes."""
        if isinstance(schema, list):
            return False
        if isinstance(schema, str):
            if schema in self._named and schema not in self._empty:
                self._empty[schema] = self.is_empty(self._named[schema])
            return self._empty.get(schema, schema == "null")
        kind = schema["type"]
        if kind in ("record", "error"):
            return all(self.is_empty(field["type"]) for field in schema["fields"])
        if kind == "fixed":
            return bool(schema["size"] == 0)
        return not (kind in SIMPLE or kind in ("array", "map")) and self.is_empty(kind)

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
        self.add(schema["items" if schema["type"] == "array" else "values"], parts, keep=keep)
        self._emit(JUMP, following)
        self._code[following][1] = len(self._code)

    def _emit(self, kind: int, value: int = 0, *, keep: bool = False, count: int = 0) -> int:
        self._code.append([kind, value, keep, count])
        return len(self._code) - 1
