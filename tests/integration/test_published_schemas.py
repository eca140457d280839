"""From messages to published records and databases, by the command."""

import sqlite3

import fastavro
import pytest

import lcclassify
from lcclassify.cli import main


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, argv), "--quiet"])
    return stop.value.code


def read(path):
    with path.open("rb") as file:
        reader = fastavro.reader(file)
        return list(reader), reader.metadata


@pytest.mark.parametrize(
    ("messages", "model", "schema", "n_records"),
    [
        ("messages_elasticc", "toretto", "elasticc-v0_9_1", 62),
        ("messages_elasticc.avro", "barney", "elasticc-v0_9", 62),
        ("messages_ztf", "ztf_hrf_1.1", "alerce", 46),
        ("messages_ztf_map.avro", "ztf_hrf_1.1", "alerce-map", 8),
        ("messages_ztf.avro", "ztf_hrf_1.1", "scribe", 46),
        ("messages_ztf.avro", "ztf_hrf_1.1", "scribe-hierarchy", 46 * 5),
    ],
)
def test_messages_become_records(golden, tmp_path, messages, model, schema, n_records):
    out = tmp_path / "out.avro"
    assert run(golden / messages, "-m", golden / model, "--output-schema", schema, "-o", out) == 0
    records, metadata = read(out)
    assert len(records) == n_records
    assert metadata["lcclassify.version"] == lcclassify.__version__
    assert len(metadata["lcclassify.model_digest"]) == 64


def test_names_in_records_can_be_chosen(golden, tmp_path):
    out = tmp_path / "out.avro"
    options = ["--classifier-name", "mine", "--classifier-version", "7", "--broker-name", "Us"]
    argv = ["--output-schema", "elasticc-v0_9_1", "-o", out, *options]
    assert run(golden / "messages_elasticc", "-m", golden / "toretto", *argv) == 0
    record = read(out)[0][0]
    assert (record["classifierName"], record["classifierParams"]) == ("mine", "7")
    assert record["brokerName"] == "Us"


def test_flat_features_have_no_alert_to_answer(golden, tmp_path, capsys):
    argv = [
        "-m",
        golden / "toretto",
        "--output-schema",
        "elasticc-v0_9_1",
        "-o",
        tmp_path / "o.avro",
    ]
    assert run(golden / "elasticc_features.parquet", *argv) == 3
    assert "the input has no column alertId" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--output-schema", "nope", "-o", "o.avro"], 3),
        (["--output-schema", "alerce", "-o", "o.csv"], 2),
        (["--output-schema", "alerce", "--tidy"], 2),
        (["--hierarchy", "-o", "o.sqlite"], 2),
    ],
)
def test_what_does_not_fit_together_is_told_before_work(
    golden, tmp_path, monkeypatch, options, code
):
    monkeypatch.chdir(tmp_path)
    assert run(golden / "messages_ztf.avro", "-m", golden / "ztf_hrf_1.1", *options) == code
    assert list(tmp_path.iterdir()) == []


def test_a_database_takes_a_row_per_object_and_class(golden, tmp_path):
    out = tmp_path / "out.sqlite"
    for _ in range(2):  # the second run replaces the answers of the first
        assert run(golden / "messages_ztf.avro", "-m", golden / "ztf_hrf_1.1", "-o", out) == 0
    connection = sqlite3.connect(out)
    try:
        [[n_rows, n_objects]] = connection.execute(
            "SELECT count(*), count(DISTINCT oid) FROM probability WHERE class_name IS NOT NULL"
        )
    finally:
        connection.close()
    assert n_rows == 15 * n_objects
    assert n_objects == 41  # 48 messages: two repeated ids, five without a value of any feature


def test_compressed_text_gives_the_same(golden, tmp_path):
    import gzip

    from lcclassify.sources.file import open_files

    sample = golden.parents[1] / "data" / "ztf" / "100_objects_features.csv"
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(sample.read_bytes()))
    columns = open_files([str(tmp_path / "f.csv.gz")]).columns
    assert columns == open_files([str(sample)]).columns
    for number, path in enumerate((sample, tmp_path / "f.csv.gz")):
        argv = ["-m", golden / "ztf_hrf_1.1", "-o", tmp_path / f"{number}.csv"]
        assert run(path, *argv) == 0
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
