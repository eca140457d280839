"""Small files from the wild whose ids, context or text were misread or refused, whole runs."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.cli import main
from lcclassify.network_bundle import write_transformer

FIRST, SECOND = 169813006680588318, 169813006129561660
CARD = {"name": "net", "version": "1.0", "licence": "MIT", "citation": "none"}
ALERTS = {
    "text_time": [FIRST, SECOND],
    "text_alertid": [FIRST, SECOND],
    "dbl_alertid": [FIRST, SECOND],
    "double_object_id": [FIRST, SECOND],
    "double_source_id": [FIRST, SECOND],
    "asteroids": [FIRST, SECOND, None, None],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory, make_transformer):
    path = tmp_path_factory.mktemp("model") / "net"
    return write_transformer(path, make_transformer("none"), CARD).path


@pytest.fixture(scope="module")
def wild(shared):
    return shared / "wild"


def classify(capsys, path, model, to, *options):
    """The rows of a result, and the summary."""
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", *map(str, (path, "--model", model, "--to", to, "--json", *options))])
    assert stop.value.code in (0, None), capsys.readouterr().err
    return pq.read_table(to).to_pylist(), json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ALERTS)
def test_alerts_are_answered_under_their_exact_ids(capsys, wild, model, tmp_path, name):
    rows, summary = classify(
        capsys, wild / "alerts" / f"{name}.parquet", model, tmp_path / "out.parquet"
    )
    assert [row["diaObjectId"] for row in rows] == ALERTS[name]
    notes = [(row["status"], row["reason"]) for row in rows]
    none = ("invalid_record", "the object has no id")
    assert notes == [("ok", None) if oid else none for oid in ALERTS[name]]
    assert "rounded_id" not in summary["remarks"]


@pytest.mark.parametrize("name", ["fits_to_pandas", "band_only"])
def test_padded_bytes_of_fits_are_text(capsys, wild, model, tmp_path, name):
    path = wild / "bytes" / f"{name}.parquet"
    [row], _ = classify(capsys, path, model, tmp_path / "out.parquet")
    assert (row["SNID"], row["status"]) == ("397127", "ok")
    plain = [
        {n: v.decode().strip() if isinstance(v, bytes) else v for n, v in each.items()}
        for each in pq.read_table(path).to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(plain), tmp_path / "plain.parquet")
    [wanted], _ = classify(capsys, tmp_path / "plain.parquet", model, tmp_path / "answer.parquet")
    assert row == wanted


def test_an_id_that_went_through_a_float_is_said(capsys, wild, model, tmp_path):
    path = wild / "ids" / "rounded_ids.csv"
    [row], summary = classify(capsys, path, model, tmp_path / "out.parquet", "--zero-point", "31.4")
    assert (row["diaObjectId"], row["status"]) == (str(int(1.6981300668058832e17)), "ok")
    told = {"rounded_id": {"diaObjectId": 1}, "colliding_id": {"diaObjectId": 1}}
    assert {kind: names for kind, names in summary["remarks"].items() if "id" in kind} == told


@pytest.mark.parametrize("name", ["text_time", "text_alertid", "dbl_alertid"])
def test_what_a_record_needs_and_nobody_can_read_costs_it_its_record(
    capsys, wild, tmp_path, make_transformer, name
):
    model = write_transformer(tmp_path / "net", make_transformer("none", C=20), CARD).path
    path = wild / "alerts" / f"{name}.parquet"
    table = pq.read_table(path)
    if "alertId" not in table.column_names:
        table = table.append_column("alertId", pa.array([5, 6]))
    pq.write_table(table, tmp_path / "alerts.parquet")
    rows, summary = classify(
        *(capsys, tmp_path / "alerts.parquet", model, tmp_path / "out.parquet"),
        *("--output-schema", "elasticc-v0_9"),
    )
    if name == "text_time":
        assert [(row["alertId"], row["diaSourceId"]) for row in rows] == [(5, 1), (6, 2)]
    else:
        assert (rows, summary["left_out"]) == ([], {"no alertId": 2})
