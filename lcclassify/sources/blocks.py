"""Blocks of an Avro file, looked at before they are decoded: a few bytes can claim any size."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from lcclassify.avro.container import MARK_SIZE

LIMIT = 1 << 26  # bytes of a block, once decompressed; writers make some 64 KiB
DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "deflate": lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


class CheckedBlocks:
    """A file for fastavro to read. ValueError at a block that claims more than it may hold.

    Such are blocks of more than ``LIMIT`` bytes, and of more records than bytes. The header of the
    file has been read and found good: fastavro reads ``header`` in its place.
    """

    def __init__(self, file: io.BufferedReader, header: bytes, codec: str) -> None:
        self._file = file
        self._block = io.BytesIO(header)
        self._codec = codec

    def read(self, size: int) -> bytes:
        """The next bytes of the header, or of one block."""
        data = self._block.read(size)
        if size and not data:
            self._block = io.BytesIO(self._next_block(self._codec))
            data = self._block.read(size)
        return data

    def tell(self) -> int:
        """Where the file has been read to."""
        return self._file.tell()

    def _next_block(self, codec: str) -> bytes:
        n_records, count = _read_long(self._file)
        n_bytes, length = _read_long(self._file)
        if n_bytes > LIMIT:
            raise ValueError(f"a block has {n_bytes:,} bytes, more than {LIMIT:,}")
        data = self._file.read(max(n_bytes, 0))
        size = len(data)
        if codec in DECOMPRESSORS:
            size = len(DECOMPRESSORS[codec]().decompress(data, LIMIT + 1))
            if size > LIMIT:
                raise ValueError(f"a block has more than {LIMIT:,} bytes when decompressed")
        if n_records > size and (codec in DECOMPRESSORS or codec == "null"):
            raise ValueError(f"a block claims {n_records:,} records in {size:,} bytes")
        return count + length + data + self._file.read(MARK_SIZE)


def _read_long(file: io.BufferedReader) -> tuple[int, bytes]:
    """A number as Avro writes it, and its bytes; fewer at the end of the file."""
    data = b""
    while len(data) < 10 and (byte := file.read(1)):
        data += byte
        if byte[0] < 0x80:
            break
    number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data))
    return (number >> 1) ^ -(number & 1), data
