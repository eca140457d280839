import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.remarks import Kind, Remark
from lcclassify.sources.file import open_files
from lcclassify.sources.join import JoinedSource, JoinTable
from lcclassify.sources.parquet import NO_FEATURES
from lcclassify.status import Problem, Status
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


def bad(value):
    return Problem(Status.INVALID_FEATURES, f"MWEBV = {value!r} is not a number")


def test_a_bad_row_is_a_problem_of_the_objects_that_match_it(tmp_path):
    files = table(tmp_path / "t.parquet", ["a", "b", "c"], ["1", "bad", "worse"])
    own = {3: Problem(Status.INVALID_RECORD, "no record")}
    batch = make_batch({"x": range(5)}, ["b", "a", "b", "c", "z"], own)
    [joined] = JoinedSource(ListSource([batch]), JoinTable("t", files, ["MWEBV"]))
    assert joined.problems == {0: bad("bad"), 2: bad("bad")} | own
    assert joined.features["MWEBV"].to_pylist() == [None, 1.0, None, None, None]


def test_what_is_wrong_in_a_table_of_which_nothing_is_read_is_nobodys_problem(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"oid": "a", "features": null}\n{"oid": "b", "features": {"MWEBV": 1}}\n')
    batch = make_batch({"x": [1, 2]}, ["a", "b"])
    [joined] = JoinedSource(ListSource([batch]), JoinTable("t", open_files([str(path)]), []))
    assert joined.problems == {}


@pytest.mark.parametrize("name", ["Amplitude_g", "MWEBV"])
@pytest.mark.parametrize("has_curves", [False, True])
def test_no_features_there_is_said_as_of_a_struct(tmp_path, name, has_curves):
    """A problem, or of a light curve a repair; nothing if no feature is read of them."""
    path = tmp_path / "t.jsonl"
    path.write_text(
        f'{{"oid": "a", "features": null}}\n{{"oid": "b", "features": {{"{name}": 1}}}}'
    )
    curves = make_light_curves([1, 2]) if has_curves else None
    batch = replace(make_batch({"x": [1, 2]}, ["a", "b"]), light_curves=curves)
    [joined] = JoinedSource(ListSource([batch]), JoinTable("t", open_files([str(path)]), [name]))
    problems = {0: NO_FEATURES} if name != "MWEBV" and not has_curves else {}
    repairs = {0: NO_FEATURES.reason} if name != "MWEBV" and has_curves else {}
    assert (joined.problems, joined.repairs) == (problems, repairs)


def test_a_table_of_rows_without_ids_has_no_example(tmp_path):
    joined = JoinTable("t", table(tmp_path / "t.parquet", [None, "", None], [1, 2, 3]), ["MWEBV"])
    assert joined.example is None
    assert joined.rows(pa.array(["", None, "a"])).to_pylist() == [None] * 3


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | st.text("ab ", max_size=2), st.sampled_from(["1", "2", "bad", None])),
        min_size=1,
        unique_by=lambda row: (row[0] or "").strip() or object(),
    ),
    st.lists(st.none() | st.text("ab", max_size=2), min_size=1),
    st.sampled_from([".parquet", ".csv", ".jsonl"]),
)
def test_each_object_has_the_values_and_problems_of_its_row(
    tmp_path_factory, there, wanted, suffix
):
    path = tmp_path_factory.mktemp("join") / f"t{suffix}"
    ids, values = map(list, zip(*there, strict=True))
    rows = pa.table({"oid": pa.array(ids, pa.string()), "MWEBV": pa.array(values, pa.string())})
    if suffix == ".parquet":
        pq.write_table(rows, path)
    elif suffix == ".csv":
        pyarrow.csv.write_csv(rows, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    batch = make_batch({"x": [0] * len(wanted)}, pa.array(wanted, pa.string()))
    source = JoinedSource(ListSource([batch]), JoinTable("t", open_files([str(path)]), ["MWEBV"]))
    [joined] = source
    of_id = {oid.strip(): value for oid, value in there if oid and oid.strip()}
    found = [of_id.get(oid) for oid in wanted]
    numbers = [float(value) if value in ("1", "2") else None for value in found]
    assert joined.features["MWEBV"].to_pylist() == numbers
    assert joined.problems == {row: bad("bad") for row, v in enumerate(found) if v == "bad"}
    assert source.n_unmatched == sum(oid not in of_id for oid in wanted)


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
