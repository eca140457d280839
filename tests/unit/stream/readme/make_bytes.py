"""Encodes records.json as Avro, by nothing but the rules of its specification: make_bytes.py

Writes bytes.json, which is checked in: the schemas of the README of ALeRCE's step as messages of
records, in hexadecimal digits.
"""

import json
import struct
from pathlib import Path

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[3] / "lcclassify" / "schemas"


def number(value):
    value = (value << 1) ^ (value >> 63)
    digits = []
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def text(value):
    return number(len(value.encode())) + value.encode()


def fits(schema, value):
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "map":
        return isinstance(value, dict) and all(fits(schema["values"], v) for v in value.values())
    if isinstance(schema, list):
        return any(fits(branch, value) for branch in schema)
    return {"null": value is None, "string": isinstance(value, str)}.get(
        kind, isinstance(value, int | float)
    )


def encode(schema, value):
    if isinstance(schema, list):
        branch = next(n for n, kind in enumerate(schema) if fits(kind, value))
        return number(branch) + encode(schema[branch], value)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(kind, dict | list):
        return encode(kind, value)
    if kind == "record":
        return b"".join(encode(field["type"], value[field["name"]]) for field in schema["fields"])
    if kind == "array":
        items = b"".join(encode(schema["items"], item) for item in value)
        return number(len(value)) + items + b"\0" if value else b"\0"
    if kind == "map":
        items = b"".join(text(k) + encode(schema["values"], v) for k, v in value.items())
        return number(len(value)) + items + b"\0" if value else b"\0"
    if kind in ("int", "long"):
        return number(value)
    if kind == "float":
        return struct.pack("<f", value)
    if kind == "double":
        return struct.pack("<d", value)
    if kind == "string":
        return text(value)
    if kind == "null":
        return b""
    raise ValueError(kind)


def main():
    records = json.loads((HERE / "records.json").read_text())
    coded = {
        name: encode(json.loads((SCHEMAS / f"{name}.avsc").read_text()), record).hex()
        for name, record in records.items()
    }
    (HERE / "bytes.json").write_text(json.dumps(coded, indent=1) + "\n")


if __name__ == "__main__":
    main()
