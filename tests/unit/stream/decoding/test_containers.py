import io

import fastavro
import pytest

from lcclassify.stream.decoding.containers import MAX_HEADERS, Containers
from lcclassify.stream.decoding.narrow import UnreadableError, Wants

WANTS = Wants(frozenset(["oid"]), None, frozenset())


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_a_record_is_read_whatever_its_codec(codec, make_record, contain):
    read = Containers(WANTS)
    for oid in ("ZTF1", "ZTF2"):
        found = read(contain(make_record(oid), codec))
        assert (found["oid"], found.keys()) == (oid, {"oid", "features"})


def container(records, schema, **options):
    buffer = io.BytesIO()
    fastavro.writer(buffer, schema, records, **options)
    return buffer.getvalue()


def header(*entries):
    """A header with these keys and values."""
    data = b"Obj\x01" + bytes([2 * len(entries)])
    for item in (part for entry in entries for part in entry):
        data += fastavro_bytes(item)
    return data + b"\x00" + b"m" * 16


def fastavro_bytes(item):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, "bytes", item)
    return buffer.getvalue()


ANY = b'{"type": "record", "name": "m", "fields": []}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is no Avro container"),
        (b"{}", "it is no Avro container"),
        (b"Obj\x01", "it ends too early"),
        (b"Obj\x01\x02\x7f", "it ends too early"),
        (b"Obj\x01" + b"\xff" * 20, "it ends too early"),
        (header(), "its header has no schema"),
        (header((b"avro.schema", b"{")), "its schema is no JSON: Expecting property name"),
        (header((b"avro.schema", b"[" * 100_000)), "its schema is no JSON: maximum recursion"),
        (header((b"avro.schema", b"17")), "the container cannot be read: its schema is none"),
        (
            header((b"avro.schema", ANY), (b"avro.codec", b"snappy")),
            "its blocks are compressed by snappy, which is not known",
        ),
        (header((b"avro.schema", ANY)), "it ends too early"),
        (header((b"avro.schema", ANY)) + b"\x02\x00", "its block does not end with its mark"),
        (header((b"avro.schema", ANY)) + b"\x02\x7e", "it ends too early"),
        (header((b"avro.schema", ANY)) + b"\x06\x00", "its first block holds 3 records"),
        (
            header((b"avro.schema", ANY), (b"avro.codec", b"deflate")) + b"\x02\x02x" + b"m" * 16,
            "its block cannot be decompressed",
        ),
    ],
)
def test_what_is_no_message_is_refused(data, reason):
    with pytest.raises(UnreadableError) as error:
        Containers(WANTS)(data)
    assert reason in str(error.value)


def test_a_message_is_one_record(schema, make_record):
    records = [make_record("a"), make_record("b")]
    for data in (container(records, schema), container(records, schema, sync_interval=1)):
        with pytest.raises(UnreadableError, match="its first block holds 2 records|only one"):
            Containers(WANTS)(data)
    with pytest.raises(UnreadableError, match="it ends too early"):
        Containers(WANTS)(container([], schema))


def test_a_bomb_is_not_unpacked(schema, make_record):
    record = make_record("x" * (1 << 27))
    with pytest.raises(UnreadableError, match="more than 67,108,864 bytes when decompressed"):
        Containers(WANTS)(container([record], schema, codec="deflate"))


def test_only_so_many_headers_are_remembered(schema, make_record):
    read = Containers(WANTS)
    for number in range(MAX_HEADERS + 5):
        data = container([make_record("a")], schema, metadata={"n": str(number)})
        assert read(data)["oid"] == "a"
    assert len(read._known) == MAX_HEADERS


def test_the_mark_of_a_message_is_its_own(contain, make_record):
    """Headers that differ in nothing else are one."""
    read = Containers(WANTS)
    for _ in range(3):
        read(contain(make_record()))
    assert len(read._known) == 1
