import sqlite3
import subprocess
import sys

import pyarrow as pa
import pytest

from lcclassify.errors import OutputError
from lcclassify.sinks import is_database, open_sink
from lcclassify.testing import SinkContract

pytest.importorskip("sqlalchemy", reason="writing to databases needs lcclassify[sql]")
from lcclassify.sinks.sql import NO_ID

NAMES = ("oid", "classifier_name", "classifier_version", "class_name", "probability", "ranking")


def tidy(*rows):
    """Rows of (oid, classifier_name, classifier_version, class_name, probability, ranking)."""
    types = [*[pa.string()] * 4, pa.float64(), pa.int64()]
    columns = zip(*rows, strict=True) if rows else [[]] * 6
    return pa.table(
        {
            name: pa.array(column, kind)
            for name, column, kind in zip(NAMES, columns, types, strict=True)
        }
    )


ANSWER = tidy(
    ("ZTF1", "toy", "1", "RRL", 0.75, 1),
    ("ZTF1", "toy", "1", "CEP", 0.25, 2),
    ("ñandú\n😀", "toy", "1", None, None, None),
)


def put(path, *tables):
    with open_sink(str(path)) as sink:
        for table in tables:
            sink.write(table)


def rows(path, sql="SELECT * FROM probability"):
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        found = list(map(dict, connection.execute(sql)))
    connection.close()
    return sorted(found, key=lambda row: (row["oid"], row["ranking"] or 0))


def error_of(call, *arguments):
    with pytest.raises(OutputError) as error:
        call(*arguments)
    return str(error.value)


class TestSqlite(SinkContract):
    TABLE = ANSWER

    @pytest.fixture
    def sink(self, tmp_path):
        return open_sink(str(tmp_path / "out.sqlite"))

    def read_back(self, tmp_path):
        return rows(tmp_path / "out.sqlite")

    def test_rows_arrive_in_order(self, sink, tmp_path):
        """In a table in which each replaces the one before: there is no other order."""
        with sink:
            sink.write(self.TABLE)
            sink.write(self.TABLE.slice(2))
            sink.flush()
        assert self.read_back(tmp_path) == self.TABLE.to_pylist()


def test_the_same_answer_twice_is_there_once(tmp_path):
    for _ in range(2):
        put(tmp_path / "out.db", ANSWER)
    assert rows(tmp_path / "out.db") == ANSWER.to_pylist()


def test_a_new_answer_replaces_the_old_one_as_a_whole(tmp_path):
    newer = tidy(("ZTF1", "toy", "2", "EB", 1.0, 1), ("ñandú\n😀", "toy", "2", "RRL", 1.0, 1))
    put(tmp_path / "out.db", ANSWER)
    put(tmp_path / "out.db", newer)
    assert rows(tmp_path / "out.db") == newer.to_pylist()


def test_other_objects_and_other_classifiers_stay(tmp_path):
    other = tidy(("ZTF1", "other", "1", "RRL", 1.0, 1), ("ZTF2", "toy", "1", "RRL", 1.0, 1))
    put(tmp_path / "out.db", ANSWER, other)
    assert len(rows(tmp_path / "out.db")) == 5


@pytest.mark.parametrize("split", [0, 2])
def test_the_last_answer_about_an_object_counts(tmp_path, split):
    twice = tidy(
        *(("ZTF1", "toy", "1", "RRL", 0.75, 1), ("ZTF1", "toy", "1", "CEP", 0.25, 2)),
        ("ZTF1", "toy", "1", "EB", 1.0, 1),
    )
    put(tmp_path / "out.db", twice.slice(0, split), twice.slice(split))
    assert rows(tmp_path / "out.db") == twice.slice(2).to_pylist()


def test_rows_without_an_id_are_left_out_and_counted_when_written(tmp_path):
    nothing = ("toy", "1", None, None, None)
    with open_sink(str(tmp_path / "out.db")) as sink:
        for ids in [(None, "", "a"), (None,)]:
            sink.write(tidy(*((oid, *nothing) for oid in ids)))
        assert not sink.left_out
        sink.flush()
        sink.write(tidy((None, *nothing)))
        sink.flush()
    assert sink.left_out == {NO_ID: 4}
    assert rows(tmp_path / "out.db") == tidy(("a", *nothing)).to_pylist()


def test_an_id_of_0_has_its_row(tmp_path):
    table = ANSWER.set_column(0, "star", pa.array([0, 0, 1]))
    with open_sink(str(tmp_path / "out.db")) as sink:
        sink.write(table)
    assert not sink.left_out.total()
    with sqlite3.connect(tmp_path / "out.db") as connection:
        assert list(connection.execute("SELECT count(*) FROM probability")) == [(3,)]
    connection.close()


def test_integer_ids_stay_integers(tmp_path):
    table = ANSWER.set_column(0, "diaObjectId", pa.array([2**62, 2**62, 2**62 + 1]))
    put(tmp_path / "out.db", table)
    with sqlite3.connect(tmp_path / "out.db") as connection:
        ids = list(connection.execute("SELECT DISTINCT diaObjectId FROM probability ORDER BY 1"))
    connection.close()
    assert ids == [(2**62,), (2**62 + 1,)]


