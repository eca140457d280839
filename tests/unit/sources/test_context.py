import csv
import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import floor

import fastavro
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.sources.context import CONTEXT, context_column
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


STEPS = st.integers(-(2**63), 2**63 - 1)
WORDS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["17", " 17 ", "17.0", "1e3", "nan", "2022-11-12 22:01:04.272916", "0001-01-01"]
    ),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
)
DECIMALS = st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100)
KINDS = [  # types, and what their values are made of
    (pa.int8(), st.integers(-(2**7), 2**7 - 1)),
    (pa.uint32(), st.integers(0, 2**32 - 1)),
    (pa.int64(), STEPS),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float16(), st.floats(width=16)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.decimal32(9, 2), DECIMALS.filter(lambda d: abs(d) < 10**6)),
    (pa.decimal128(38, 2), DECIMALS),
    (pa.decimal128(38, 0), STEPS.map(Decimal)),
    (pa.decimal256(50, 2), DECIMALS),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
    (pa.string(), WORDS),
    (pa.large_string(), WORDS),
    (pa.string_view(), WORDS),
    (pa.binary(), WORDS.map(str.encode) | st.binary(max_size=4)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.large_binary(), st.binary(max_size=4)),
    *((pa.timestamp(unit), STEPS) for unit in ("s", "ms", "us", "ns")),
    (pa.timestamp("us", "Europe/Berlin"), STEPS),
    (pa.date32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.date64(), st.integers(-(10**5), 10**5).map(lambda day: day * 86_400_000)),
    (pa.time64("us"), st.integers(0, 86_399_999_999)),
    (pa.duration("s"), STEPS),
    (pa.list_(pa.int64()), st.lists(STEPS, max_size=2)),
    (pa.large_list(pa.binary()), st.lists(st.binary(max_size=2), max_size=2)),
    (pa.list_(pa.float64(), 1), st.lists(st.floats(), min_size=1, max_size=1)),
    (pa.struct([("a", pa.int64())]), st.fixed_dictionaries({"a": STEPS})),
    (pa.map_(pa.string(), pa.int64()), st.just([("a", 1)])),
]


def column_of(kind, values):
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.array(values, pa.int64()).cast(kind)
    if pa.types.is_date32(kind):
        return pa.array(values, pa.int32()).cast(kind)
    if pa.types.is_date64(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array(values, kind)


@settings(deadline=None, max_examples=600)
@given(st.sampled_from(KINDS), st.data(), st.booleans())
def test_of_a_column_of_any_type_each_value_is_exact_or_null(kind_and_values, data, is_coded):
    kind, values = kind_and_values
    drawn = data.draw(st.lists(values | st.none(), max_size=4))
    column = column_of(kind, drawn)
    if is_coded:
        with suppress(pa.ArrowNotImplementedError):  # of types that Arrow does not code
            column = column.dictionary_encode()
    for name in CONTEXT.names:
        found = context_column(name, column)
        assert (found.type, len(found)) == (CONTEXT.field(name).type, len(drawn))
        assert all(found[row].as_py() is None for row, value in enumerate(drawn) if value is None)
    for value, found in zip(drawn, context_column("alertId", column).to_pylist(), strict=True):
        if found is None:
            fits = type(value) is int and -(2**63) <= value < 2**63
            assert not (fits and pa.types.is_integer(kind))  # an integer is never lost
        else:
            text = value.decode() if isinstance(value, bytes) else str(value)
            assert Decimal(text.strip(" \t\0\n")) == found
    per_ms = {"s": Fraction(1, 1000), "ms": 1, "us": 1000, "ns": 10**6}
    if pa.types.is_timestamp(kind):
        times = context_column("brokerIngestTimestamp", column).to_pylist()
        for value, found in zip(drawn, times, strict=True):
            wanted = None if value is None else floor(value / Fraction(per_ms[kind.unit]))
            fits = wanted is not None and -(2**63) <= wanted < 2**63
            assert found == (wanted if fits else None)


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("2023-01-01T00:00:00.123Z", MS),
        ("2023-01-01 00:00:00.123", MS),  # without a zone: UTC
        ("2023-01-01 01:00:00.123456+01:00", MS),
        ("2023-01-01", MS - 123),
        (b"2023-01-01   ", MS - 123),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_may_be_a_date_in_text(value, ms):
    for name in ("elasticcPublishTimestamp", "brokerIngestTimestamp"):
        assert context_column(name, pa.array([value])).to_pylist() == [ms]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".avro"])
def test_a_file_is_not_refused_for_columns_that_cannot_be_context(tmp_path, suffix):
    odd = {"oid": "p", "a": 1.0, "alertId": [1], "lastmjd": {"x": 1}, "diaSourceId": "a17"}
    path = tmp_path / f"f{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([odd]), path)
    elif suffix == ".jsonl":
        path.write_text(json.dumps(odd) + "\n")
    else:
        inner = {"type": "record", "name": "i", "fields": [{"name": "x", "type": "int"}]}
        kinds = {"oid": "string", "a": "double", "lastmjd": inner, "diaSourceId": "string"}
        kinds["alertId"] = {"type": "array", "items": "long"}
        fields = [{"name": name, "type": kinds[name]} for name in odd]
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, [odd])
    found = context(path, ("alertId", "lastmjd", "diaSourceId"))
    assert found.to_pylist() == [{"alertId": None, "lastmjd": None, "diaSourceId": None}]


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".avro"])
@pytest.mark.parametrize("exact_place", ["diaSource", "beside"])
def test_the_exact_id_of_a_source_wins_wherever_it_lies(tmp_path, suffix, exact_place):
    number = 169896545491091456 + 7
    inside, beside = (number, float(number))
    if exact_place == "beside":
        inside, beside = beside, inside
    record = {"oid": "p", "a": 1.0, "diaSource": {"diaSourceId": inside}, "diaSourceId": beside}
    path = tmp_path / f"f{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([record]), path)
    elif suffix == ".jsonl":
        path.write_text(json.dumps(record) + "\n")
    else:
        kinds = {int: "long", float: "double"}
        field = {"name": "diaSourceId", "type": kinds[type(inside)]}
        source = {"type": "record", "name": "s", "fields": [field]}
        types = {"oid": "string", "a": "double", "diaSource": source}
        types["diaSourceId"] = kinds[type(beside)]
        fields = [{"name": name, "type": types[name]} for name in record]
        with path.open("wb") as file:
            fastavro.writer(file, {"type": "record", "name": "r", "fields": fields}, [record])
    assert context(path, ("diaSourceId",)).to_pylist() == [{"diaSourceId": number}]


def test_an_id_of_a_source_that_is_nowhere_exact_is_null(tmp_path):
    number = float(169896545491091456)
    record = {"oid": "p", "a": 1.0, "diaSource": {"diaSourceId": number}, "diaSourceId": number}
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "f.parquet")
    assert context(tmp_path / "f.parquet", ("diaSourceId",)).to_pylist() == [{"diaSourceId": None}]
