"""Cases: a schema, sound or hostile, messages, sound or damaged, and what is wanted of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from avro_cases import Maker, Node, Writer, keeps_nothing, left_of
from avro_hostile import damaged, hostile

BODIES = 8  # of a schema


class Wanted(NamedTuple):
    """What is read of a message, as the stream's readers are told it."""

    fields: frozenset
    features: frozenset | None
    detections: frozenset

    def of(self, field):
        """Whether a field is kept, and of records in it which fields; None: all."""
        if field == "detections":
            return bool(self.detections), self.detections
        return (True, self.features) if field == "features" else (field in self.fields, None)


@dataclass
class Case:
    """A schema, messages of it, and what is wanted of them."""

    schema: Any
    node: Node | None  # None: the schema is hostile
    must_refuse: bool
    wants: Wanted
    bodies: list[bytes]
    values: list[Any]  # what they are left with; None: they are damaged

    def left(self, value):
        """What is wanted of a whole message."""
        found = {}
        parts = self.node.parts if self.node else [None] * len(value)
        names = self.node.names if self.node else list(value)
        for name, node in zip(names, parts, strict=True):
            keep, some = self.wants.of(name)
            if keep:
                found[name] = left_of(node, value[name], some) if node else value[name]
        return found

    @property
    def is_refused(self):
        """Whether a sound schema is refused for what is wanted of it."""
        if self.node is None:
            return False
        pairs = zip(self.node.names, self.node.parts, strict=True)
        return any(keeps_nothing(n, self.wants.of(f)[1]) for f, n in pairs if self.wants.of(f)[0])


def make_case(rng):
    """A case; every fourth is hostile."""
    schema, node = Maker(rng).message()
    some = frozenset(name for name in ("oid", "candid", "a", "b") if rng.random() < 0.6)
    parts = frozenset(name for name in ("x", "y", "mjd") if rng.random() < 0.6)
    wants = Wanted(some, rng.choice([None, parts]), rng.choice([frozenset(), parts]))
    bodies, values = [], []
    for number in range(BODIES):
        writer = Writer(rng)
        value = writer.write(node)
        body = bytes(writer.out)
        is_damaged = number % 2 == 1
        bodies.append(damaged(body, rng) if is_damaged else body)
        values.append(None if is_damaged else value)
    if rng.random() < 0.25:
        bad, must_refuse = hostile(schema, rng)
        whole = Wanted(some, None, frozenset())
        return Case(bad, None, must_refuse, whole, bodies, [None] * BODIES)
    return Case(schema, node, False, wants, bodies, values)
