import os
import subprocess
import sys

import pyarrow as pa
import pytest

from lcclassify.errors import OutputError
from lcclassify.sinks import open_sink
from lcclassify.testing import SinkContract

votable = pytest.importorskip("astropy.io.votable", reason="needs lcclassify[astro]")
Table = pytest.importorskip("astropy.table").Table


def rows(table):
    """Rows of an astropy table, with None where it is masked."""
    columns = {name: table[name].tolist() for name in table.colnames}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class TestVoTable(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.vot"))

    def read_back(self, tmp_path):
        return rows(Table.read(tmp_path / "out.vot"))


class TestEcsv(SinkContract):
    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.ecsv"))

    def read_back(self, tmp_path):
        return rows(Table.read(tmp_path / "out.ecsv"))


def save(path, table):
    with open_sink(str(path)) as sink:
        sink.write(table)
    return path


@pytest.fixture(params=[".votable", ".ecsv"])
def path(request, tmp_path):
    return tmp_path / f"out{request.param}"


def test_letters_beyond_16_bits_stay_whole(path):
    table = pa.table({"oid": ["😀" * 30, "x"]})
    assert Table.read(save(path, table))["oid"].tolist() == ["😀" * 30, "x"]


def test_unsigned_ids_are_written(path):
    table = pa.table({"diaObjectId": pa.array([1, 2**63 - 1], pa.uint64())})
    assert Table.read(save(path, table))["diaObjectId"].tolist() == [1, 2**63 - 1]


def test_integer_ids_stay_exact(path):
    table = pa.table({"diaObjectId": [2**62, 2**62 + 1]})
    assert Table.read(save(path, table))["diaObjectId"].tolist() == [2**62, 2**62 + 1]


def test_a_text_that_is_null_is_masked_in_ecsv_and_empty_in_votable(tmp_path):
    table = pa.table({"reason": ["x", None]})
    assert Table.read(save(tmp_path / "out.ecsv", table))["reason"].tolist() == ["x", None]
    assert Table.read(save(tmp_path / "out.vot", table))["reason"].tolist() == ["x", ""]


def test_columns_keep_their_names(tmp_path):
    table = pa.table({"oid": ["p"], "top/Ib c": [0.5], "no text": pa.nulls(1, pa.string())})
    fields = votable.parse_single_table(save(tmp_path / "out.vot", table)).fields
    assert [field.name for field in fields] == table.column_names
    assert Table.read(save(tmp_path / "out.ecsv", table)).colnames == table.column_names


def test_no_rows_at_all_keep_their_types(path):
    table = Table.read(save(path, SinkContract.TABLE.slice(0, 0)))
    assert [column.dtype.kind for column in table.columns.values()] == ["U", "f", "i"]


def test_an_error_leaves_nothing_behind(path, tmp_path):
    with pytest.raises(KeyboardInterrupt), open_sink(str(path)) as sink:
        sink.write(SinkContract.TABLE)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a Linux device")
def test_a_full_disk_is_one_sentence(path, tmp_path, monkeypatch):
    def on_a_full_disk(prefix, dir):
        return os.open("/dev/full", os.O_WRONLY), str(tmp_path / "partial")

    monkeypatch.setattr("tempfile.mkstemp", on_a_full_disk)
    (tmp_path / "partial").touch()
    with pytest.raises(OutputError) as error:
        save(path, pa.table({"x": [0.1 * i for i in range(10_000)]}))
    assert str(error.value) == f"cannot write {path}: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named():
    code = """
import sys
sys.modules["astropy"] = None
from lcclassify.errors import OutputError
from lcclassify.sinks import open_sink
try:
    open_sink("out.vot")
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        done.stdout == "writing VOTable and ECSV needs astropy: pip install 'lcclassify[astro]'\n"
    )
