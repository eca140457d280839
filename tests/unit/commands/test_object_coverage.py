"""classify-file and classify_table on objects of which little or nothing was found."""

import json
import sqlite3

import fastavro
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import lcclassify
from lcclassify.cli import main
from lcclassify.errors import InputError
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES

ROWS = [
    [0.5, 0.25, 1.5, 0.75],
    [None, None, None, None],
    [float("nan"), float("inf"), None, -999.0],
    [0.5, None, None, None],
]
TABLE = pa.table(
    {"oid": ["all", "nulls", "nothing", "one"]}
    | {name: [row[number] for row in ROWS] for number, name in enumerate(FEATURES)}
)
AMOUNTS = ["features_found", "features_needed"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, model):
    """A working folder with features.parquet, and the model toy installed."""
    install(model.path)
    monkeypatch.chdir(tmp_path)
    pq.write_table(TABLE, "features.parquet")
    return tmp_path


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", "features.parquet", "--model", "toy", *map(str, argv)])
    return stop.value.code


def statuses(*argv):
    assert run(*argv, "--to", "out.parquet", "--force", "-q") == 0
    table = pq.read_table("out.parquet")
    answered = [name is not None for name in table["class"].to_pylist()]
    assert answered == [status == "ok" for status in table["status"].to_pylist()]
    return table["status"].to_pylist()


OK, MISSING = "ok", "missing_features"


def test_an_object_of_which_nothing_was_found_is_never_ok():
    assert statuses() == [OK, MISSING, MISSING, OK]
    table = pq.read_table("out.parquet")
    assert table["features_found"].to_pylist() == [4, 0, 0, 1]
    assert table["features_needed"].to_pylist() == [4] * 4
    assert table["reason"].to_pylist() == [
        *(None, "none of its 4 features has a value", "none of its 4 features has a value", None)
    ]
    classes = [name for name in table.column_names if pa.types.is_floating(table[name].type)]
    assert len(classes) == 6
    assert all(table[name][1].as_py() is None for name in classes)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--reference-nulls"], [OK, OK, OK, OK]),
        (["--no-reference-nulls"], [OK, MISSING, MISSING, OK]),
        (["--min-object-coverage", 0], [OK, MISSING, MISSING, OK]),
        (["--min-object-coverage", 0, "--reference-nulls"], [OK, OK, OK, OK]),
        (["--min-object-coverage", 0.25], [OK, MISSING, MISSING, OK]),
        (["--min-object-coverage", 0.26], [OK, MISSING, MISSING, MISSING]),
        (["--min-object-coverage", 1, "--reference-nulls"], [OK, MISSING, MISSING, MISSING]),
    ],
)
def test_the_options_say_what_is_enough(options, expected):
    assert statuses(*options) == expected


def test_a_column_that_may_be_absent_is_a_value_that_nobody_has():
    pq.write_table(TABLE.drop_columns(["PPE"]), "features.parquet")
    assert run("--to", "out.parquet") == 3
    assert statuses("--min-coverage", 0.75) == [OK, MISSING, MISSING, OK]
    assert pq.read_table("out.parquet")["features_found"].to_pylist() == [3, 0, 0, 1]
    options = ("--min-coverage", 0.75, "--min-object-coverage", 0.8)
    assert statuses(*options) == [MISSING] * 4


def test_a_published_schema_answers_as_the_reference_unless_told_otherwise():
    published = ("--output-schema", "alerce-map", "--to", "out.avro", "--force", "-q")

    def oids(*options):
        assert run(*published, *options) == 0
        with open("out.avro", "rb") as file:
            return [record["oid"] for record in fastavro.reader(file)]

    assert oids() == ["all", "nulls", "nothing", "one"]
    assert oids("--reference-nulls") == ["all", "nulls", "nothing", "one"]
    assert oids("--no-reference-nulls") == ["all", "one"]
    assert oids("--min-object-coverage", 0.5) == ["all"]


def test_a_folder_of_parts_asks_for_as_much(tmp_path):
    argv = ("--to", "parts/", "-q", "--workers", 1)
    assert run(*argv, "--min-object-coverage", 0.5) == 0
    assert pq.read_table("parts")["status"].to_pylist() == [OK, MISSING, MISSING, MISSING]
    job = json.loads((tmp_path / "parts" / "_lcclassify" / "job.json").read_text())
    assert job["task"]["min_object_coverage"] == 0.5
    assert job["task"]["reference_nulls"] is False
    assert run(*argv) == 5  # made for another job
    argv = ("--to", "records/", "-q", "--workers", 1, "--output-schema", "alerce-map")
    assert run(*argv) == 0
    job = json.loads((tmp_path / "records" / "_lcclassify" / "job.json").read_text())
    assert job["task"]["reference_nulls"] is True


@pytest.mark.parametrize("share", ["-0.1", "1.5", "nan", "half"])
def test_what_is_no_share_is_wrong_usage(share):
    assert run("--min-object-coverage", share, "--to", "out.parquet") in (2, 3)


def read_jsonl(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def read_avro(path):
    with open(path, "rb") as file:
        return list(fastavro.reader(file))


def read_sqlite(path):
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM probability")]


READERS = {
    "out.parquet": lambda path: pq.read_table(path).to_pylist(),
    "out.csv": lambda path: pyarrow.csv.read_csv(path).to_pylist(),
    "out.jsonl": read_jsonl,
    "out.avro": read_avro,
    "out.sqlite": read_sqlite,
}


@pytest.mark.parametrize("to", READERS)
@pytest.mark.parametrize("options", [(), ("--tidy",), ("--top", "1")])
def test_every_kind_of_flat_result_says_how_much_was_there(to, options):
    assert run("--to", to, "-q", *options) == 0
    rows = READERS[to](to)
    found = {row["oid"]: row["features_found"] for row in rows}
    assert found == {"all": 4, "nulls": 0, "nothing": 0, "one": 1}
    assert {row["features_needed"] for row in rows} == {4}
    names = list(rows[0])
    place = names.index("status")
    assert names[place : place + 4] == ["status", "reason", *AMOUNTS]


def test_standard_output_says_how_much_was_there(capfd):
    assert run("--to", "-", "-q") == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["features_found"] for row in rows] == [4, 0, 0, 1]


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_table_in_memory_has_the_same_options(as_frame):
    table = TABLE.to_pandas() if as_frame else TABLE

    def found(**options):
        result = lcclassify.classify_table(table, "toy", **options)
        return list(result["status"] if as_frame else result["status"].to_pylist())

    assert found() == [OK, MISSING, MISSING, OK]
    assert found(reference_nulls=True) == [OK] * 4
    assert found(min_object_coverage=0.5) == [OK, MISSING, MISSING, MISSING]
    assert found(min_object_coverage=0.5, reference_nulls=True) == [OK, MISSING, MISSING, MISSING]
    with pytest.raises(InputError, match=r"^min_object_coverage=2 is not in 0 to 1$"):
        found(min_object_coverage=2)


def test_rows_without_an_id_or_features_keep_their_status_and_count():
    features = pa.array([dict(zip(FEATURES, row, strict=True)) for row in ROWS[:2]] + [None])
    table = pa.table({"oid": ["a", None, "c"], "features": features})
    result = lcclassify.classify_table(table, "toy", reference_nulls=True)
    rows = [(row["status"], row["features_found"]) for row in result.to_pylist()]
    assert rows == [("ok", 4), ("invalid_record", 0), ("missing_features", 0)]
    assert result["reason"].to_pylist()[2] == "the object has no features"
