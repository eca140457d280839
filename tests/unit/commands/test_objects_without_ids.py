"""Objects without an id, in a database, which has no row for them."""

import json
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lcclassify.cli import main
from lcclassify.store import install
from lcclassify.testing import TOY_FEATURES as FEATURES

pytest.importorskip("sqlalchemy", reason="writing to databases needs lcclassify[sql]")
REASON = "an object without an id has no row in a database"
NO_OBJECT = ("0", "0.0", "", "null", "nan")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, model):
    """A working folder, and the model toy installed."""
    install(model.path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def classify(folder, ids, *options):
    rows = [",".join([oid, *["0.5"] * len(FEATURES)]) for oid in ids]
    lines = [",".join(["diaObjectId", *FEATURES]), *rows]
    (folder / "f.csv").write_text("\n".join(lines) + "\n")
    (folder / "q.sqlite").unlink(missing_ok=True)
    with pytest.raises(SystemExit) as stop:
        main(["classify-file", "f.csv", "--model", "toy", "--to", "q.sqlite", *options])
    assert stop.value.code == 0


def objects(folder):
    connection = sqlite3.connect(folder / "q.sqlite")
    found = {oid for (oid,) in connection.execute("SELECT diaObjectId FROM probability")}
    connection.close()
    return found


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    ids=st.lists(st.sampled_from([*NO_OBJECT, "17", "18"]), min_size=1),
    options=st.sampled_from([(), ("--top", "1"), ("--batch-size", "2")]),
)
def test_the_rows_of_the_database_and_what_is_left_out_are_all_objects(
    folder, capsys, ids, options
):
    classify(folder, ids, "--json", *options)
    told = json.loads(capsys.readouterr().out)
    n_without = sum(oid in NO_OBJECT for oid in ids)
    assert told["left_out"] == ({REASON: n_without} if n_without else {})
    assert told["objects"] == len(ids)
    assert objects(folder) == set(ids) - set(NO_OBJECT)


def test_they_are_told(folder, capsys):
    classify(folder, ["0", "17", ""])
    assert f"no record for 2 objects: {REASON}\n" in capsys.readouterr().err
    assert objects(folder) == {"17"}
