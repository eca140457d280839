"""What is kept of many Parquet files, and in what portions they are read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lcclassify.sources import parquet
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.names import Names
from lcclassify.sources.part import distinct

TABLE = pa.table({"oid": [1, 2], "a": [0.5, 1.5], "b": ["x", "y"]})


def test_files_of_equal_schema_share_what_is_known_of_it(tmp_path):
    for number in range(100):
        table = TABLE.replace_schema_metadata({"made": str(number)})
        pq.write_table(table, tmp_path / f"{number:03d}.parquet")
    files = open_files([str(tmp_path)])
    assert len(distinct(files.parts)) < 9  # as many as are looked at side by side, at most
    renamed = open_files([str(tmp_path)], names=Names({"rb": "a"}))
    assert len(distinct(renamed.parts)) < 9
    assert list(renamed.columns) == ["oid", "b", "rb"]
    assert [part.path for part in files.parts] == list(files.places)


def test_columns_are_those_that_every_file_has_whatever_they_share(tmp_path):
    for number in range(6):
        table = TABLE if number % 3 else TABLE.append_column("c", [[1, 2]])
        pq.write_table(table, tmp_path / f"{number}.parquet")
    assert list(open_files([str(tmp_path)]).columns) == ["oid", "a", "b"]


def test_the_rows_of_each_row_group_are_known(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=1)
    pq.write_table(TABLE.slice(0, 0), tmp_path / "b.parquet")
    files = open_files([str(tmp_path)], names=Names({"rb": "a"}))
    assert [part.row_group_sizes for part in files.parts] in ([(1, 1), ()], [(1, 1), (0,)])
    TABLE.to_pandas().to_csv(tmp_path / "c.csv", index=False)
    assert open_files([str(tmp_path / "c.csv")]).parts[0].row_group_sizes == ()


def test_the_longer_the_lists_the_fewer_rows_are_read_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ITEMS", 100)
    values = [[float(n)] * 20 for n in range(40)]
    table = {"oid": range(40), "mjd": values, "band": [["r"] * 20] * 40, "FLUXCAL": values}
    pq.write_table(pa.table(table), tmp_path / "curves.parquet")
    files = open_files([str(tmp_path)])
    batches = list(FileSource(files, [], light_curves=LightCurveOptions()))
    assert [len(batch) for batch in batches] == [5] * 8
    flux = np.concatenate([batch.light_curves.flux for batch in batches])
    np.testing.assert_array_equal(flux, np.repeat(np.arange(40), 20))
    assert [len(batch) for batch in FileSource(files, [])] == [40]
