import json
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.errors import InputError
from lcclassify.sources import long
from lcclassify.sources.file import FileSource, open_files
from lcclassify.sources.names import Names
from lcclassify.status import Status

NAMES = ["oid", "name", "fid", "value", "updated_date"]
ROWS = [
    ("b", "Amplitude", 1, 0.5, "2024-05-01"),
    ("a", "Amplitude", 1, 1.5, "2024-05-01"),
    ("b", "Amplitude", 2, 0.25, "2024-05-01"),
    ("a", "g-r_max", 12, 7.0, "2024-05-01"),
    ("b", "rb", 0, 0.75, "2024-05-01"),
]
TEXTS = [tuple(map(str, row)) for row in ROWS]
WIDE = {
    "b": {"Amplitude_1": 0.5, "Amplitude_2": 0.25, "g-r_max_12": None, "rb": 0.75},
    "a": {"Amplitude_1": 1.5, "Amplitude_2": None, "g-r_max_12": 7.0, "rb": None},
}


def table(rows, names=NAMES):
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def write(path, rows, names=NAMES):
    found = table(rows, names)
    if path.suffix == ".parquet":
        pq.write_table(found, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(found, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in found.to_pylist()))
    return str(path)


def read(path, columns=None, size=5000, **options):
    """Features by object and problems by object of all files under a path."""
    files = open_files([str(path)], **options)
    wanted = [n for n in files.columns if n != files.id_name] if columns is None else columns
    features, problems = {}, {}
    for batch in FileSource(files, wanted, size):
        ids = batch.object_id.to_pylist()
        assert 0 < len(ids) <= size
        features |= dict(zip(ids, batch.features.to_pylist(), strict=True))
        problems |= {ids[row]: problem for row, problem in batch.problems.items()}
    assert len(features) == files.n_rows
    return features, problems


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize("size", [1, 5000])
def test_an_object_is_a_row_in_the_order_of_appearance(tmp_path, suffix, size):
    found = read(write(tmp_path / f"f{suffix}", ROWS), size=size)
    assert found == (WIDE, {})
    assert list(found[0]) == ["b", "a"]


def test_rows_of_an_object_may_lie_in_several_files(tmp_path):
    write(tmp_path / "0.parquet", ROWS[:2])
    write(tmp_path / "1.csv", ROWS[2:])
    assert read(tmp_path) == (WIDE, {})
    assert open_files([str(tmp_path)]).is_long


def test_rows_of_an_object_may_come_in_several_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(long, "ROWS", 2)
    path = write(tmp_path / "f.parquet", [*ROWS, ("b", "rb", 0, 0.5, "2024-05-01")])
    features, problems = read(path)
    assert features["a"] == WIDE["a"]
    assert problems == {
        "b": (Status.INVALID_FEATURES, "rb is there twice, with different values"),
    }


def test_only_what_is_asked_for_is_read(tmp_path):
    path = write(tmp_path / "f.csv", [*TEXTS, ("a", "Std", "1", "abc", "2024-05-01")])
    assert read(path, ["rb"]) == ({"b": {"rb": 0.75}, "a": {"rb": None}}, {})
    assert read(path, []) == ({"b": {}, "a": {}}, {})


@pytest.mark.parametrize(
    ("bands", "suffix"),
    [
        ([1, 1.0, "1", "g", "G", " g "], "_1"),
        ([2, "2.0", "r"], "_2"),
        ([12, 12.0, "g,r"], "_12"),
        ([0, None, "", "none", float("nan"), "gr"], ""),
    ],
)
def test_bands_become_suffixes(tmp_path, bands, suffix):
    for band in bands:
        path = write(tmp_path / "f.parquet", [("a", "x", band, 1.0, "2024-05-01")])
        assert list(open_files([path]).columns) == ["oid", f"x{suffix}"]


def test_an_unknown_band_is_one_sentence(tmp_path):
    path = write(tmp_path / "f.parquet", [*ROWS, ("a", "x", 3, 1.0, "2024-05-01")])
    with pytest.raises(InputError) as error:
        open_files([path])
    assert str(error.value) == (
        f"{path}: fid 3 is no band of ZTF's features; expected 1 or g, 2 or r, 12 or g,r, or 0"
    )


