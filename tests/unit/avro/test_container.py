import io

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import avro_bytes, avro_long

from lcclassify.avro import container
from lcclassify.avro.container import MARK_SIZE, read_header, write_header

SCHEMA = {"type": "record", "name": "r", "fields": []}
ENTRIES = st.dictionaries(st.text(max_size=5), st.binary(max_size=20), max_size=5)


@given(ENTRIES, st.binary(min_size=MARK_SIZE, max_size=MARK_SIZE))
@settings(max_examples=100, deadline=None)
def test_a_header_is_read_as_it_was_written(entries, mark):
    entries = {"avro.schema": b"{}"} | entries
    file = io.BytesIO(write_header(entries, mark) + b"more")
    assert read_header(file) == {key.encode(): value for key, value in entries.items()}
    assert file.read(MARK_SIZE) == mark


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_headers_are_refused_or_read_as_fastavro_reads_them(data):
    buffer = io.BytesIO()
    fastavro.writer(buffer, SCHEMA, [], metadata={"a": "b"})
    header = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_header(io.BytesIO(header))
    except ValueError:
        return
    try:
        reader = fastavro.reader(io.BytesIO(header))
    except Exception:  # names that are no text, a mark that is cut, a schema that is none
        return
    assert {key.decode(): value.decode() for key, value in found.items()} == reader.metadata


def test_blocks_of_entries_may_say_how_long_they_are():
    entry = avro_bytes(b"avro.schema") + avro_bytes(b"{}")
    block = avro_long(-1) + avro_long(len(entry)) + entry
    assert read_header(io.BytesIO(b"Obj\x01" + block + block + b"\0")) == {b"avro.schema": b"{}"}


class Endless:
    """A file without an end that counts what is read of it."""

    def __init__(self, start, byte):
        self.start, self.byte, self.n_read = io.BytesIO(start), byte, 0

    def read(self, size):
        self.n_read += size
        return self.start.read(size) or self.byte * size


@pytest.mark.parametrize(
    "start",
    [
        b"Obj\x01" + avro_long(2**40) + avro_long(2**40),
        b"Obj\x01" + avro_long(2**40),
        b"Obj\x01" + avro_long(-(2**62)),
        b"Obj\x01" + avro_long(1) + avro_long(-5),
        b"Obj\x01\xff",
    ],
)
@pytest.mark.parametrize("byte", [b"\0", b"\x02", b"\xff", b"\x7e"])
def test_no_more_is_read_than_a_header_may_have(start, byte, monkeypatch):
    monkeypatch.setattr(container, "LIMIT", 5000)
    file = Endless(start, byte)
    with pytest.raises(ValueError, match="it ends too early|more than 5,000 bytes|has no schema"):
        read_header(file)
    assert file.n_read <= 5004
