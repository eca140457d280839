import json

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lcclassify.errors import InputError
from lcclassify.schemas import written
from lcclassify.schemas.avsc import MAX_BRANCHES, MAX_DEPTH, MAX_TYPES, parse_schema
from lcclassify.schemas.written import read_schemas, schema_columns


def record(**fields):
    made = [{"name": name, "type": kind} for name, kind in fields.items()]
    return {"type": "record", "name": "r", "fields": made}


def nested(levels):
    schema = "int"
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def test_types_are_described_in_words():
    inner = {"type": "enum", "name": "band", "symbols": ["g"]}
    kinds = ["null", {"type": "map", "values": ["null", inner]}, "n.r.band"]
    schema = parse_schema(json.dumps(record(x=kinds) | {"namespace": "n.r"}))
    assert str(schema) == "record r"
    assert str(schema.fields[0].type) == "null or map of (null or enum band) or enum band"
    assert schema.fields[0].type.parts[2].name == "n.r.band"


@pytest.mark.parametrize("name", ["band", "n.band"])
def test_a_name_is_that_of_its_namespace_or_of_none(name):
    band = {"type": "fixed", "name": "n.band", "size": 1}
    schema = parse_schema(json.dumps(record(x=band, y=name) | {"namespace": "n"}))
    assert schema.fields[0].type is schema.fields[1].type


CHAIN = {
    "type": "record",
    "name": "top",
    "fields": [
        {
            "name": f"f{n}",
            "type": {
                "type": "record",
                "name": f"r{n}",
                "fields": [{"name": "x", "type": f"r{n - 1}" if n else "int"}],
            },
        }
        for n in range(MAX_DEPTH)
    ],
}
BAD = {
    "empty": (b"", "it is no JSON: Expecting value: line 1 column 1 (char 0)"),
    "binary": (b"\xff\xfe\xfa", "it is no text in UTF-8"),
    "number": (b"3", "3 is no type"),
    "null": (b"null", "None is no type"),
    "deep text": (b"[" * 200_000, "it is too deep"),
    "deep types": (nested(MAX_DEPTH + 1), "it has types inside types beyond 64 levels"),
    "deep by names": (CHAIN, "it has types inside types beyond 64 levels"),
    "large": (record(**{f"f{n}": "int" for n in range(MAX_TYPES)}), "it has more than 50000 types"),
    "recursive": (record(x=["null", "r"]), "its type 'r' contains itself"),
    "unknown": (record(x="nothing"), "it has no type 'nothing'"),
    "twice": (record(x=record(), y="int"), "it defines type 'r' twice"),
    "two fields": (
        {"type": "record", "name": "r", "fields": [{"name": "x", "type": "int"}] * 2},
        "record 'r' has two fields of one name",
    ),
    "no fields": ({"type": "record", "name": "r", "fields": 3}, "'fields' is 3, not a list"),
    "no field": ({"type": "record", "name": "r", "fields": [3]}, "3 is no field"),
    "no name": ({"type": "record"}, "{'type': 'record'} has no 'name'"),
    "escape": (record(**{"a\x1b[31m": "int"}), r"'a\x1b[31m' is no name"),
    "no size": ({"type": "fixed", "name": "f", "size": -1}, "type 'f' has no size"),
    "unions": ([["int"]], "it has a union of nothing, or of unions"),
    "wide union": (["int"] * (MAX_BRANCHES + 1), "it has a union of more than 64 types"),
    "no union": ([], "it has a union of nothing, or of unions"),
    "no items": ({"type": "array"}, "{'type': 'array'} has no 'items'"),
    "no type": ({"name": "x"}, "None is no type"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_schema_is_one_sentence(case, tmp_path):
    content, reason = BAD[case]
    path = tmp_path / "bad.avsc"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(InputError) as error:
        read_schemas([str(path)])
    assert str(error.value) == f"{path} is no Avro schema that can be read: {reason}"


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(written, "LIMIT", 10)
    (tmp_path / "a.avsc").write_text(" " * 11)
    with pytest.raises(InputError, match="a.avsc is no Avro schema .*: it is larger than 10 bytes"):
        read_schemas([str(tmp_path)])


def test_a_type_is_looked_for_beside_the_file(tmp_path):
    (tmp_path / "top.avsc").write_text(json.dumps(record(x="n.other")))
    other = {"type": "enum", "namespace": "n", "name": "other", "symbols": ["a"]}
    (tmp_path / "n.other.avsc").write_text(json.dumps(other))
    [found] = read_schemas([str(tmp_path / "top.avsc")])
    assert found.schema.fields[0].type.symbols == ("a",)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (None, "it has no type 'n.other'"),
        ("[", "it is no JSON"),
        ('"int"', "the file of type 'n.other' defines 'int'"),
        ('{"type": "array", "items": "n.other"}', "beyond 64 levels"),
    ],
)
def test_a_file_beside_it_that_is_no_such_type(tmp_path, other, reason):
    (tmp_path / "top.avsc").write_text(json.dumps(record(x="n.other")))
    if other is not None:
        (tmp_path / "n.other.avsc").write_text(other)
    with pytest.raises(InputError, match=reason):
        read_schemas([str(tmp_path / "top.avsc")])


def test_no_file_elsewhere_is_looked_for(tmp_path):
    (tmp_path / "secret.avsc").write_text('{"type": "enum", "name": "../secret", "symbols": []}')
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "top.avsc").write_text(json.dumps(record(x="../secret")))
    with pytest.raises(InputError, match="it has no type '../secret'"):
        read_schemas([str(tmp_path / "in")])


@pytest.fixture
def container(tmp_path):
    path = tmp_path / "data.avro"
    with path.open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(record(x="int")), [{"x": 1}])
    return path


def test_a_file_cut_anywhere_is_one_sentence(container):
    whole = container.read_bytes()
    header_end = whole.index(whole[-16:]) + 16
    refused = 0
    for size in range(len(whole)):
        container.write_bytes(whole[:size])
        if size == header_end:  # a file without records, and whole
            assert read_schemas([str(container)])[0].schema.name == "r"
            continue
        with pytest.raises(InputError, match=r"data.avro is (not an Avro file|damaged: it ends)"):
            read_schemas([str(container)])
        refused += 1
    assert refused == len(whole) - 1


def test_a_length_in_a_header_takes_no_memory(container):
    container.write_bytes(b"Obj\x01\x02" + b"\xfe" + b"\xff" * 7 + b"\x7f" + b"x" * 100)
    with pytest.raises(InputError, match="data.avro is not an Avro file: its header is damaged"):
        read_schemas([str(container)])


def test_what_is_no_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="a.parquet is not a Parquet file"):
        read_schemas([str(tmp_path)])


def test_files_without_a_schema_have_none(tmp_path):
    pq.write_table(pa.table({"oid": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("oid\n1\n")
    assert [found.schema for found in read_schemas([str(tmp_path)])] == [None, None]


def test_columns_of_a_schema_are_those_of_its_data():
    features = record(a=["null", "double"], b="string") | {"name": "f"}
    schema = record(oid="string", features=["null", features])
    columns = schema_columns(parse_schema(json.dumps(schema)))
    assert columns == {"oid": pa.string(), "a": pa.float64(), "b": pa.string()}


def test_a_map_does_not_say_its_names():
    schema = record(features=["null", {"type": "map", "values": "float"}])
    with pytest.raises(ValueError, match="its features are a map: only data tell what is in it"):
        schema_columns(parse_schema(json.dumps(schema)))
