"""Good messages made bad, by a seed: what a broken producer, a bad disk or an enemy may send."""

import bz2
import io
import json
import lzma
import random
import zlib

import fastavro

MARK = b"0123456789abcdef"
BOMB = 1 << 28  # bytes of nothing
BOMBS = {
    "deflate": lambda: zlib.compressobj(9, zlib.DEFLATED, -15),
    "bzip2": bz2.BZ2Compressor,
    "xz": lzma.LZMACompressor,
}
TYPES = ["string", "bytes", "boolean", "int", "double", "null", {"type": "array", "items": "long"}]
KINDS = ("flipped", "cut", "extended", "long", "typed", "strange", "nested", "recursive")
BOMB_EVERY = 100


def mutated(good, count, seed):
    """So many (kind, value) made of these containers of one record."""
    rng = random.Random(seed)
    bombs = [bomb(codec, make()) for codec, make in BOMBS.items()]
    pairs = []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        if number % BOMB_EVERY == 0:
            pairs.append(("bomb", rng.choice(bombs)))
        else:
            pairs.append((kind, MAKERS[kind](rng.choice(good), rng)))
    return pairs


def flipped(value, rng):
    data = bytearray(value)
    for _ in range(rng.choice([1, 1, 2, 8, 100])):
        place = rng.choice([rng.randrange(len(data)), -1 - rng.randrange(min(600, len(data)))])
        data[place] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(value, rng):
    return value[: rng.randrange(len(value))]


def extended(value, rng):
    at = rng.randrange(len(value))
    return value[:at] + rng.randbytes(rng.choice([1, 10, 1000])) + value[at:]


def long(value, rng):
    """A length or a count of billions in the place of some byte."""
    at = rng.randrange(len(value))
    return value[:at] + avro_long(rng.choice([2**31, 2**40, 2**62, -1, -(2**62)])) + value[at + 1 :]


def typed(value, rng):
    """Written by a schema in which some fields have other types."""
    schema, record = opened(value)
    for field in rng.sample(schema["fields"], min(len(schema["fields"]), rng.randrange(1, 4))):
        kind = rng.choice(TYPES)
        field["type"], record[field["name"]] = kind, example(kind, rng)
    return contained(schema, record)


def strange(value, rng):
    """Another record altogether, or a schema that is no record or none at all."""
    odd = rng.choice([b"{}", b"[]", b'"string"', b"null", b"{", b"\xff", b'{"type": "record"}'])
    fields = [{"name": rng.choice(["oid", "features", "x"]), "type": "string"}]
    other = {"type": "record", "name": "other", "fields": fields}
    return rng.choice([with_schema(odd, b"\0"), contained(other, {fields[0]["name"]: "text"})])


def nested(value, rng):
    """A schema, and a value, of many levels."""
    depth = rng.choice([10, 200, 2000, 50_000])
    kind = b'{"type": "array", "items": ' * depth + b'"int"' + b"}" * depth
    field = b'{"name": "features", "type": ' + kind + b"}"
    schema = b'{"type": "record", "name": "deep", "fields": [' + field + b"]}"
    return with_schema(schema, b"\2" * depth + b"\0" * depth)


def recursive(value, rng):
    """A type that contains itself, with a value of many levels, or of none that ends."""
    name = rng.choice(["features", "detections", "oid"])
    branch = ["null", "self"] if rng.random() < 0.7 else "self"
    field = {"name": name, "type": branch}
    schema = {"type": "record", "name": "self", "fields": [field]}
    return with_schema(json.dumps(schema).encode(), b"\2" * rng.choice([5, 900, 100_000]) + b"\0")


def bomb(codec, packer):
    """A block that grows to more than anything has."""
    zeros = bytes(1 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(BOMB >> 20)) + packer.flush()
    schema = b'{"type": "record", "name": "x", "fields": [{"name": "oid", "type": "bytes"}]}'
    return with_schema(schema, packed, codec.encode())


MAKERS = {f.__name__: f for f in (flipped, cut, extended, long, typed, strange, nested, recursive)}


def opened(value):
    """The schema and the record of a container."""
    reader = fastavro.reader(io.BytesIO(value))
    return json.loads(reader.metadata["avro.schema"]), next(reader)


def contained(schema, record):
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, [record])
    return buffer.getvalue()


def with_schema(schema, block, codec=b"null"):
    """A container of one record, whatever its schema and its block are."""
    entries = {b"avro.codec": codec, b"avro.schema": schema}
    header = b"".join(avro_bytes(part) for pair in entries.items() for part in pair)
    return b"Obj\1" + avro_long(2) + header + b"\0" + MARK + b"\2" + avro_bytes(block) + MARK


def avro_bytes(data):
    return avro_long(len(data)) + data


def avro_long(number):
    left, coded = (number << 1) ^ (number >> 63), bytearray()
    while left >= 0x80:
        coded.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*coded, left])


def example(kind, rng):
    if isinstance(kind, dict):
        return [rng.randrange(99) for _ in range(3)]
    values = {"string": "text", "bytes": b"\x80\x04.", "boolean": True, "int": 7, "double": -1e300}
    return values.get(kind)
