import json

import pytest

from lcclassify.avro import files
from lcclassify.avro.files import read_avsc


def record(name, **fields):
    made = [{"name": field, "type": kind} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": made}


@pytest.fixture
def write(tmp_path):
    """Writes a schema, or any text; returns its path."""

    def make(name, schema):
        path = tmp_path / f"{name}.avsc"
        path.write_text(schema if isinstance(schema, str) else json.dumps(schema))
        return path

    return make


def test_types_are_looked_for_beside_the_file(write):
    path = write("top", record("top", a="n.r", b="n.F"))
    write("n.r", record("n.r", x="F"))
    write("n.F", {"type": "fixed", "name": "n.F", "size": 2})
    found = read_avsc(path)
    assert found["fields"][0]["type"]["fields"][0]["type"]["size"] == 2
    assert found["fields"][1]["type"] == "n.F"


def test_no_file_elsewhere_is_looked_for(write, tmp_path):
    (tmp_path / "in").mkdir()
    write("secret", {"type": "fixed", "name": "../secret", "size": 2})
    path = write("in/top", record("top", a="../secret"))
    with pytest.raises(ValueError, match="it has no type ../secret"):
        read_avsc(path)


def test_a_chain_of_files_ends(write):
    for n in range(100):
        write(f"R{n}", record(f"R{n}", x=f"R{n + 1}"))
    with pytest.raises(ValueError, match="its schema is too deep"):
        read_avsc(write("top", record("top", a="R0")))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{", "top.avsc is no JSON"), ("[" * 200_000, "top.avsc is no JSON"), ("3", "int is no type")],
)
def test_what_is_no_schema(text, reason, write):
    with pytest.raises(ValueError, match=reason):
        read_avsc(write("top", text))


def test_a_file_that_is_too_large_is_not_read(write, monkeypatch):
    monkeypatch.setattr(files, "LIMIT", 10)
    with pytest.raises(ValueError, match="top.avsc is larger than 10 bytes"):
        read_avsc(write("top", " " * 11))
