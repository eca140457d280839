"""The command line's answers against the reference's own, bit for bit."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.convert import convert
from lcclassify.features import is_header
from lcclassify.legacy import read_forest
from lcclassify.predictors import load_predictor
from lcclassify.testing import make_batch

ZTF = "ztf_features.parquet"
MODELS = {
    "ztf_hrf_1.0": ("ztf_hrf_1.0", ZTF),
    "ztf_hrf_1.1": ("ztf_hrf_1.1", ZTF),
    "ztf_hrf_sknew": ("ztf_hrf_sknew", ZTF),
    "ztf_baseline": ("ztf_baseline", ZTF),
    "toretto": ("toretto", "elasticc_features.parquet"),
    "toretto.tar.gz": ("toretto", "elasticc_features.parquet"),
    "barney": ("barney", "barney.parquet"),
    "barney.tar.gz": ("barney", "barney.parquet"),
}


def classify(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, argv), "--reference-nulls", "--quiet"])
    assert stop.value.code == 0


@pytest.fixture(scope="module")
def inputs(golden, tmp_path_factory):
    """The golden inputs; for Barney, features and header of each object in one file."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in (ZTF, "elasticc_features.parquet"):
        (folder / name).symlink_to(golden / name)
    features = pq.read_table(golden / "elasticc_features.parquet")
    header = pq.read_table(golden / "elasticc_diaobject.parquet").drop_columns(["has_diaobject"])
    order = header["oid"].to_pylist()
    rows = [order.index(oid) for oid in features["oid"].to_pylist()]
    header = header.drop_columns(["oid"]).take(rows)
    flat = pa.table(
        dict(zip(features.column_names, features.columns, strict=True))
        | dict(zip(header.column_names, header.columns, strict=True))
    )
    pq.write_table(flat, folder / "barney.parquet")
    struct = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in header.columns], header.column_names
    )
    nested = features.append_column("diaObject", struct)
    pq.write_table(nested, folder / "barney_struct.parquet")
    stale = features  # header columns among the features too, as newer feature steps have them
    names = [name for name in read_forest(golden / "barney").features if is_header(name)]
    assert len(names) == 54
    for name in names:
        stale = stale.append_column(name, pa.array([12345.0] * features.num_rows))
    for name, column in zip(header.column_names, header.columns, strict=True):
        stale = stale.append_column(name, column)
    pq.write_table(stale, folder / "barney_stale.parquet")
    return folder


def assert_golden(golden, name, result):
    """Every probability and class of a result, bit for bit."""
    expected = pq.read_table(golden / f"expected_{name}.parquet")
    columns = [column for column in expected.column_names if column != "oid"]
    assert result["oid"].to_pylist() == expected["oid"].to_pylist()
    assert set(result["status"].to_pylist()) == {"ok"}
    for column in columns:
        if column != "class":
            got, want = result[column].to_numpy(), expected[column].to_numpy()
            assert got.view(np.uint64).tolist() == want.view(np.uint64).tolist(), column
    classes = json.loads((golden / "expected_columns.json").read_text())[name]["probabilities"]
    assert [column for column in result.column_names if column in classes] == classes
    if "class" in columns:
        assert result["class"].to_pylist() == expected["class"].to_pylist()
    else:  # the first of the largest, in column order
        matrix = np.column_stack([expected[column].to_numpy() for column in classes])
        assert result["class"].to_pylist() == [classes[i] for i in matrix.argmax(axis=1)]
    return len(columns) * len(result)


@pytest.mark.parametrize("source", MODELS)
def test_every_probability_and_class_is_the_references(golden, inputs, tmp_path, source):
    name, features = MODELS[source]
    out = tmp_path / "out.parquet"
    classify(inputs / features, "--model", golden / source, "--to", out, "--hierarchy")
    assert assert_golden(golden, name, pq.read_table(out)) >= 318 * 15


@pytest.mark.parametrize("variant", ["barney_struct.parquet", "barney_stale.parquet"])
def test_barney_takes_its_header_from_the_alert(golden, inputs, tmp_path, variant):
    out = tmp_path / "out.parquet"
    classify(inputs / variant, "--model", golden / "barney", "--to", out)
    assert_golden(golden, "barney", pq.read_table(out))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_other_formats_give_the_same(golden, inputs, tmp_path, form):
    table = pq.read_table(inputs / ZTF)
    path = tmp_path / f"features.{form}"
    if form == "csv":
        rows = [",".join(table.column_names)]
        rows += [
            ",".join("" if value is None else str(value) for value in row.values())
            for row in table.to_pylist()
        ]
        path.write_text("\n".join(rows))
    else:
        path.write_text("\n".join(map(json.dumps, table.to_pylist())))
    out = tmp_path / "out.parquet"
    classify(path, "--model", golden / "ztf_hrf_1.1", "--to", out, "--hierarchy")
    assert_golden(golden, "ztf_hrf_1.1", pq.read_table(out))


