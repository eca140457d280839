"""Avro schemas that mean harm, and bytes that are damaged."""

import json
from copy import deepcopy

from mutations import avro_long

LINKS = {
    "records": lambda name: name,
    "arrays": lambda name: {"type": "array", "items": name},
    "maps": lambda name: {"type": "map", "values": name},
    "unions": lambda name: ["null", name],
}
JUNK = (
    *(None, 0, -1, 2**70, True, 1.5, "", "nothing", "int", "array", "record", "union", "\ud800\n"),
    *([], [[]], {}, {"type": "int"}, {"type": "nothing"}, {"type": {"type": "array"}}, ["null"]),
    {"type": "array", "items": "null"},
    {"type": "record", "name": "int", "fields": []},
    {"type": "record", "name": "message", "fields": [{"name": "a", "type": "int"}]},
    {"type": "fixed", "name": "F", "size": 2**63},
    {"type": "fixed", "name": "F", "size": -1},
    {"type": "enum", "name": "E", "symbols": "abc"},
)
MARKS = {"__fastavro_parsed": True, "__named_schemas": {"nothing": {"type": "nothing"}}}


def chain(kind, links):
    """Types that name each other: the text is flat, the values of the last nest ``links`` deep."""
    around = LINKS[kind]
    fields = [{"name": "oid", "type": "string"}]
    for n in range(links):
        inner = {"name": "x", "type": around(f"R{n - 1}")} if n else {"name": "a", "type": "int"}
        record = {"type": "record", "name": f"R{n}", "fields": [inner]}
        fields.append({"name": f"f{n}", "type": ["null", record]})
    return {"type": "record", "name": "top", "fields": fields}


def depth_of_chain(kind, links):
    """How deep values of it nest, with message, union, records and the number at the end."""
    return 2 + links + (links - 1) * (kind != "records") + 1


def body_of_chain(kind, links):
    """A message with a value of the last type alone, and an id."""
    around = {"records": b"", "arrays": b"\2", "maps": b"\2\0", "unions": b"\2"}[kind]
    after = b"\0" if kind in ("arrays", "maps") else b""
    inner = around * (links - 1) + b"\2" + after * (links - 1)
    return b"\6ZTF" + b"\0" * (links - 1) + b"\2" + inner


def hostile(schema, rng):
    """A schema made bad, and whether no reader may take it."""
    kind = rng.randrange(20)
    if kind == 0:
        links = rng.choice([62, 70, 300, 3000])
        return chain(rng.choice(sorted(LINKS)), links), True
    if kind == 1:
        return recursive(rng), True
    if kind == 2:
        return deep_text(rng.choice([70, 400, 5000])), True
    bad = deepcopy(schema)
    if kind == 3:
        return bad | MARKS, False
    for _ in range(rng.choice([1, 1, 2, 5])):
        spoil(bad, rng)
    return bad, False


def recursive(rng):
    """A type inside itself, one or two steps down."""
    around = LINKS[rng.choice(sorted(LINKS))]
    again = {"name": "again", "type": around("A")}
    if rng.random() < 0.5:
        between = {"type": "record", "name": "B", "fields": [again]}
        again = {"name": "b", "type": between}
    inner = {"type": "record", "name": "A", "fields": [again]}
    return {"type": "record", "name": "top", "fields": [{"name": "a", "type": inner}]}


def deep_text(levels):
    """An array of arrays of arrays."""
    kind = "int"
    for _ in range(levels):
        kind = {"type": "array", "items": kind}
    return {"type": "record", "name": "top", "fields": [{"name": "a", "type": kind}]}


def spoil(schema, rng):
    """Put junk, or another part of it, into some place of a schema."""
    places = []
    todo = [schema]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        todo += [node[key] for key in keys if isinstance(node[key], dict | list)]
    if places:
        node, key = rng.choice(places)
        other, there = rng.choice(places)
        node[key] = deepcopy(other[there] if rng.random() < 0.3 else rng.choice(JUNK))


def damaged(body, rng):
    """Bytes with a few changes, cut, extended, with a number of another size, or any at all."""
    data = bytearray(body)
    kind = rng.randrange(6)
    if kind == 0:
        return bytes(rng.randrange(256) for _ in range(rng.randint(0, 40)))
    if kind == 1:
        return body[: rng.randint(0, len(body))]
    if kind == 2:
        return body + bytes([rng.randrange(256)])
    if not data:
        return b"\2"
    at = rng.randrange(len(data))
    if kind == 3:
        number = rng.choice([-1, -2, 2**31, 2**62, -(2**63), 2**63 - 1, 130])
        return body[:at] + avro_long(number) + body[at + 1 :]
    for _ in range(rng.choice([1, 1, 3])):
        data[rng.randrange(len(data))] = rng.choice([0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF])
    return bytes(data)


def text_of(schema):
    """JSON of a schema, also of one that is too deep for Python's own writer."""
    try:
        return json.dumps(schema)
    except RecursionError:
        return "[" * 100_000
