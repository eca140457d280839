"""validate-schema without a model, and beside another schema; with one: test_other_commands.py."""

import json

import fastavro
import pytest

from lcclassify.cli import main
from lcclassify.schemas.avro import read_avsc

SCRIBE_DATA = {"payload": "{}"}


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main(["validate-schema", *map(str, argv)])
    return stop.value.code


@pytest.fixture
def write(tmp_path):
    """Writes an .avsc (without data) or an .avro."""

    def make(name, schema, *data):
        path = tmp_path / name
        if name.endswith(".avsc"):
            path.write_text(json.dumps(schema))
        else:
            with path.open("wb") as file:
                fastavro.writer(file, fastavro.parse_schema(schema), data)
        return path

    return make


def record(**fields):
    made = [{"name": name, "type": kind} for name, kind in fields.items()]
    return {"type": "record", "name": "r", "fields": made}


def test_a_known_schema_is_named(write, capsys):
    path = write("commands.avro", read_avsc("scribe"), SCRIBE_DATA)
    assert run(path) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{path}: scribe exactly, commands for ALeRCE's scribe\n", "")


def test_several_files_of_one_schema_are_one_line(write, capsys, tmp_path):
    for name in ("a", "b", "c"):
        path = write(f"{name}.avro", read_avsc("scribe"), SCRIBE_DATA)
    assert run(tmp_path) == 0
    first = path.with_name("a.avro")
    out = capsys.readouterr().out
    assert out == f"{first} and 2 more: scribe exactly, commands for ALeRCE's scribe\n"


def test_the_nearest_schema_comes_with_a_table(write, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    schema = read_avsc("elasticc-v0_9")
    schema["fields"][0]["type"] = "string"
    path = write("old.avsc", schema)
    assert run(path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"{path}: none of the known schemas; the nearest is elasticc-v0_9, "
        "classifications of ELAsTiCC v0_9"
    )
    assert [line.split() for line in lines[1:]] == [
        ["when", "read", "field", "difference"],
        ["fails", "alertId", "other", "type:", "string", "instead", "of", "long"],
    ]


def test_a_file_like_none_of_them(write, capsys):
    path = write("x.avsc", record(x="int"))
    assert run(path) == 1
    assert capsys.readouterr().out == (
        f"{path}: like none of the known schemas; --model says whether a model can read it\n"
    )


@pytest.mark.parametrize(
    ("kind", "code", "sentence"),
    [
        ("int", 0, "can be read as NEW, and nothing is lost"),
        ("long", 0, "can be read as NEW, with losses"),
        (["int", "null"], 1, "cannot always be read as NEW"),
        ("string", 1, "cannot be read as NEW"),
    ],
)
def test_whether_data_can_be_read_with_another_schema(write, capsys, kind, code, sentence):
    old, new = write("old.avsc", record(x=kind)), write("new.avsc", record(x="double"))
    assert run(old, "--read-as", new) == code
    out = capsys.readouterr().out
    assert out.splitlines()[0] == f"{old}: {sentence.replace('NEW', str(new))}"


def test_json_has_all_of_it(write, capsys):
    old, new = write("old.avsc", record(x="long")), write("new.avro", record(x="double"), {"x": 1})
    assert run(old, "--read-as", new, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "schemas": [
            {
                "files": [str(old)],
                "schema": str(new),
                "readable": True,
                "effect": "loses",
                "differences": [
                    {
                        "path": "x",
                        "state": "other type",
                        "effect": "loses",
                        "written": "long",
                        "wanted": "double",
                        "note": "integers above 2**53 are rounded",
                    }
                ],
            }
        ]
    }


def test_a_known_schema_may_be_the_one_to_read_with(write, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = write("old.avsc", read_avsc("elasticc-v0_9_1"))
    assert run(path, "--read-as", "elasticc-v0_9") == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{path}: cannot be read as elasticc-v0_9\n")
    assert "other name: record brokerClassfication instead of record brokerClassification" in out


def test_a_model_and_the_schema_of_its_messages(write, model, capsys):
    features = {"type": "record", "name": "f", "fields": []}
    features["fields"] = [{"name": f.name, "type": ["null", "float"]} for f in model.features]
    path = write("messages.avsc", record(oid="string", features=["null", features]))
    assert run(path, "--model", model.path) == 0
    assert capsys.readouterr().err == "toy@1.0: satisfied (4 present); object id: oid\n"


def test_a_model_with_messages_of_a_known_schema(write, model, capsys):
    path = write("commands.avro", read_avsc("scribe"), SCRIBE_DATA)
    assert run(path, "--model", model.path, "--id", "payload") == 1
    assert capsys.readouterr().err == (
        "toy@1.0: NOT satisfied (4 missing); object id: payload\n"
        f"{path}: scribe exactly, commands for ALeRCE's scribe\n"
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["none.avro"], "cannot read none.avro: No such file or directory"),
        (["none.csv"], "cannot read none.csv: No such file or directory"),
        (
            ["t.csv", "--read-as", "scribe"],
            "t.csv carries no Avro schema; .avsc, .avro and published .parquet do",
        ),
        (
            ["x.avsc", "--read-as", "new"],
            "there is no schema 'new': choose from feature-step-2023, feature-step-map, "
            "feature-step-ztf-178, feature-step-ztf-209, alerce, alerce-map, elasticc-v0_9, "
            "elasticc-v0_9_1, scribe, or name a file",
        ),
        (["x.avsc", "--read-as", "."], ". is 2 files; --read-as takes the schema of one"),
        (
            ["x.avsc", "t.csv", "--model", "plasticc"],
            "with --model, name one .avsc file, without --columns and --join, or data",
        ),
        (
            ["map.avsc", "--model", "plasticc"],
            "map.avsc: its features are a map: only data tell what is in it",
        ),
    ],
)
def test_bad_input_is_one_sentence(write, tmp_path, monkeypatch, capsys, argv, sentence):
    monkeypatch.chdir(tmp_path)
    write("x.avsc", record(x="int"))
    if "map.avsc" in argv:
        write("map.avsc", record(features={"type": "map", "values": "float"}))
    (tmp_path / "t.csv").write_text("oid\n1\n")
    assert run(*argv) == 3
    assert capsys.readouterr() == ("", f"lcclassify: {sentence}\n")
