"""Random Avro schemas, values, and their bytes, by a source of chance: ``random.Random`` or
hypothesis's. The bytes are written here, not by fastavro: blocks may say how long they are, numbers
may be longer than they need to be."""

import struct
from dataclasses import dataclass, field
from typing import Any

from mutations import avro_bytes, avro_long

MOST_DEPTH = 64
PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "string", "bytes")
LOGICAL = {"int": "date", "long": "timestamp-millis", "string": "uuid", "bytes": "unknown"}
SPACES = ("", "", "n", "n.m", "o")
FIELDS = ("oid", "candid", "a", "b", "features", "detections")
PARTS = ("x", "y", "mjd")  # fields of records, also of those that are read in part


@dataclass
class Node:
    """A type, whatever its text says of it: with what is behind names."""

    kind: str
    parts: list["Node"] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of fields
    full: str = ""
    size: int = 0
    symbols: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.depth = 1 + max((part.depth for part in self.parts), default=0)
        self.is_empty = (
            self.kind == "null"
            or (self.kind == "fixed" and not self.size)
            or (self.kind == "record" and all(part.is_empty for part in self.parts))
        )


@dataclass
class Maker:
    """Makes the types of one schema: ``type_at`` gives its text at a place, and what it is."""

    rng: Any
    named: list[Node] = field(default_factory=list)

    def message(self):
        """A record like those that come as messages."""
        names = self.rng.sample(FIELDS, self.rng.randint(1, len(FIELDS)))
        return self.record("", 1, names)

    def type_at(self, space, level, full=False):
        """Any type; with ``full``, one whose values take bytes."""
        for _ in range(9):
            kind = self.rng.choice(KINDS if level < 5 else ("simple", "simple", "fixed", "name"))
            n_named = len(self.named)
            text, node = getattr(self, kind)(space, level)
            if node.depth + level <= MOST_DEPTH and not (full and node.is_empty):
                return text, node
            del self.named[n_named:]
        return "string", Node("string")

    def simple(self, space, level):
        kind = self.rng.choice(PRIMITIVES)
        text = kind
        if self.rng.random() < 0.3:
            text = {"type": kind, "doc": "x"}
            if kind in LOGICAL:
                text["logicalType"] = LOGICAL[kind]
        return text, Node(kind)

    def array(self, space, level):
        text, items = self.type_at(space, level + 1, full=True)
        return {"type": "array", "items": text}, Node("array", [items])

    def map(self, space, level):
        text, values = self.type_at(space, level + 1)
        return {"type": "map", "values": text}, Node("map", [values])

    def union(self, space, level):
        """Branches of different kinds, but for names; unions in unions, which fastavro reads."""
        texts, nodes = [], []
        for _ in range(self.rng.randint(1, 5)):
            n_named = len(self.named)
            text, node = self.type_at(space, level + 1)
            if kinds_of(node) & kinds_of(*nodes):
                del self.named[n_named:]
                continue
            texts.append(text)
            nodes.append(node)
        return texts, Node("union", nodes)

    def record(self, space, level, names=None):
        text, full = self._named("record", space)
        if names is None:
            names = self.rng.sample(PARTS, self.rng.randint(0, len(PARTS)))
        inside = full.rpartition(".")[0]
        pairs = [self.type_at(inside, level + 1) for _ in names]
        text["fields"] = [{"name": n, "type": t} for n, (t, _) in zip(names, pairs, strict=True)]
        node = Node("record", [node for _, node in pairs], list(names), full)
        self.named.append(node)
        return text, node

    def enum(self, space, level):
        text, full = self._named("enum", space)
        text["symbols"] = [f"S{n}" for n in range(self.rng.randint(1, 4))]
        self.named.append(Node("enum", full=full, symbols=text["symbols"]))
        return text, self.named[-1]

    def fixed(self, space, level):
        text, full = self._named("fixed", space)
        text["size"] = self.rng.choice([0, 1, 1, 3, 16])
        self.named.append(Node("fixed", full=full, size=text["size"]))
        return text, self.named[-1]

    def name(self, space, level):
        """A type by its name, as it can be called here."""
        known = [node for node in self.named if "." in node.full or not space]
        if not known:
            return self.simple(space, level)
        node = self.rng.choice(known)
        head, _, short = node.full.rpartition(".")
        return (short if head == space and self.rng.random() < 0.5 else node.full), node

    def _named(self, kind, around):
        """The text of a new type that has a name, and its full name."""
        space, name = self.rng.choice([around, *SPACES]), f"{kind[0].upper()}{len(self.named)}"
        while any(node.full.rpartition(".")[2] == name for node in self.named) or name in self.used:
            name += "_"
        self.used.add(name)
        text = {"type": kind, "name": name}
        if self.rng.random() < 0.3:
            text["aliases"] = ["Other"]
        if space != around and self.rng.random() < 0.5 and space:
            text["name"] = f"{space}.{name}"
        elif space != around:
            text["namespace"] = space
        return text, f"{space}.{name}" if space else name

    def __post_init__(self):
        self.used = set()


