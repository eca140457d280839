"""The header of an Avro container: its entries, among them the schema of all that follows."""

from collections.abc import Mapping
from io import BytesIO
from typing import Protocol

import fastavro

MAGIC = b"Obj\x01"
MARK_SIZE = 16  # bytes that end the header, and each block
LIMIT = 1 << 22  # bytes of a header; with a schema of a few hundred fields it has some 50,000
SCHEMA, CODEC = b"avro.schema", b"avro.codec"
LAYOUT = fastavro.parse_schema(
    {
        "type": "record",
        "name": "header",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": len(MAGIC)}},
            {"name": "entries", "type": {"type": "map", "values": "bytes"}},
            {"name": "mark", "type": {"type": "fixed", "name": "mark", "size": MARK_SIZE}},
        ],
    }
)


class Readable(Protocol):
    """What a header is read from."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""


def read_header(file: Readable) -> dict[bytes, bytes]:
    """The entries of a header, a schema among them; its mark is not read. ValueError

    Lengths are not believed: no more than LIMIT bytes are read, and each turn takes one at least.
    """
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("it is no Avro container")
    counted = _Counted(file)
    entries: dict[bytes, bytes] = {}
    while count := counted.number():
        if count < 0:
            counted.number()  # the length of the block
        for _ in range(abs(count)):
            key = counted.text()
            entries[key] = counted.text()
    if SCHEMA not in entries:
        raise ValueError("its header has no schema")
    return entries


def write_header(entries: Mapping[str, bytes], mark: bytes) -> bytes:
    """A header of these entries."""
    buffer, header = BytesIO(), {"magic": MAGIC, "entries": entries, "mark": mark}
    fastavro.schemaless_writer(buffer, LAYOUT, header)
    return buffer.getvalue()


class _Counted:
    """Reads a file up to a limit. ValueError where it ends, or beyond the limit."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._left = LIMIT

    def number(self) -> int:
        """A number as Avro writes it, of 64 bits at most."""
        value = 0
        for place in range(10):
            byte = self._read(1)[0]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise ValueError("it ends too early")

    def text(self) -> bytes:
        """A length, and so many bytes."""
        return self._read(self.number())

    def _read(self, size: int) -> bytes:
        if size > self._left:
            raise ValueError(f"its header has more than {LIMIT:,} bytes, or ends too early")
        data = self._file.read(size) if size >= 0 else b""
        if len(data) != size:
            raise ValueError("it ends too early")
        self._left -= size
        return data
