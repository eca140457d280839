import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
from lcclassify.table import Join, open_table


@pytest.fixture
def tables(tmp_path):
    """Objects, their header, and their features; the last two both have an mwebv."""
    pq.write_table(pa.table({"oid": ["a", "b"], "x": [1.0, 2.0]}), tmp_path / "objects.parquet")
    header = {"oid": ["b", "a"], "mwebv": [0.2, 0.1], "z_final": [1.0, 0.5]}
    pq.write_table(pa.table(header), tmp_path / "header.parquet")
    features = {"oid": ["a", "b"], "mwebv": [7.0, 8.0], "x": [3.0, 4.0], "y": [5.0, 6.0]}
    pq.write_table(pa.table(features), tmp_path / "features.parquet")
    return tmp_path


def test_the_first_of_two_columns_counts_and_a_feature_keeps_its_own_name(tables):
    joins = [str(tables / "header.parquet"), str(tables / "features.parquet")]
    table = open_table([str(tables / "objects.parquet")], None, joins, None)
    assert set(table.columns) == {"oid", "x", "mwebv", "z_final", "features.mwebv", "y"}
    header, features = table.joins(["x", "mwebv", "features.mwebv", "y"])
    assert (header.columns, features.columns) == (("mwebv",), ("features.mwebv", "y"))
    assert header.open().features["mwebv"].to_pylist() == [0.2, 0.1]
    assert features.open().features["features.mwebv"].to_pylist() == [7.0, 8.0]


def test_a_join_is_the_same_after_json(tables):
    table = open_table(
        [str(tables / "objects.parquet")], None, [str(tables / "header.parquet")], None
    )
    [join] = table.joins(["mwebv"])
    written = {"path": join.path, "stamps": [list(join.stamps[0])], "id_name": "oid", "names": {}}
    assert Join.of(written | {"columns": ["mwebv"]}) == join


def test_a_column_that_no_table_has_is_named(tables):
    names = tables / "names.toml"
    names.write_text('[columns]\nMWEBV = "extinction"\n')
    joins = [str(tables / "header.parquet")]
    with pytest.raises(InputError, match=r"names\.toml: the input has no column extinction"):
        open_table([str(tables / "objects.parquet")], None, joins, names)


def test_a_feature_keeps_its_own_name_when_columns_are_renamed(tables):
    for name in ("header", "features"):
        table = pq.read_table(tables / f"{name}.parquet")
        columns = ["dust" if column == "mwebv" else column for column in table.column_names]
        pq.write_table(table.rename_columns(columns), tables / f"{name}.parquet")
    names = tables / "names.toml"
    names.write_text('[columns]\nmwebv = "dust"\n')
    joins = [str(tables / "header.parquet"), str(tables / "features.parquet")]
    table = open_table([str(tables / "objects.parquet")], None, joins, names)
    header, features = table.joins(["mwebv", "features.mwebv"])
    assert header.open().features["mwebv"].to_pylist() == [0.2, 0.1]
    assert features.open().features["features.mwebv"].to_pylist() == [7.0, 8.0]
