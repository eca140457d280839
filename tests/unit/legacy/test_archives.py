import gzip
import io
import random
import tarfile
import tracemalloc

import pytest

from lcclassify.legacy.archives import is_archive, read_members
from lcclassify.legacy.records import RefusedError

WANTED = {"a.pkl": 1000, "b.pkl": 5000}
CONTENT = {"a.pkl": b"first" * 50, "b.pkl": b"second" * 600}


def member(name, content=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def archive(*members, mode="w", style=tarfile.GNU_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=style) as tar:
        for info, content in members or [member(name, data) for name, data in CONTENT.items()]:
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    def read_bytes(data):
        path = tmp_path / "archive"
        path.write_bytes(data)
        return read_members(path, WANTED)

    return read_bytes


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_wanted_members_are_read(prefix, mode, style, read):
    members = [member(prefix + name, content) for name, content in CONTENT.items()]
    others = [
        member("./", kind=tarfile.DIRTYPE),
        member("folder/", kind=tarfile.DIRTYPE),
        member("folder/a.pkl", b"not at the top"),
        member("README", b"x" * 3_000_000),
        member("long" * 60 + ".pkl" if style != tarfile.USTAR_FORMAT else "short", b"a long name"),
    ]
    for order in (members + others, others + members):
        assert read(archive(*order, mode=mode, style=style)) == CONTENT


def test_a_name_split_over_two_fields(read):
    deep = "/".join(["folder"] * 20) + "/a.pkl"  # over 100 bytes: prefix and name
    assert read(archive(member(deep, b"no"), style=tarfile.USTAR_FORMAT)) == {}


def test_a_pax_name_counts(read):
    info, content = member("other", CONTENT["a.pkl"])
    info.pax_headers = {"path": "a.pkl", "comment": "text"}
    assert read(archive((info, content), style=tarfile.PAX_FORMAT)) == {"a.pkl": CONTENT["a.pkl"]}


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (member("../a.pkl", b"x"), r"holds '\.\./a\.pkl', a name that leads outside of it"),
        (member("x/../../a.pkl", b"x"), "a name that leads outside of it"),
        (member("/etc/a.pkl", b"x"), "holds '/etc/a.pkl', a name that leads outside of it"),
        (member("..\\a.pkl", b"x"), "a name that leads outside of it"),
        (member("x" * 120 + "/../../y", b"x"), "a name that leads outside of it"),
        (
            member("a.pkl", kind=tarfile.SYMTYPE, link="/etc/passwd"),
            "'a.pkl' .* is a symbolic link",
        ),
        (
            member("c", kind=tarfile.LNKTYPE, link="x"),
            "'c' in the archive is a hard link; only plain",
        ),
        (member("c", kind=tarfile.FIFOTYPE), "is a named pipe"),
        (member("c", kind=tarfile.CHRTYPE), "is a character device"),
        (member("c", kind=tarfile.BLKTYPE), "is a block device"),
        (member("c", kind=tarfile.GNUTYPE_SPARSE), "is of an unknown type"),
        (member("./a.pkl", b"again"), "the archive holds 'a.pkl' twice"),
        (member("b.pkl/", b"again"), "the archive holds 'b.pkl' twice"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_odd_members_refuse_the_archive(odd, reason, first, read):
    members = [member(name, data) for name, data in CONTENT.items()]
    members = [odd, *members] if first else [*members, odd]
    with pytest.raises(RefusedError, match=reason):
        read(archive(*members))


def test_the_size_of_a_wanted_member_is_limited(read):
    with pytest.raises(RefusedError, match="b.pkl has 5001 bytes in the archive, at most 5000"):
        read(archive(member("b.pkl", b"x" * 5001)))


def test_the_number_of_members_is_limited(read):
    empty = [member(f"{number}") for number in range(10_001)]
    with pytest.raises(RefusedError, match="more than 10000 members"):
        read(archive(*empty, mode="w:gz"))


def test_names_that_are_not_utf_8(read):
    raw = bytearray(member("x")[0].tobuf())
    raw[0] = 0xFF
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + sum(raw[156:]) + 8 * 32)
    with pytest.raises(RefusedError, match="a name in the archive is not UTF-8"):
        read(bytes(raw) + bytes(1024))


def headers(**fields):
    info, content = member("a.pkl", b"x")
    info.pax_headers = fields
    return archive((info, content), style=tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the archive is cut off"),
        (b"x" * 2000, "not a tar archive, or a damaged one"),
        (b"\x1f\x8b" + b"x" * 2000, "the archive is damaged or cut off"),
        (archive(mode="w:gz")[:-30], "the archive is damaged or cut off"),
        (archive(mode="w:gz")[:-4] + b"abcd", "the archive is damaged or cut off"),
        (archive()[:600], "the archive is cut off"),
        (archive()[:1024], "the archive is cut off"),
        (archive() + b"more", "something follows the end of the archive"),
        (gzip.compress(archive() + archive()), "something follows the end of the archive"),
        (archive().replace(b"a.pkl", b"c.pkl", 1), "not a tar archive, or a damaged one"),
        (headers(**{"GNU.sparse.size": "1"}), "sparse or oversized"),
        (headers(size="5"), "sparse or oversized"),
        (headers(comment="x" * 70_000), "a name in the archive takes 70"),
    ],
)
def test_damaged_archives(data, reason, read):
    with pytest.raises(RefusedError, match=reason):
        read(data)


def test_an_announced_size_is_not_allocated(read):
    info = tarfile.TarInfo("b.pkl")
    info.size = 2**32
    tracemalloc.start()
    try:
        with pytest.raises(RefusedError, match="b.pkl has 4294967296 bytes in the archive"):
            read(info.tobuf())
        info.name = "other"
        with pytest.raises(RefusedError, match="the archive is cut off, or too large"):
            read(info.tobuf())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_mutations_are_read_or_refused(mode, read):
    original = archive(mode=mode, style=tarfile.PAX_FORMAT)
    rng = random.Random(7)
    refused = 0
    for _ in range(400):
        data = bytearray(original)
        for _ in range(rng.choice([1, 3])):
            data[rng.randrange(min(len(data), 3000))] = rng.randrange(256)
        try:
            read(bytes(data))
        except RefusedError:
            refused += 1
    assert refused > 20


def test_archives_are_known_by_their_content(tmp_path):
    path = tmp_path / "model.pkl"
    for mode in ("w", "w:gz"):
        path.write_bytes(archive(mode=mode))
        assert is_archive(path)
    path.write_bytes(b"\x80\x05N.")
    assert not is_archive(path)