OLD = datetime(2024, 5, 1, tzinfo=UTC)
NEW = OLD + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("updated_date", "2024-05-01", "2024-05-02T10:00:00"),
        ("updated_date", "2024-05-01T23:00:00+00", "2024-05-01T22:30:00-02:00"),
        ("updated_date", None, "2024-05-01"),
        ("updated_date", OLD, NEW),
        ("updated_date", OLD.replace(tzinfo=None), NEW.replace(tzinfo=None)),
        ("updated_date", date(2024, 4, 30), date(2024, 5, 1)),
        ("updated_date", 60000.5, 60001.0),
        ("updated_date", float("nan"), 0.0),
        ("updated_date", "9.5", "10"),
        ("updated_date", "", "2024-05-01"),
        ("version", "lc_classifier_1.2.9", "lc_classifier_1.2.10"),
        ("version", 9, 10),
        ("version", None, "1"),
    ],
)
def test_the_latest_generation_counts_as_a_whole(tmp_path, name, old, new):
    rows = [
        ("a", "x", 1, 1.0, old),
        ("a", "x", 1, 2.0, new),
        ("a", "y", 1, 3.0, old),
        ("b", "y", 1, 4.0, old),
    ]
    for order in (rows, rows[::-1]):
        path = write(tmp_path / "f.parquet", order, [*NAMES[:4], name])
        features, problems = read(path)
        assert features == {"a": {"x_1": 2.0, "y_1": None}, "b": {"x_1": None, "y_1": 4.0}}
        assert problems == {}


def test_the_date_decides_before_the_version(tmp_path):
    rows = [("a", "x", 1, 1.0, "2024-05-02", "1"), ("a", "x", 1, 2.0, "2024-05-01", "2")]
    path = write(tmp_path / "f.parquet", rows, [*NAMES, "version"])
    assert read(path) == ({"a": {"x_1": 1.0}}, {})


def test_nanoseconds_are_no_obstacle(tmp_path):
    stamps = pa.array([1_700_000_000_000_000_001, 1_700_000_001_000_000_001], pa.timestamp("ns"))
    columns = {"oid": ["a", "a"], "name": ["x", "x"], "fid": [1, 1], "value": [1.0, 2.0]}
    pq.write_table(pa.table(columns | {"updated_date": stamps}), tmp_path / "f.parquet")
    assert read(tmp_path / "f.parquet") == ({"a": {"x_1": 2.0}}, {})


def test_a_date_that_is_none_is_one_sentence(tmp_path):
    path = write(tmp_path / "f.csv", [*ROWS, ("a", "x", 1, 1.0, "yesterday")])
    with pytest.raises(InputError) as error:
        open_files([path])
    assert str(error.value) == (
        f"{path}: updated_date = 'yesterday' is no date such as 2024-05-01T12:00:00"
    )


def test_a_feature_twice_costs_its_object_unless_it_says_the_same(tmp_path):
    again = [("a", "Amplitude", "g", 1.5, "2024-05-01"), ("a", "rb", "0", None, "2024-05-01")]
    rows = [(oid, name, str(fid), *rest) for oid, name, fid, *rest in ROWS]
    assert read(write(tmp_path / "f.parquet", rows + again)) == (WIDE, {})
    path = write(tmp_path / "f.parquet", [*rows, ("a", "Amplitude", "g", 1.0, "2024-05-01")])
    assert read(path)[1] == {
        "a": (Status.INVALID_FEATURES, "Amplitude_1 is there twice, with different values")
    }


def test_a_value_that_is_no_number_costs_its_object(tmp_path):
    path = write(tmp_path / "f.parquet", [*TEXTS, ("a", "Std", "2", "abc", "2024-05-01")])
    features, problems = read(path)
    assert features == {name: row | {"Std_2": None} for name, row in WIDE.items()}
    assert problems == {"a": (Status.INVALID_FEATURES, "Std_2 = 'abc' is not a number")}