@pytest.mark.parametrize("batch_size", [1, 7, 324])
def test_batches_and_threads_change_nothing(golden, inputs, tmp_path, batch_size):
    out = tmp_path / "out.parquet"
    options = ["--batch-size", batch_size, "--threads", 2, "--to", out, "--hierarchy"]
    classify(inputs / ZTF, "--model", golden / "ztf_hrf_sknew", *options)
    assert_golden(golden, "ztf_hrf_sknew", pq.read_table(out))


def test_what_the_reference_raises_for_a_batch_is_a_status_of_one_object(golden, tmp_path):
    """The cases of expected_errors.json that concern the model itself."""
    cases = {case["id"]: case for case in json.loads((golden / "expected_errors.json").read_text())}
    predictor = load_predictor(convert(golden / "ztf_hrf_1.1", tmp_path / "ztf"))
    table = pq.read_table(golden / ZTF)
    ids = ["ZTF17ajlomed", "ZTF18aatmbiv", "ZTF18abcmcpk"]
    rows = table.filter(pa.compute.is_in(table["oid"], pa.array(ids))).to_pylist()
    rows.sort(key=lambda row: ids.index(row["oid"]))

    def answers(rows):
        names = [feature.name for feature in predictor.bundle.features]
        return predictor.predict(make_batch({n: [row[n] for row in rows] for n in names}))

    low = [row | {"Harmonics_phase_5_2": -1e39} if i == 1 else row for i, row in enumerate(rows)]
    prediction = answers(low)
    assert prediction.status.tolist() == [0, 3, 0]
    whole = answers(rows).leaf_probability
    assert prediction.leaf_probability[[0, 2]].tolist() == whole[[0, 2]].tolist()

    lowest = float(np.finfo(np.float32).min)
    low[1] = rows[1] | {"Harmonics_phase_5_2": lowest}
    assert answers(low).leaf_probability.tolist() == cases["hrf_lowest_float32"]["returns"]

    twice = answers([rows[0], rows[1], rows[0]]).leaf_probability
    expected = cases["hrf_duplicate_rows"]["returns"]
    assert twice[0].tolist() == twice[2].tolist() == expected[0] == expected[2]
    assert answers([]).leaf_probability.shape == (0, 15)


@pytest.mark.parametrize(
    ("model", "features", "case"),
    [
        ("ztf_hrf_1.1", ZTF, "hrf_missing_features"),
        ("toretto", "elasticc_features.parquet", "toretto_missing_features"),
    ],
)
def test_missing_columns_are_refused_before_work_starts(
    golden, tmp_path, capsys, model, features, case
):
    cases = {case["id"]: case for case in json.loads((golden / "expected_errors.json").read_text())}
    missing = cases[case]["text"].partition("{")[2].strip("}").replace("'", "").split(", ")
    pq.write_table(pq.read_table(golden / features).drop_columns(missing), tmp_path / "f.parquet")
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", str(tmp_path / "f.parquet"), "--model", str(golden / model)])
    assert stop.value.code == 3
    error = capsys.readouterr().err
    assert all(name in error for name in missing)
    assert [path.name for path in tmp_path.iterdir()] == ["f.parquet"]


def test_real_objects_with_the_names_of_another_age_are_read(shared, golden, tmp_path):
    """The public sample has PPE and a column oid; one with Period_fit gives the same answers."""
    sample = shared / "data" / "ztf" / "100_objects_features.csv"
    text = sample.read_text()
    renamed = tmp_path / "renamed.csv"
    renamed.write_text(text.replace(",PPE,", ",Period_fit,", 1))
    assert renamed.read_text() != text
    results = []
    for number, path in enumerate((sample, renamed)):
        out = tmp_path / f"{number}.parquet"
        classify(path, "--model", golden / "ztf_hrf_1.1", "--to", out)
        results.append(pq.read_table(out))
    assert results[0].num_rows == 98
    assert results[0].equals(results[1])


def test_barney_joins_features_and_header_by_id(golden, tmp_path, capsys):
    """In other row order, and under the alert's own names."""
    out = tmp_path / "out.parquet"
    argv = [golden / "elasticc_features.parquet", "--join", golden / "elasticc_diaobject.parquet"]
    classify(*argv, "--model", golden / "barney", "--to", out)
    assert_golden(golden, "barney", pq.read_table(out))
