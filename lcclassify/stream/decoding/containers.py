"""Avro object containers of one record, which is how the reference writes each message.

The header of such a container holds the whole schema, and is the same in every message but for the
mark at its end: it is read once.
"""

import json
from collections import OrderedDict
from io import BytesIO
from typing import Any

from lcclassify.avro.container import CODEC, MARK_SIZE, SCHEMA, read_header
from lcclassify.errors import InputError
from lcclassify.sources.blocks import DECOMPRESSORS, LIMIT
from lcclassify.stream.decoding.narrow import Narrow, UnreadableError, Wants, narrow

MAX_HEADERS = 64  # distinct ones that are remembered: a topic has one or two


class Containers:
    """Reads the record of a container. UnreadableError if it does not hold exactly one."""

    def __init__(self, wants: Wants) -> None:
        self._wants = wants
        self._known: OrderedDict[bytes, tuple[str, Narrow]] = OrderedDict()
        self._last = b"\0"  # the header of the message before, as no message begins

    def __call__(self, data: bytes) -> dict[str, Any]:
        """What is wanted of a message."""
        header = self._last if data.startswith(self._last) else data[: _header_length(data)]
        codec, read = self._known.get(header) or self._learn(header)
        self._last = header
        return read(_body(data, len(header), codec))

    def _learn(self, header: bytes) -> tuple[str, Narrow]:
        entries = _entries(header)
        codec = entries.get(CODEC, b"null").decode("utf-8", "replace")
        if codec != "null" and codec not in DECOMPRESSORS:
            raise UnreadableError(f"its blocks are compressed by {codec:.20}, which is not known")
        try:
            schema = json.loads(entries[SCHEMA])
            found = codec, narrow(schema, self._wants, "the container")
        except (ValueError, RecursionError) as error:
            raise UnreadableError(f"its schema is no JSON: {error!s:.100}") from None
        except InputError as error:
            raise UnreadableError(str(error)) from None
        self._known[header] = found
        if len(self._known) > MAX_HEADERS:
            self._known.popitem(last=False)
        return found


def _header_length(data: bytes) -> int:
    """Bytes up to the mark that ends a header."""
    return _read_entries(data)[1]


def _entries(header: bytes) -> dict[bytes, bytes]:
    return _read_entries(header)[0]


def _read_entries(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """The entries of a header, and where they end. UnreadableError"""
    file = BytesIO(data)
    try:
        return read_header(file), file.tell()
    except ValueError as error:
        raise UnreadableError(str(error)) from None


def _body(data: bytes, at: int, codec: str) -> bytes:
    """The bytes of the only record."""
    mark = data[at : at + MARK_SIZE]
    count, at = _long(data, at + MARK_SIZE)
    if count != 1:
        raise UnreadableError(f"its first block holds {count} records: a message is one")
    block, at = _bytes(data, at)
    if data[at:] != mark:
        raise UnreadableError("its block does not end with its mark, or is not the only one")
    if codec == "null":
        return block
    decompressor = DECOMPRESSORS[codec]()
    try:
        plain: bytes = decompressor.decompress(block, LIMIT + 1)
    except Exception as error:  # zlib.error, OSError, lzma.LZMAError, EOFError
        raise UnreadableError(f"its block cannot be decompressed: {error}") from None
    if len(plain) > LIMIT:
        raise UnreadableError(f"its block has more than {LIMIT:,} bytes when decompressed")
    if not decompressor.eof:
        raise UnreadableError("its block cannot be decompressed: it ends too early")
    return plain


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long(data, at)
    if not 0 <= length <= len(data) - at:
        raise UnreadableError("it ends too early")
    return data[at : at + length], at + length


def _long(data: bytes, at: int) -> tuple[int, int]:
    """A number as Avro writes it, and the place after it."""
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + place + 1
    raise UnreadableError("it ends too early")