def test_objects_without_features_or_without_an_id_are_told(tmp_path):
    rows = [*ROWS, ("c", None, None, None, "2024-05-01"), (None, "rb", 0, 1.0, "2024-05-01")]
    features, problems = read(write(tmp_path / "f.parquet", rows))
    assert list(features) == ["b", "a", "c", None]
    assert problems == {
        "c": (Status.MISSING_FEATURES, "the object has no features"),
        None: (Status.INVALID_RECORD, "the object has no id"),
    }


def test_a_csv_row_of_another_length_is_told(tmp_path):
    path = tmp_path / "f.csv"
    write(path, ROWS)
    path.write_text(path.read_text() + "a,rb\n")
    features, problems = read(path)
    assert features["a"] == WIDE["a"]
    assert problems == {None: (Status.INVALID_RECORD, "row 7 has 2 fields, not 5")}


def test_ids_of_integers_stay_integers_and_may_be_named(tmp_path):
    rows = [(2**62 + 1, "x", 1, 1.0, 7), (2**62, "x", 1, 2.0, 7)]
    path = write(tmp_path / "f.parquet", rows, ["number", *NAMES[1:4], "aid"])
    assert read(path, id_name="number")[0] == {2**62 + 1: {"x_1": 1.0}, 2**62: {"x_1": 2.0}}
    assert list(open_files([path], "number").columns) == ["number", "x_1"]


def test_the_folder_can_be_the_id(tmp_path):
    for name, value in (("p", 1.0), ("q", 2.0)):
        (tmp_path / f"oid={name}").mkdir()
        write(tmp_path / f"oid={name}" / "f.csv", [("x", 1, value)], NAMES[1:4])
    assert read(tmp_path) == ({"p": {"x_1": 1.0}, "q": {"x_1": 2.0}}, {})


def test_columns_and_features_may_go_by_other_names(tmp_path):
    names = ["object", "feature", "band", "value", "changed"]
    path = write(tmp_path / "f.parquet", ROWS, names)
    called = {"oid": "object", "name": "feature", "fid": "band", "sgscore1": "rb"}
    called["updated_date"] = "changed"
    files = open_files([path], names=Names(called))
    assert list(files.columns) == ["oid", "Amplitude_1", "Amplitude_2", "g-r_max_12", "sgscore1"]
    assert files.renamed == called.keys()
    features, _ = read(path, ["sgscore1"], names=Names(called))
    assert features == {"b": {"sgscore1": 0.75}, "a": {"sgscore1": None}}


def test_a_table_without_rows_has_no_objects(tmp_path):
    path = tmp_path / "f.parquet"
    pq.write_table(table(ROWS).slice(0, 0), path)
    files = open_files([str(path)])
    assert (list(files.columns), files.n_rows) == (["oid"], 0)
    [batch] = FileSource(files, ["x"])
    assert (len(batch), batch.features.column_names) == (0, ["x"])


CELLS = st.tuples(st.sampled_from("pqrs"), st.sampled_from("xyz"), st.sampled_from([0, 1, 2, 12]))


@settings(deadline=None, max_examples=60)
@given(
    cells=st.dictionaries(CELLS, st.tuples(st.floats(-9, 9), st.integers(0, 2)), min_size=1),
    order=st.randoms(),
    rows_at_a_time=st.integers(1, 7),
)
def test_any_order_and_any_batches_give_what_a_dict_gives(
    tmp_path_factory, cells, order, rows_at_a_time
):
    rows = [(*cell, value, OLD + timedelta(days=days)) for cell, (value, days) in cells.items()]
    order.shuffle(rows)
    latest = {oid: max(row[4] for row in rows if row[0] == oid) for oid, *_ in rows}
    expected = {oid: {} for oid in latest}
    for oid, name, fid, value, when in rows:
        suffix = f"_{fid}" if fid else ""
        expected[oid][f"{name}{suffix}"] = value if when == latest[oid] else None
    path = tmp_path_factory.mktemp("long") / "f.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long, "ROWS", rows_at_a_time)
        features, problems = read(write(path, rows))
    assert problems == {}
    for oid, row in features.items():
        assert row == dict.fromkeys(row) | expected[oid]
