import bz2
import io
import lzma
import zlib

import fastavro
import pytest

from lcclassify.avro.container import MARK_SIZE, read_header, write_header
from lcclassify.errors import InputError
from lcclassify.sources.blocks import CheckedBlocks
from lcclassify.sources.file import open_files

FIELDS = [{"name": "oid", "type": "string"}, {"name": "a", "type": "double"}]
SCHEMA = {"type": "record", "name": "features", "fields": FIELDS}


def block(n_records, data, n_bytes=None):
    """One block of a container as Avro writes it, its mark left out."""
    file = io.BytesIO()
    for number in (n_records, len(data) if n_bytes is None else n_bytes):
        fastavro.schemaless_writer(file, "long", number)
    return file.getvalue() + data


def deflated(data):
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    return pack.compress(data) + pack.flush()


@pytest.mark.parametrize(
    ("codec", "content", "reason"),
    [
        ("null", block(1, b"", 2**60), f"a block has {2**60:,} bytes, more than 67,108,864"),
        ("null", block(2**60, bytes(9)), f"a block claims {2**60:,} records in 9 bytes"),
        ("deflate", block(1, deflated(bytes(2**26 + 1))), "has more than 67,108,864 bytes when"),
        ("bzip2", block(1, bz2.compress(bytes(2**26 + 1))), "has more than 67,108,864 bytes when"),
        ("xz", block(1, lzma.compress(bytes(2**26 + 1))), "has more than 67,108,864 bytes when"),
    ],
    ids=["bytes", "records", "deflate", "bzip2", "xz"],
)
def test_a_block_that_claims_too_much_is_not_decoded(tmp_path, codec, content, reason):
    path = tmp_path / "f.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [], codec=codec)
    empty = path.read_bytes()
    path.write_bytes(empty + content + empty[-16:])
    with pytest.raises(InputError, match=f"f.avro cannot be read from record 1 on: .*{reason}"):
        open_files([str(path)])


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_what_is_read_is_what_is_there(codec):
    records = [{"oid": str(n), "a": n / 3} for n in range(500)]
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, records, codec=codec, sync_interval=300)
    file.seek(0)
    entries = {key.decode(): value for key, value in read_header(file).items()}
    header = write_header(entries, file.read(MARK_SIZE))
    assert header == file.getvalue()[: file.tell()]
    blocks = CheckedBlocks(io.BufferedReader(file), header, codec)
    assert list(fastavro.reader(blocks)) == records
    assert blocks.tell() == len(file.getvalue())
