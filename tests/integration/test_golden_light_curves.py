"""Light curves of golden messages and of real files, against what is known of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lcclassify.batch import BANDS
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSource, open_files
from lcclassify.status import Status

EXAMPLES = Path(__file__).parents[2] / "examples"
NO_HEADER = "the object has no diaObject: its header is missing"


@pytest.fixture(scope="module")
def inputs(shared):
    return shared / "golden" / "transformers" / "inputs"


def read(path, columns=(), size=5000, **options):
    """All objects of a file as one batch's worth: ids, curves, features, problems, repairs."""
    files = open_files([str(path)])
    source = FileSource(files, columns, size, light_curves=LightCurveOptions(**options))
    ids, curves, values, problems, repairs = [], [], [], {}, {}
    for batch in source:
        problems |= {len(ids) + row: problem for row, problem in batch.problems.items()}
        repairs |= {len(ids) + row: repair for row, repair in batch.repairs.items()}
        ids += batch.object_id.to_pylist()
        seen = batch.light_curves
        table = np.stack([seen.mjd, seen.band, seen.flux, seen.flux_err], axis=1)
        curves += np.split(table, seen.offsets[1:-1])
        values.append(batch.features)
    return ids, curves, pa.concat_tables(values), problems, repairs


def matrix(table, ids, order, names):
    """Columns of a table as rows of these ids, NaN where it has no value. (N, D)"""
    rows = pc.index_in(pa.array(order, ids.type), ids)
    columns = [table[name].combine_chunks().take(rows).fill_null(np.nan) for name in names]
    return np.stack([column.to_numpy() for column in columns], axis=1)


@pytest.mark.parametrize("size", [7, 5000])
@pytest.mark.parametrize("name", ["messages_newest", "messages_2023-11"])
def test_messages_are_the_rows_they_were_made_of(inputs, tmp_path, name, size):
    """The values are exact: those of the messages have 32 bits, and so have those of the table."""
    rows = pq.read_table(inputs / "detections.parquet")
    renamed = {"mag": "flux", "e_mag": "flux_err"}
    rows = rows.select(["oid", "mjd", "fid", *renamed])
    pq.write_table(rows.rename_columns(["oid", "mjd", "fid", *renamed.values()]), tmp_path / "a.pq")
    oids, expected, _, _, repaired = read(tmp_path / "a.pq", zero_point=31.4)

    headers = pq.read_table(inputs / "headers.parquet")
    names = [column for column in headers.column_names if column != "oid"]
    ids, curves, values, problems, repairs = read(inputs / f"{name}.avro", names, size)
    objects = pq.read_table(inputs / "objects.parquet").to_pylist()
    key = {row["aid" if name == "messages_2023-11" else "oid"]: row for row in objects}
    found = [key[object_id]["oid"] for object_id in ids]

    assert problems == {}
    assert found == oids
    for one, other in zip(curves, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(
        matrix(values, pa.array(found), oids, names),
        matrix(headers, headers["oid"].combine_chunks(), oids, names),
    )
    for row, object_id in enumerate(ids):
        known, said = key[object_id], repairs.get(row, "")
        assert (NO_HEADER in said) == (known["dia_object"] != "present"), known
        keys_missing = known["case"] in (
            *("header_key_missing", "header_many_keys_missing", "header_empty_dict"),
        )
        assert ("diaObject lacks" in said) == keys_missing, (known, said)
        seen = repaired.get(row, "").replace("a usable flux", "a usable mag")
        assert said.endswith(seen), known
        assert (row in repairs) == bool(seen or keys_missing or NO_HEADER in said), known
    assert len(repaired) == 11


def test_features_are_those_of_the_table(inputs):
    features = pq.read_table(inputs / "features.parquet")
    names = [column for column in features.column_names if column != "oid"]
    asked = [{"mwebv": "features.mwebv"}.get(name, name) for name in names]
    ids, _, values, problems, repairs = read(inputs / "messages_2023-11.avro", asked)
    values = values.rename_columns(names)
    objects = pq.read_table(inputs / "objects.parquet").to_pylist()
    aid = {row["oid"]: row["aid"] for row in objects}
    there = pa.array([aid[oid] for oid in features["oid"].to_pylist()])
    np.testing.assert_array_equal(
        matrix(values, pa.array(ids), ids, names), matrix(features, there, ids, names)
    )
    lacking = [aid[row["oid"]] for row in objects if not row["has_features"]]
    assert problems == {}
    said = [ids[row] for row, text in repairs.items() if "the object has no features" in text]
    assert said == lacking


def test_hostile_headers_cost_their_messages_alone(shared, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = shared / "golden" / "transformers" / "malicious" / "evil_messages.avro"
    ids, _, values, problems, repairs = read(evil, ["mwebv"])
    assert {ids[row]: problem.status for row, problem in problems.items()} == dict.fromkeys(
        ["evil1", "evil2", "garbage"], Status.INVALID_RECORD
    )
    assert repairs == {}
    assert pc.is_valid(values["mwebv"]).to_pylist() == [oid == "1" for oid in ids]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "n_objects", "n_rows", "zero_point"),
    [
        ("elasticc_v0_9_alerts_last_per_object_515.avro", 515, 8077, 27.5),
        ("fink_elasticc_alerts_89.parquet", 89, 6393, 31.4),
        ("elasticc_lc_chunk.parquet", 10, 1521, 27.5),
        ("lc_sample_wo_nev_comp.parquet", 400, 23860, 27.5),
    ],
)
def test_real_files_give_every_object_once(shared, name, n_objects, n_rows, zero_point):
    path = shared / "data" / "elasticc" / name
    files = open_files([str(path)])
    columns = [column for column in ("mwebv", "hostgal_mag_g") if column in files.columns]
    ids, curves, values, problems, repairs = read(path, columns, 50)
    assert (len(ids), len(set(ids)), sum(map(len, curves))) == (n_objects, n_objects, n_rows)
    assert (problems, repairs) == ({}, {})
    seen = np.concatenate(curves)
    assert np.isfinite(seen).all()
    assert set(seen[:, 1]) == set(range(len(BANDS)))
    assert all(values[column].null_count == 0 for column in columns)
    assert files.light_curves.zero_point == zero_point


@pytest.mark.parametrize(("name", "n_rows"), [("lsst_v7_4.avro", 3), ("lsst_v8_0.avro", 3)])
def test_packets_of_the_observatory_are_read(shared, name, n_rows):
    _, (curve,), *_ = read(shared / "data" / "wire" / name)
    assert len(curve) == n_rows
    assert set(curve[:, 2]) == {1241.0}


def test_the_example_is_a_table_of_light_curves():
    path = EXAMPLES / "plasticc_light_curves.parquet"
    ids, curves, _, problems, repairs = read(path)
    table = pq.read_table(path)
    assert (len(ids), len(set(ids)), sum(map(len, curves))) == (26, 26, table.num_rows)
    assert (problems, repairs) == ({}, {})
    assert set(ids) <= set(
        pq.read_table(EXAMPLES / "plasticc_features.parquet")["object_id"].to_pylist()
    )
    first = table.filter(pc.equal(table["object_id"], ids[0]))
    np.testing.assert_array_equal(curves[0][:, 0], first["mjd"].to_numpy())
    np.testing.assert_array_equal(curves[0][:, 2], first["FLUXCAL"].to_numpy())
    assert [BANDS[int(band)] for band in curves[0][:, 1]] == first["band"].to_pylist()
    assert path.stat().st_size < 200_000