def test_nothing_of_a_failed_flush_is_there(tmp_path):
    put(tmp_path / "out.db", ANSWER)
    broken = tidy(
        ("ZTF0", "toy", "1", "RRL", 1.0, 1),
        ("ZTF1", "toy", "1", "RRL", 1.0, 1),
        ("ZTF1", "toy", "1", "EB", 0.0, None),
    )
    broken = broken.set_column(5, "ranking", pa.array([1, 1, 2**63], pa.uint64()))
    assert "too large" in error_of(put, tmp_path / "out.db", broken)
    assert rows(tmp_path / "out.db") == ANSWER.to_pylist()


def test_an_error_outside_keeps_what_was_flushed_and_nothing_else(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_sink(str(tmp_path / "out.db")) as sink:
        sink.write(ANSWER)
        sink.flush()
        sink.write(tidy(("ZTF2", "toy", "1", "RRL", 1.0, 1)))
        raise KeyboardInterrupt
    assert rows(tmp_path / "out.db") == ANSWER.to_pylist()


def test_a_run_that_fails_at_once_leaves_no_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_sink(str(tmp_path / "out.db")):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_wide_table_is_refused_with_the_way_out(tmp_path):
    wide = pa.table({"oid": ["a"], "class": ["RRL"]})
    assert error_of(put, tmp_path / "out.db", wide) == (
        f"{tmp_path}/out.db takes a row per object and class: add --tidy"
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("oid TEXT", "column classifier_name is not there"),
        ("oid INTEGER, {rest}", "column oid is INTEGER"),
        ("oid TEXT, {rest}, more TEXT", "it has columns more"),
        ("oid TEXT, {rest}", "it is not unique by oid, classifier_name, class_name"),
    ],
)
def test_a_table_of_another_kind_is_left_alone(tmp_path, made, message):
    rest = "classifier_name TEXT, classifier_version TEXT, class_name TEXT, " + (
        "probability DOUBLE, ranking BIGINT"
    )
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute(f"CREATE TABLE probability ({made.format(rest=rest)})")
    connection.close()
    assert error_of(put, tmp_path / "out.db", ANSWER) == (
        f"the table probability in {tmp_path}/out.db is another one: {message}; "
        "name a new table with ?table=NAME at the end of the URL"
    )
    put(f"sqlite:///{tmp_path}/out.db?table=ours", ANSWER)
    assert rows(tmp_path / "out.db", "SELECT * FROM ours") == ANSWER.to_pylist()


def test_a_table_keyed_by_its_primary_key_will_do(tmp_path):
    columns = "oid TEXT, classifier_name TEXT, classifier_version TEXT, class_name TEXT"
    key = "PRIMARY KEY (oid, classifier_name, class_name)"
    with sqlite3.connect(tmp_path / "out.db") as connection:
        connection.execute(
            f"CREATE TABLE probability ({columns}, probability REAL, ranking INTEGER, {key})"
        )
    connection.close()
    put(tmp_path / "out.db", ANSWER.slice(0, 2))
    assert len(rows(tmp_path / "out.db")) == 2


def test_a_locked_database_is_one_sentence(tmp_path):
    put(tmp_path / "out.db", ANSWER)
    connection = sqlite3.connect(tmp_path / "out.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    url = f"sqlite:///{tmp_path}/out.db?timeout=0.1"
    assert error_of(put, url, ANSWER) == (
        f"cannot write to sqlite:///{tmp_path}/out.db: another program has it locked"
    )
    connection.close()


def test_files_that_cannot_be_written_are_one_sentence(tmp_path):
    put(tmp_path / "out.db", ANSWER)
    read_only = f"sqlite:///file:{tmp_path}/out.db?mode=ro&uri=true"
    assert error_of(put, read_only, ANSWER).endswith(": attempt to write a readonly database")
    (tmp_path / "text.db").write_text("a text, and no database\n" * 100)
    assert error_of(put, tmp_path / "text.db", ANSWER) == (
        f"cannot write to {tmp_path}/text.db: file is not a database"
    )
    assert error_of(put, tmp_path / "no" / "out.db", ANSWER) == (
        f"cannot write to {tmp_path}/no/out.db: unable to open database file"
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://user:secret@host/db", "cannot write to mysql://host/db: choose postgresql or"),
        ("nothing://host/db", "cannot write to nothing://host/db: choose postgresql or sqlite"),
        ("postgresql://user:sec@ret@host/db", "cannot understand postgresql://host/db; expected"),
        ("postgresql://user:secret@host:port/db", "cannot understand postgresql://...; expected"),
    ],
)
def test_urls_that_are_not_understood_show_no_secrets(url, message):
    error = error_of(open_sink, url)
    assert error.startswith(message)
    assert "ret" not in error


def test_what_is_a_database():
    assert is_database("postgresql://host/db")
    assert is_database("out.sqlite")
    assert not is_database("out.csv")


@pytest.mark.parametrize(
    ("package", "to", "message"),
    [
        ("sqlalchemy", "out.db", "writing to a database needs SQLAlchemy"),
        ("psycopg", "postgresql://host/db", "writing to PostgreSQL needs psycopg"),
    ],
)
def test_a_missing_package_is_named(package, to, message):
    code = f"""
import sys
sys.modules[{package!r}] = None
from lcclassify.errors import OutputError
from lcclassify.sinks import open_sink
try:
    open_sink({to!r})
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{message}: pip install 'lcclassify[sql]'\n"
