import gc
import gzip
import json
import os
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.patterns import COMPRESSIONS, matches_pattern
from lcclassify.sources.places import find_places, stem
from lcclassify.urls import without_secrets

TABLE = pa.table({"oid": ["ZTF1", "ZTF2", "ZTF3"], "a": [0.5, None, 2.0]})
SUFFIXES = (".parquet", ".csv", ".jsonl")


def write(table, path):
    """A table as a file, compressed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return path
    with pa.output_stream(str(path), COMPRESSIONS.get(path.suffix)) as file:
        if ".csv" in path.suffixes:
            pyarrow.csv.write_csv(table, file)
        else:
            file.write("".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode())
    return path


def read(*inputs, batch_size=2):
    """All rows: the id under its own name, features, and context."""
    rows = []
    for batch in FileSource(open_files(list(map(str, inputs))), ["a"], batch_size):
        table = batch.features
        for name in batch.context.column_names:
            table = table.append_column(name, batch.context[name])
        rows += table.add_column(0, batch.id_name, batch.object_id).to_pylist()
    return rows


def error_of(call, *arguments):
    with pytest.raises(InputError) as error:
        call(*arguments)
    return str(error.value)


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.jsonl.gz", "f.jsonl.zst"])
def test_compressed_files_are_read_as_others(tmp_path, name):
    assert read(write(TABLE, tmp_path / name)) == TABLE.to_pylist()


def test_a_gzip_file_of_several_pieces_is_read_whole(tmp_path):
    pieces = [b'{"oid": "p", "a": 1}\n', b'{"oid": "q", "a": 2}\n']
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(b"".join(map(gzip.compress, pieces)))
    assert [row["oid"] for row in read(path)] == ["p", "q"]


@pytest.mark.parametrize("name", ["f.csv.gz", "f.csv.zst", "f.jsonl.gz", "f.jsonl.zst"])
@pytest.mark.parametrize("kept", [5, 0.5, -3])
def test_a_compressed_file_that_breaks_off_is_one_sentence(tmp_path, name, kept):
    n = 20_000
    table = pa.table({"oid": [f"ZTF{i}" for i in range(n)], "a": [1.0 * i for i in range(n)]})
    path = write(table, tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if kept == 0.5 else kept])
    assert error_of(partial(read, batch_size=5000), path).startswith(str(path))


def test_a_file_that_is_not_compressed_after_all_is_damaged(tmp_path):
    path = tmp_path / "f.csv.gz"
    path.write_text("oid,a\np,1\n")
    assert error_of(read, path).startswith(f"{path} is")


def test_parquet_inside_gzip_is_refused(tmp_path):
    path = tmp_path / "f.parquet.gz"
    path.touch()
    assert error_of(read, path) == f"{path}: a .parquet file is not read inside gzip"


def test_the_keys_of_folders_are_context_in_text(tmp_path):
    for year, band in [("2019", "g"), ("2020", "a%20b"), ("2021", "__HIVE_DEFAULT_PARTITION__")]:
        write(TABLE.slice(0, 1), tmp_path / f"year={year}" / f"band={band}" / "part.parquet")
    assert read(tmp_path) == [
        {"oid": "ZTF1", "a": 0.5, "year": "2019", "band": "g"},
        {"oid": "ZTF1", "a": 0.5, "year": "2020", "band": "a b"},
        {"oid": "ZTF1", "a": 0.5, "year": "2021", "band": None},
    ]


def test_a_key_that_a_file_has_or_another_lacks_is_no_context(tmp_path):
    write(TABLE, tmp_path / "a=9" / "run=1" / "f.csv")
    write(TABLE, tmp_path / "a=9" / "f.csv")
    assert read(tmp_path) == TABLE.to_pylist() * 2


def test_a_key_is_no_feature(tmp_path):
    files = open_files([str(write(TABLE, tmp_path / "b=1" / "f.csv"))])
    assert list(files.columns) == ["oid", "a"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_key_may_be_the_id(tmp_path, suffix):
    for name in ("007", "8"):
        write(TABLE.select(["a"]).slice(0, 1), tmp_path / f"oid={name}" / f"f{suffix}")
    assert [row["oid"] for row in read(tmp_path)] == ["007", "8"]


def test_an_empty_input_has_the_keys_as_well(tmp_path):
    path = write(TABLE.slice(0, 0), tmp_path / "year=2019" / "f.parquet")
    [batch] = FileSource(open_files([str(path)]), ["a"])
    assert batch.context.schema == pa.schema({"year": pa.string()})


def test_a_url_of_this_machine(tmp_path):
    write(TABLE, tmp_path / "sub" / "a file.csv.gz")
    write(TABLE, tmp_path / "sub" / "b.jsonl")
    write(TABLE, tmp_path / "sub" / ".hidden.csv")
    for url in (f"file://{tmp_path}", f"file://{tmp_path}/*/*", f"file://{tmp_path}/**/*[vl]*"):
        assert read(url) == TABLE.to_pylist() * 2
    assert read(f"file://{tmp_path}/sub/a%20file.csv.gz") == TABLE.to_pylist()
    assert read(f"file://{tmp_path}/sub/a file.csv.gz") == TABLE.to_pylist()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///no/such.csv", "there is no such file, folder or bucket"),
        ("xyz://host/f.csv", "Unrecognized filesystem type in URI: xyz://host/f.csv"),
        ("s3://key:sec/ret@bucket/f.csv", "Cannot parse URI"),
        ("s3://bucket/f.csv?bogus=secret", "Unexpected query parameter in S3 URI: 'bogus'"),
        ("s3://[bucket/f.csv", "Invalid IPv6 URL"),
        ("http://[host/f.csv", "Invalid IPv6 URL"),
    ],
)
def test_a_url_that_cannot_be_read_is_one_sentence(url, message):
    error = error_of(find_places, url, SUFFIXES)
    assert message in error
    assert "ret" not in error


def test_a_pattern_that_nothingmatches(tmp_path):
    url = f"file://{tmp_path}/*.csv"
    assert error_of(find_places, url, SUFFIXES) == f"{url}: no .parquet, .csv, .jsonl file there"


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("a.csv", "*.csv", True),
        ("sub/a.csv", "*.csv", False),
        ("sub/a.csv", "*/*.csv", True),
        ("a.csv", "**/*.csv", True),
        ("x/y/a.csv", "**/*.csv", True),
        ("x/y/a.csv", "x/**/a.*", True),
        (".a.csv", "*.csv", False),
        (".a.csv", ".*.csv", True),
        ("b1.csv", "[ab]?.csv", True),
    ],
)
def test_patterns_match_as_those_of_local_files_do(tmp_path, path, pattern, matches):
    assert matches_pattern(path.split("/"), pattern.split("/")) == matches
    write(TABLE, tmp_path / path)
    assert bool(list_local(tmp_path, pattern)) == matches


def list_local(folder, pattern):
    try:
        return find_places(f"{folder}/{pattern}", SUFFIXES)
    except InputError:
        return []


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Not on the tests' terminal."""


