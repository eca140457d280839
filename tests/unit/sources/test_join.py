from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.remarks import Kind, Remark
from lcclassify.sources.file import open_files
from lcclassify.sources.join import JoinedSource, JoinTable
from lcclassify.testing import ListSource, make_batch, make_light_curves


def table(path, ids, values):
    pq.write_table(pa.table({"oid": ids, "MWEBV": values}), path)
    return open_files([str(path)])


def test_columns_come_by_id_row_for_row(tmp_path):
    source = ListSource([make_batch({"x": [1, 2]}, ["c", "a"]), make_batch({"x": [3]}, ["z"])])
    files = table(tmp_path / "t.parquet", ["a", "b", "c"], [1, 2, 3])
    joined = JoinedSource(source, JoinTable("t", files, ["MWEBV"]))
    with joined:
        batches = list(joined)
    assert [batch.features.to_pylist() for batch in batches] == [
        [{"x": 1.0, "MWEBV": 3.0}, {"x": 2.0, "MWEBV": 1.0}],
        [{"x": 3.0, "MWEBV": None}],
    ]
    assert joined.n_unmatched == 1
    joined.commit()
    assert source.n_committed == 2


def test_ids_are_compared_as_text(tmp_path):
    source = ListSource([make_batch({"x": [1]}, ["17"])])
    files = table(tmp_path / "t.parquet", [17], [0.5])
    [batch] = JoinedSource(source, JoinTable("t", files, ["MWEBV"]))
    assert batch.features["MWEBV"].to_pylist() == [0.5]


def test_objects_that_are_found_by_a_rounded_id_are_said(tmp_path):
    files = table(tmp_path / "t.parquet", [2.0**57, 2.0**57 + 1024, 17.0], [1, 2, 3])
    joined = JoinTable("t", files, ["MWEBV"])
    ids = [2**57, 17, 5], [2**57, 2**57 + 1024]
    source = ListSource([make_batch({"x": range(len(each))}, each) for each in ids])
    batches = list(JoinedSource(source, joined))
    told = Remark(Kind.ROUNDED_ID, "oid in t")
    assert [batch.remarks for batch in batches] == [{told: 1}, {told: 2}]


def test_an_object_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="1 ids are there more than once"):
        JoinTable("t", table(tmp_path / "t.parquet", ["a", "a"], [1, 2]), ["MWEBV"])


def test_a_bad_row_in_the_joined_table_is_refused(tmp_path):
    files = table(tmp_path / "t.parquet", ["a", "b"], ["1", "bad"])
    with pytest.raises(InputError, match="1 bad rows, the first: MWEBV = 'bad' is not a number"):
        JoinTable("t", files, ["MWEBV"])


def test_rows_without_an_id_are_told_as_such(tmp_path):
    with pytest.raises(InputError, match="2 bad rows, the first: the object has no id"):
        JoinTable("t", table(tmp_path / "t.parquet", [None, "a", None], [1, 2, 3]), ["MWEBV"])


def test_an_empty_table_has_no_object(tmp_path):
    none = pa.array([], pa.string()), pa.array([], pa.float64())
    rows = JoinTable("t", table(tmp_path / "t.parquet", *none), ["MWEBV"]).rows(
        pa.array(["a", None])
    )
    assert rows.to_pylist() == [None, None]


@given(st.sets(st.text("ab1", max_size=3)), st.lists(st.none() | st.text("ab1", max_size=3)))
def test_every_object_finds_its_row(tmp_path_factory, there, wanted):
    there = sorted(there - {""})
    path = tmp_path_factory.mktemp("join") / "t.parquet"
    files = table(path, pa.array(there, pa.string()), pa.array(range(len(there)), pa.float64()))
    rows = JoinTable("t", files, ["MWEBV"]).rows(pa.array(wanted, pa.string()))
    assert rows.to_pylist() == [there.index(oid) if oid in there else None for oid in wanted]


def test_an_object_with_a_light_curve_that_is_not_there_is_a_repaired_one(tmp_path):
    files = table(tmp_path / "t.parquet", ["a"], [1.0])
    curves = make_light_curves([1, 2, 0])
    batch = replace(make_batch({"x": [1, 2, 3]}), light_curves=curves, repairs={1: "y is Y"})
    [joined] = JoinedSource(ListSource([batch]), JoinTable("t.parquet", files, ["MWEBV"]))
    assert joined.repairs == {1: "y is Y; it is not in t.parquet", 2: "it is not in t.parquet"}
    assert joined.features["MWEBV"].to_pylist() == [1.0, None, None]


def test_a_table_of_which_nothing_is_read_repairs_nobody(tmp_path):
    files = table(tmp_path / "t.parquet", ["a"], [1.0])
    batch = replace(make_batch({"x": [1, 2]}), light_curves=make_light_curves([1, 2]))
    source = JoinedSource(ListSource([batch]), JoinTable("t.parquet", files, []))
    [joined] = source
    assert (joined.repairs, source.n_unmatched, source.example) == ({}, 1, "b")
