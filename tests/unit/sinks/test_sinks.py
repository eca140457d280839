import csv
import json
import os
import stat
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import OutputError
from lcclassify.sinks import open_sink
from lcclassify.testing import SinkContract


class TestParquet(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.parquet"))

    def read_back(self, tmp_path):
        return pq.read_table(tmp_path / "out.parquet").to_pylist()


class TestCsv(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.csv"))

    def read_back(self, tmp_path):
        with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            {
                "oid": row["oid"],
                "probability": float(row["probability"]) if row["probability"] else None,
                "ranking": int(row["ranking"]) if row["ranking"] else None,
            }
            for row in rows
        ]


class TestJsonLines(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.jsonl"))

    def read_back(self, tmp_path):
        return list(map(json.loads, (tmp_path / "out.jsonl").read_text("utf-8").splitlines()))


def test_json_has_no_number_for_infinity_and_maps_are_objects(tmp_path):
    maps = pa.array([[("a", float("nan")), ("b", 0.5)]], pa.map_(pa.string(), pa.float64()))
    lists = pa.array([[{"p": float("inf")}, {"p": 1.0}]])
    with open_sink(str(tmp_path / "out.jsonl")) as sink:
        sink.write(pa.table({"maps": maps, "lists": lists}))
    line = '{"maps": {"a": null, "b": 0.5}, "lists": [{"p": null}, {"p": 1.0}]}\n'
    assert (tmp_path / "out.jsonl").read_text() == line


class TestStandardOutput(SinkContract):
    @pytest.fixture
    def sink(self, capfdbinary):
        self.captured = capfdbinary
        return open_sink("-")

    def read_back(self, tmp_path):
        return list(map(json.loads, self.captured.readouterr().out.splitlines()))


@pytest.mark.parametrize("size", [1000, 65_536, 150_000])
def test_the_bytes_of_a_parquet_file_do_not_depend_on_how_it_was_written(tmp_path, size):
    table = pa.table({"x": list(range(150_000))})
    with open_sink(str(tmp_path / "out.parquet")) as sink:
        for start in range(0, 150_000, size):
            sink.write(table.slice(start, size))
    metadata = pq.read_metadata(tmp_path / "out.parquet")
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert groups == [65_536, 65_536, 18_928]
    with open_sink(str(tmp_path / "whole.parquet")) as sink:
        sink.write(table)
    whole = (tmp_path / "whole.parquet").read_bytes()
    assert (tmp_path / "out.parquet").read_bytes() == whole


SUFFIXES = [".parquet", ".csv", ".jsonl"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_error_leaves_nothing_behind(tmp_path, suffix):
    with pytest.raises(KeyboardInterrupt), open_sink(str(tmp_path / f"out{suffix}")) as sink:
        sink.write(SinkContract.TABLE)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_there_before_the_end(tmp_path, suffix):
    with open_sink(str(tmp_path / f"out{suffix}")) as sink:
        sink.write(SinkContract.TABLE)
        assert not (tmp_path / f"out{suffix}").exists()
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a Linux device")
def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def on_a_full_disk(prefix, dir):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "partial")

    monkeypatch.setattr("tempfile.mkstemp", on_a_full_disk)
    for suffix in SUFFIXES:
        (tmp_path / "partial").touch()
        path = tmp_path / f"out{suffix}"
        with pytest.raises(OutputError) as error, open_sink(str(path)) as sink:
            sink.write(pa.table({"x": [0.1 * i for i in range(100_000)]}))
        assert str(error.value) == f"cannot write {path}: No space left on device"
        assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("precious")
    with pytest.raises(OutputError) as error:
        open_sink(str(path))
    assert str(error.value) == f"{path} exists already; --force replaces it"
    with open_sink(str(path), force=True) as sink:
        sink.write(pa.table({"x": [1]}))
    assert path.read_text() == '"x"\n1\n'


def test_a_suffix_that_is_not_known(tmp_path):
    with pytest.raises(OutputError) as error:
        open_sink("out.xls")
    assert str(error.value) == (
        "cannot write to 'out.xls': choose a suffix from .parquet, .csv, .jsonl, .avro, .vot, "
        ".votable, .ecsv, .sqlite, .db or -"
    )


def test_a_folder_that_is_not_there(tmp_path):
    path = tmp_path / "no" / "out.csv"
    with pytest.raises(OutputError) as error, open_sink(str(path)):
        pass
    assert str(error.value) == f"cannot write {path}: there is no folder {path.parent}"


def test_the_result_has_ordinary_permissions(tmp_path):
    (tmp_path / "other").touch()
    with open_sink(str(tmp_path / "out.jsonl")):
        pass
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_reader_that_goes_away_is_an_error_of_its_own():
    code = """
import pyarrow as pa
from lcclassify.sinks import open_sink
with open_sink("-") as sink:
    for _ in range(1000):
        sink.write(pa.table({"x": ["y" * 1000] * 100}))
        sink.flush()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
    assert b"ReaderGoneError: nobody reads standard output any more" in error
