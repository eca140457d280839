"""How an input becomes shards."""

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.jobs import plan
from lcclassify.jobs.plan import plan_job
from lcclassify.jobs.run import Share
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.table import open_table
from lcclassify.task import Output, plan_task


@pytest.fixture
def make_plan(tmp_path, model):
    """Makes files of so many rows each, in row groups of a size, and the shards of them."""

    def make(sizes, row_group_size=1 << 20, suffix=".parquet"):
        for number, n_rows in enumerate(sizes):
            columns = {"oid": pa.array(np.arange(n_rows))}
            columns |= {f.name: np.zeros(n_rows, np.float32) for f in model.features}
            path = tmp_path / f"{number:05d}{suffix}"
            if suffix == ".parquet":
                pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
            else:
                pa.csv.write_csv(pa.table(columns), path)
        table = open_table([str(tmp_path / f"*{suffix}")], None, [], None)
        options = {"min_coverage": 1.0, "batch_size": 5000}
        task, _ = plan_task(table, model, Output(), LightCurveOptions(), **options)
        return plan_job(task, table, "parquet").shards

    return make


def n_files(shards):
    return [len(shard.paths) for shard in shards]


def test_small_files_are_put_together_to_five_seconds_of_work(make_plan, monkeypatch):
    monkeypatch.setattr(plan, "FILE_S", 0.9)
    monkeypatch.setattr(plan, "ROW_S", 0.01)
    assert n_files(make_plan([10] * 12)) == [5, 5, 2]  # 1 s each


def test_a_large_file_is_divided_between_row_groups(make_plan, monkeypatch):
    monkeypatch.setattr(plan, "ROW_S", 0.01)
    shards = make_plan([1000, 90], row_group_size=300)  # 3 s a row group, then one of 1 s
    assert [shard.row_groups for shard in shards] == [(0, 2), (2, 4), None]
    assert str(shards[1]).endswith("00000.parquet, row group 2 to 3")


def test_a_row_group_is_never_divided(make_plan, monkeypatch):
    monkeypatch.setattr(plan, "ROW_S", 1.0)
    shards = make_plan([1000])
    assert [shard.row_groups for shard in shards] == [None]


def test_text_is_put_together_by_its_size(make_plan, monkeypatch):
    monkeypatch.setattr(plan, "BYTE_S", 0.1)
    assert n_files(make_plan([5, 5, 5], suffix=".csv")) == [1, 1, 1]


def test_parts_are_named_by_their_place(make_plan, monkeypatch):
    monkeypatch.setattr(plan, "SHARD_S", 0.0)
    names = [shard.file for shard in make_plan([1, 1, 1])]
    assert names == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]


@given(n_shards=st.integers(0, 50), n=st.integers(1, 60))
def test_every_shard_is_in_one_share(n_shards, n):
    class Job:
        shards = range(n_shards)

    numbers = [number for index in range(n) for number in Share(index, n).numbers(Job)]
    assert sorted(numbers) == list(range(n_shards))


def test_a_url_goes_into_no_folder(make_plan, model, tmp_path):
    make_plan([5])
    table = open_table([(tmp_path / "00000.parquet").as_uri()], None, [], None)
    options = {"min_coverage": 1.0, "batch_size": 5000}
    task, _ = plan_task(table, model, Output(), LightCurveOptions(), **options)
    with pytest.raises(InputError, match="results go into a folder from local files only"):
        plan_job(task, table, "parquet")
