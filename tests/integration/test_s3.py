"""Files in an S3 that runs here for the tests."""

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from lcclassify.errors import InputError
from lcclassify.sources.file import FileSource, open_files

pytest.importorskip("moto.server", reason="moto, which plays S3 here, is not installed")

N = 3000
TABLE = pa.table(
    {
        "oid": [f"ZTF{row}" for row in range(N)],
        "a": [None if row % 7 == 0 else row / 3 for row in range(N)],
        "b": [float(row) for row in range(N)],
    }
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same files on this machine."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "night=1").mkdir()
    (folder / "night=2").mkdir()
    pq.write_table(TABLE, folder / "features.parquet", row_group_size=1000)
    with pa.output_stream(folder / "features.csv.gz", compression="gzip") as file:
        pyarrow.csv.write_csv(TABLE, file)
    pq.write_table(TABLE.slice(0, 10), folder / "night=1" / "b.parquet")
    pq.write_table(TABLE.slice(10, 10), folder / "night=1" / "a part.parquet")
    pq.write_table(TABLE.slice(20, 10), folder / "night=2" / "c.parquet")
    pq.write_table(TABLE.slice(30, 10), folder / "night=2" / "_d.parquet")
    return folder


@pytest.fixture(scope="module")
def bucket(object_store, local):
    """Turns user, key and bucket into a URL; the default bucket has the local files."""
    options = {"access_key": "k", "secret_key": "s", "region": "us-east-1"}
    there = fs.S3FileSystem(
        endpoint_override=f"http://{object_store}", allow_bucket_creation=True, **options
    )
    there.create_dir("data")
    fs.copy_files(str(local), "data/x", destination_filesystem=there)

    def url(key, bucket="data", user="k:secret@"):
        query = f"scheme=http&endpoint_override={object_store}&region=us-east-1"
        return f"s3://{user}{bucket}/{key}?{query}"

    return url


def read(*inputs):
    rows = []
    for batch in FileSource(open_files(list(inputs)), ["a", "b"], 700):
        table = batch.features.add_column(0, batch.id_name, batch.object_id)
        for name in batch.context.column_names:
            table = table.append_column(name, batch.context[name])
        rows += table.to_pylist()
    return rows


def error_of(*inputs):
    with pytest.raises(InputError) as error:
        read(*inputs)
    assert "secret" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["features.parquet", "features.csv.gz"])
@pytest.mark.parametrize("user", ["k:secret@", "anonymous@"])
def test_a_file_has_the_rows_that_it_has_here(bucket, local, name, user):
    assert read(bucket(f"x/{name}", user=user)) == read(str(local / name)) == TABLE.to_pylist()


@pytest.mark.parametrize("key", ["x/night=1", "x/night=1/", "x/night=1/*.parquet", "x/*/[ab]*"])
def test_a_folder_or_pattern_has_the_rows_that_it_has_here(bucket, local, key):
    rows = read(bucket(key))
    assert rows == read(str(local / "night=1"))
    assert [row["oid"] for row in rows[::10]] == ["ZTF10", "ZTF0"]
    assert rows[0]["night"] == "1"


def test_the_keys_of_folders_come_with_the_rows(bucket, local):
    rows = read(bucket("x/night=*/*.parquet"))
    assert rows == read(str(local / "night=*/*.parquet"))
    assert {row["night"] for row in rows} == {"1", "2"}


def test_a_hats_collection_has_the_rows_that_it_has_here(bucket, tmp_path):
    """Two leaves, of which the second is listed first, and a margin."""
    table = tmp_path / "toy" / "dataset" / "Norder=0" / "Dir=0"
    margin = tmp_path / "toy_10arcs" / "dataset" / "Norder=0" / "Dir=0"
    for start, path in ((0, table / "Npix=1.parquet"), (10, table / "Npix=5.parquet")):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(TABLE.slice(start, 10), path)
    margin.mkdir(parents=True)
    pq.write_table(TABLE.slice(0, 3), margin / "Npix=5.parquet")
    (tmp_path / "collection.properties").write_text("hats_primary_table_url=toy\n")
    (tmp_path / "toy" / "hats.properties").write_text("hats_nrows=20\n")
    (tmp_path / "toy" / "partition_info.csv").write_text("Norder,Npix\n0,5\n0,1\n")
    there, base = fs.FileSystem.from_uri(bucket("hats"))
    fs.copy_files(str(tmp_path), base, destination_filesystem=there)
    rows = read(bucket("hats"))
    assert rows == read(str(tmp_path)) == TABLE.slice(10, 10).to_pylist() + TABLE[:10].to_pylist()


def test_a_truncated_file_is_one_sentence(bucket, tmp_path):
    path = tmp_path / "cut.parquet"
    pq.write_table(TABLE, path)
    path.write_bytes(path.read_bytes()[:-100])
    there, base = fs.FileSystem.from_uri(bucket("cut.parquet"))
    fs.copy_files(str(path), base, destination_filesystem=there)
    error = error_of(bucket("cut.parquet"))
    assert error.startswith("s3://data/cut.parquet is not a Parquet file: ")


@pytest.mark.parametrize(
    ("key", "bucket_name", "message"),
    [
        ("x/no.csv", "data", "cannot read s3://data/x/no.csv: there is no such file, folder or"),
        ("f.csv", "nowhere", "cannot read s3://nowhere/f.csv: there is no such file, folder or"),
        ("*.csv", "nowhere", "cannot read s3://nowhere/*.csv: there is no such file, folder or"),
        ("x/*.jsonl", "data", "s3://data/x/*.jsonl: no .parquet, .pq, .csv"),
    ],
)
def test_what_is_not_there_is_one_sentence(bucket, key, bucket_name, message):
    assert error_of(bucket(key, bucket_name)).startswith(message)


def test_a_server_that_is_not_there_is_one_sentence():
    query = f"scheme=http&endpoint_override=127.0.0.1:{free_port()}&region=us-east-1"
    assert error_of(f"s3://k:secret@data/f.csv?{query}") == (
        "cannot read s3://data/f.csv: no connection to the server"
    )


def test_denied_access_is_one_sentence():
    """A server that asks who is there, and knows nobody."""

    class Deny(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(403)

        def do_HEAD(self):
            self.send_error(403)

        def log_message(self, *arguments):
            """Not on the tests' terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Deny) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        query = f"scheme=http&endpoint_override=127.0.0.1:{server.server_port}&region=us-east-1"
        assert error_of(f"s3://k:secret@data/f.csv?{query}") == (
            "cannot read s3://data/f.csv: access is denied"
        )
        server.shutdown()
