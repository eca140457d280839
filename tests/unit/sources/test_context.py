import csv
import json
from datetime import UTC, datetime
from decimal import Decimal

import fastavro
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from lcclassify.sources.context import context_column
from lcclassify.sources.file import FileSource, open_files

LARGE = 2**62 + 1  # no float64
TIME = datetime(2023, 1, 1, 0, 0, 0, 123000, tzinfo=UTC)
MS = 1672531200123
NAMES = ("alertId", "diaSourceId", "elasticcPublishTimestamp", "lastmjd")
RECORDS = [
    {"oid": "p", "a": 1.0, "alertId": LARGE, "elasticcPublishTimestamp": MS, "lastmjd": 60000.5},
    {"oid": "q", "a": 2.0, "alertId": None, "elasticcPublishTimestamp": MS, "lastmjd": None},
]


def context(path, names=NAMES):
    [batch] = FileSource(open_files([str(path)]), ["a"], context=names)
    return batch.context


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".avro"])
def test_ids_and_times_are_exact_in_every_format(tmp_path, suffix):
    path = tmp_path / f"f{suffix}"
    table = pa.Table.from_pylist(RECORDS)
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(RECORDS[0]))
            writer.writeheader()
            writer.writerows(RECORDS)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    else:
        kinds = {"oid": "string", "a": "double", "lastmjd": "double"}
        fields = [{"name": n, "type": ["null", kinds.get(n, "long")]} for n in RECORDS[0]]
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, RECORDS)
    found = context(path)
    assert found.schema.names == ["alertId", "elasticcPublishTimestamp", "lastmjd"]
    assert [str(kind) for kind in found.schema.types] == ["int64", "int64", "double"]
    wanted = [{name: record.get(name) for name in found.column_names} for record in RECORDS]
    assert found.to_pylist() == wanted


def test_nothing_is_read_that_no_schema_asks_for(tmp_path):
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "f.parquet")
    assert context(tmp_path / "f.parquet", ()).column_names == []


def test_an_input_without_rows_has_the_columns(tmp_path):
    pq.write_table(pa.Table.from_pylist(RECORDS).slice(0, 0), tmp_path / "f.parquet")
    assert context(tmp_path / "f.parquet").column_names == [
        "alertId",
        "elasticcPublishTimestamp",
        "lastmjd",
    ]


def test_the_times_of_avro_may_be_of_its_logical_type(tmp_path):
    kind = {"type": "long", "logicalType": "timestamp-millis"}
    fields = [{"name": "oid", "type": "string"}, {"name": "a", "type": "double"}]
    fields.append({"name": "elasticcPublishTimestamp", "type": ["null", kind]})
    records = [
        {"oid": "p", "a": 1.0, "elasticcPublishTimestamp": TIME},
        {"oid": "q", "a": 1.0, "elasticcPublishTimestamp": None},
    ]
    with (tmp_path / "f.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, records)
    assert context(tmp_path / "f.avro").to_pylist() == [
        {"elasticcPublishTimestamp": MS},
        {"elasticcPublishTimestamp": None},
    ]


def test_the_key_of_a_folder_may_be_the_context(tmp_path):
    (tmp_path / f"alertId={LARGE}").mkdir()
    table = pa.table({"oid": ["p"], "a": [1.0]})
    pq.write_table(table, tmp_path / f"alertId={LARGE}" / "f.parquet")
    assert context(tmp_path).to_pylist() == [{"alertId": LARGE}]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1, 2**63, None], pa.uint64()), [1, None, None]),
        (pa.array([1.0, 1.5, 2.0**53, float("nan")]), [1, None, None, None]),
        (pa.array([2.0**23, 2.0**24], pa.float32()), [2**23, None]),
        (
            pa.array([" 17 ", "x", "3.0", "1e3", "9" * 19, "", "nan"]),
            [17, None, 3, 1000] + 3 * [None],
        ),
        (pa.array(["17"]).dictionary_encode(), [17]),
        (pa.array([Decimal(LARGE), Decimal("1.5")], pa.decimal128(30, 1)), [LARGE, None]),
        (pa.array([Decimal(LARGE)], pa.decimal128(30, 0)), [LARGE]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_an_id_is_exact_or_null(column, expected):
    assert context_column("alertId", column).to_pylist() == expected


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([TIME], pa.timestamp("us", "Europe/Berlin")), [MS]),
        (pa.array([MS * 10**6 + 999], pa.timestamp("ns")), [MS]),
        (pa.array([float(MS) + 0.5, float("inf"), None]), [MS, None, None]),
        (pa.array(["1.672531200123e12"]), [MS]),
    ],
)
def test_times_are_milliseconds(column, expected):
    assert context_column("elasticcPublishTimestamp", column).to_pylist() == expected


def test_a_last_date_that_is_no_number_is_null():
    found = context_column("lastmjd", pa.array(["60000.5", "x", None]))
    assert found.to_pylist() == [60000.5, None, None]