class Broken(BaseHTTPRequestHandler):
    """Says that more is coming than comes."""

    def do_GET(self):
        if self.path == "/denied.csv":
            self.send_error(403)
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"oid,a\n")

    def log_message(self, *arguments):
        """Not on the tests' terminal."""


@pytest.fixture
def serve():
    """Starts a web server of a kind; returns its URL."""
    servers = []

    def start(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("name", ["f.parquet", "a file.csv.gz", "f.jsonl"])
def test_files_on_a_web_server_without_ranges(tmp_path, serve, name, monkeypatch):
    write(TABLE, tmp_path / "data" / name)
    (tmp_path / "copies").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "copies"))
    url = serve(partial(Quiet, directory=tmp_path / "data"))
    assert read(f"{url}/{name}?signature=secret") == TABLE.to_pylist()
    gc.collect()
    assert os.listdir(tmp_path / "copies") == []


def test_what_web_servers_answer_is_one_sentence(tmp_path, serve):
    url = serve(partial(Quiet, directory=tmp_path))
    missing = error_of(read, f"{url}/no.csv?signature=secret")
    assert missing == f"cannot read {url}/no.csv: the server answers 404 File not found"
    folder = error_of(read, f"{url}/folder/")
    assert folder.startswith(f"{url}/folder/: cannot tell its format")
    url = serve(Broken)
    assert error_of(read, f"{url}/denied.csv").endswith("the server answers 403 Forbidden")
    assert error_of(read, f"{url}/f.csv") == f"cannot read {url}/f.csv: it broke off"


def test_a_server_that_is_not_there_is_one_sentence():
    assert error_of(read, "http://127.0.0.1:1/f.csv") == (
        "cannot read http://127.0.0.1:1/f.csv: Connection refused"
    )
    assert error_of(read, "https://user:secret@127.0.0.1:1/f.csv") == (
        "cannot read https://127.0.0.1:1/f.csv: no user or password can be given in such a URL"
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("data/features.parquet", "features"),
        ("features.csv.gz", "features"),
        ("runs/night=1/*.csv", "night=1"),
        ("s3://key:secret@bucket/a/features.jsonl.zst?region=x", "features"),
        ("s3://bucket/a/**/*.csv", "a"),
        ("s3://bucket", "bucket"),
        ("*.csv", None),
    ],
)
def test_a_result_is_named_after_its_input(pattern, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert stem(pattern) == (name or tmp_path.name)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("data/a@b.csv", "data/a@b.csv"),
        ("s3://bucket/key.csv", "s3://bucket/key.csv"),
        ("s3://anonymous@bucket/key.csv?region=x", "s3://bucket/key.csv"),
        ("postgresql://user:secret@host:5432/db?sslmode=require", "postgresql://host:5432/db"),
        ("postgresql://user:sec@ret@host/db", "postgresql://host/db"),
        ("postgresql://user:sec/ret@host/db", "postgresql://host/db"),
        ("postgresql://user:sec?ret@host/db", "postgresql://..."),
        ("postgresql://user:secret", "postgresql://..."),
        ("postgresql:///db?password=sec@ret", "postgresql://..."),
        ("sqlite:///out.sqlite", "sqlite:///out.sqlite"),
    ],
)
def test_messages_show_no_secrets(url, seen):
    assert without_secrets(url) == seen