def kinds_of(*nodes):
    """Kinds of branches of which a union has one at most, also in unions inside it."""
    inside = [kinds_of(*node.parts) for node in nodes if node.kind == "union"]
    return {n.kind for n in nodes if not n.full and n.kind != "union"}.union(*inside)


KINDS = ("simple", "simple", "array", "map", "union", "record", "enum", "fixed", "name", "name")


@dataclass
class Writer:
    """Makes values of types, and writes them: ``write`` returns the value as fastavro reads it.

    A value of a union's branch that has a name comes with that name.
    """

    rng: Any
    out: bytearray = field(default_factory=bytearray)
    left: int = 200  # items that may still be written

    def write(self, node):
        if node.kind in ("array", "map"):
            return self._many(node)
        if node.kind == "record":
            return {n: self.write(p) for n, p in zip(node.names, node.parts, strict=True)}
        if node.kind == "union":
            branch = self.rng.randrange(len(node.parts))
            self._number(branch)
            value = self.write(node.parts[branch])
            return (node.parts[branch].full, value) if node.parts[branch].full else value
        if node.kind == "enum":
            symbol = self.rng.randrange(len(node.symbols))
            self._number(symbol)
            return node.symbols[symbol]
        if node.kind == "fixed":
            self.out += (data := bytes(self.rng.randrange(256) for _ in range(node.size)))
            return data
        return getattr(self, f"_{node.kind}")()

    def _null(self):
        return None

    def _boolean(self):
        self.out.append(value := self.rng.randrange(2))
        return bool(value)

    def _int(self):
        return self._number(self.rng.choice([0, 1, -1, 63, 64, -65, 2**31 - 1, -(2**31)]))

    def _long(self):
        return self._number(self.rng.choice([0, -1, 2**31, 2**63 - 1, -(2**63)]))

    def _float(self):
        return self._packed("<f")

    def _double(self):
        return self._packed("<d")

    def _string(self):
        text = self.rng.choice(["", "a", "ZTF18abc", "\0", "Ωé\N{GRINNING FACE}"])
        self._text(text.encode())
        return text

    def _bytes(self):
        data = self.rng.choice([b"", b"\xff\x80", bytes(130)])
        self._text(data)
        return data

    def _packed(self, form):
        value = self.rng.choice([0.0, -0.0, 1.5, -1e30, float("inf"), float("nan")])
        self.out += (data := struct.pack(form, value))
        return struct.unpack(form, data)[0]

    def _text(self, data):
        self._number(len(data))
        self.out += data

    def _number(self, value):
        coded = bytearray(avro_long(value))
        if len(coded) < 9 and self.rng.random() < 0.05:  # longer than it needs to be
            coded[-1] |= 0x80
            coded.append(0)
        self.out += coded
        return value

    def _many(self, node):
        """Blocks of items, some of which say how many bytes they have."""
        made = {} if node.kind == "map" else []
        for _ in range(self.rng.randint(0, 2)):
            count = self.rng.choice([1, 2, 3, 70]) if self.left > 140 else self.rng.randint(1, 2)
            count = min(count, self.left)
            if count < 1:
                break
            self.left -= count
            block = Writer(self.rng, left=self.left // 2)
            for _ in range(count):
                if node.kind == "map":
                    key = block._string()
                    made[key] = block.write(node.parts[0])
                else:
                    made.append(block.write(node.parts[0]))
            if self.rng.random() < 0.3:
                self.out += avro_long(-count) + avro_bytes(bytes(block.out))
            else:
                self._number(count)
                self.out += block.out
        self.out += b"\0"
        return made


def left_of(node, value, parts=None):
    """What a reader leaves of a value: of records ``parts``, if not all; no names of branches."""
    if node.kind == "union":
        branch = _branch(node, value)
        return left_of(branch, value[1] if isinstance(value, tuple) else value, parts)
    if node.kind == "array":
        return [left_of(node.parts[0], item, parts) for item in value]
    if node.kind == "map":
        return {key: left_of(node.parts[0], item, parts) for key, item in value.items()}
    if node.kind != "record":
        return value
    pairs = zip(node.names, node.parts, strict=True)
    return {n: left_of(p, value[n]) for n, p in pairs if parts is None or n in parts}


def _branch(union, value):
    """The branch that a value is of; of simple ones any, as nothing is left out of them."""
    found = list(_branches(union))
    if isinstance(value, tuple):
        return next(node for node in found if node.full == value[0])
    kind = {list: "array", dict: "map"}.get(type(value), "")
    return next((node for node in found if node.kind == kind), Node("simple"))


def _branches(union):
    for part in union.parts:
        yield from _branches(part) if part.kind == "union" else (part,)


def keeps_nothing(node, parts=None):
    """Whether something that is kept of a type is a record with a field that takes no bytes."""
    if node.kind != "record":
        return any(keeps_nothing(part, parts) for part in node.parts)
    kept = [p for n, p in zip(node.names, node.parts, strict=True) if parts is None or n in parts]
    empty = parts is None and any(part.is_empty for part in kept)
    return empty or any(map(keeps_nothing, kept))
