"""A table in a database, in which the newest answer about an object replaces the one before."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import pyarrow as pa

from lcclassify.errors import OutputError
from lcclassify.urls import without_secrets

try:
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql, sqlite
except ModuleNotFoundError:
    raise OutputError(
        "writing to a database needs SQLAlchemy: pip install 'lcclassify[sql]'"
    ) from None

TABLE = "probability"  # unless the URL has ?table=
TIDY = {"classifier_name", "class_name", "probability", "ranking"}  # and the id, which is first
INSERTS: dict[str, Callable[..., Any]] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
LOCKS = {
    "postgresql": "SELECT pg_advisory_xact_lock(7089836)",  # any number: all writers' own
    "sqlite": "BEGIN IMMEDIATE",  # not at the first change, where who has to wait is refused
}
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
CONNECT_TIMEOUT_S = "10"
NO_ID = "an object without an id has no row in a database"
NO_IDS = (None, "")  # all objects without one would be the same
KINDS = (
    (pa.types.is_integer, sa.BigInteger, (sa.Integer,)),
    (pa.types.is_floating, sa.Double, (sa.Float, sa.Numeric)),
    (pa.types.is_string, sa.Text, (sa.String,)),
)  # of a column in Arrow, as it is made, as it may be found


class SqlSink:
    """Rows per object and class, in SQLite or PostgreSQL, by (object, classifier, class).

    A flush is one transaction: seen whole or not at all, and kept whatever comes after it. It
    replaces all that the same classifier said before of the same objects, whichever version said
    it. An object without an answer has one row, whose class is null; a row without an id, which
    nothing could replace, is left out and counted.
    """

    def __init__(self, to: str) -> None:
        self.name = without_secrets(to)
        url = self._url(to)
        self._table_name = str(url.query.get("table", TABLE))
        self._secret = str(url.password or url.query.get("password") or "")
        self._is_file = url.get_backend_name() == "sqlite"
        self._connection: sa.Connection | None = None
        self._pending: list[pa.Table] = []
        self._table: sa.Table | None = None
        self.left_out: Counter[str] = Counter()  # reason -> objects without a row
        try:
            self._engine = sa.create_engine(
                url.difference_update_query(["table"]),
                # Otherwise Python's module starts transactions late: not before CREATE TABLE.
                connect_args={"isolation_level": None} if self._is_file else {},
            )
        except ModuleNotFoundError:
            raise OutputError(
                "writing to PostgreSQL needs psycopg: pip install 'lcclassify[sql]'"
            ) from None
        # One writer at a time: two that replace the same objects would wait for each other.
        lock = LOCKS[self._engine.dialect.name]
        sa.event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql(lock))

    def __enter__(self) -> Self:
        if not self._is_file:  # an empty one would stay behind if nothing came
            self._connect()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if exc[0] is None:
                self.flush()
        finally:
            with suppress(sa.exc.SQLAlchemyError):  # nobody is there any more to say goodbye to
                if self._connection:
                    self._connection.close()
            self._engine.dispose()

    def write(self, table: pa.Table, /) -> None:
        """Take rows; all those of an object come in one table."""
        if not set(table.column_names) >= TIDY:
            raise OutputError(f"{self.name} takes a row per object and class: add --tidy")
        self._pending.append(table)

    def flush(self) -> None:
        """Write what came, in one transaction."""
        if not self._pending:
            return
        new = pa.concat_tables(self._pending)
        id_name, *others = new.column_names
        answers = _answers(new)
        connection = self._connection or self._connect()
        with self._output_errors(), connection.begin():
            if self._table is None:
                self._table = self._find(connection, new.schema)
            key = [self._table.c[name] for name in (id_name, "classifier_name")]
            old = sa.delete(self._table).where(
                key[0] == sa.bindparam("object"), key[1] == sa.bindparam("classifier")
            )
            insert = INSERTS[self._engine.dialect.name](self._table)
            upsert = insert.on_conflict_do_update(
                index_elements=_key(id_name),
                set_={name: insert.excluded[name] for name in others},
            )
            if answers:
                connection.execute(old, [{"object": o, "classifier": c} for o, c in answers])
                connection.execute(upsert, [row for rows in answers.values() for row in rows])
        self._pending.clear()
        self.left_out[NO_ID] += _count_without_id(new)

    def _connect(self) -> sa.Connection:
        with self._output_errors():
            self._connection = self._engine.connect()
        return self._connection

    def _url(self, to: str) -> sa.URL:
        if "://" not in to:
            return sa.URL.create("sqlite", database=to)
        try:
            url = sa.make_url(to)
        except (sa.exc.ArgumentError, ValueError):
            url = None
        if url is None or "@" in (url.host or ""):
            raise OutputError(
                f"cannot understand {self.name}; expected postgresql://USER:PASSWORD@HOST/DATABASE "
                "with %40 for an @ in the password, or sqlite:///FILE"
            )
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        if url.get_backend_name() not in INSERTS:
            raise OutputError(f"cannot write to {self.name}: choose {' or '.join(INSERTS)}")
        if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": CONNECT_TIMEOUT_S})
        return url

    def _find(self, connection: sa.Connection, schema: pa.Schema) -> sa.Table:
        """The table, made if it is not there. OutputError if another of its name is."""
        key = _key(schema.names[0])
        columns = [
            sa.Column(field.name, _type(field), nullable=field.name not in key[:2])
            for field in schema
        ]
        table = sa.Table(self._table_name, sa.MetaData(), *columns, sa.UniqueConstraint(*key))
        there = sa.inspect(connection)
        if not there.has_table(self._table_name):
            table.create(connection)
            return table
        found = {column["name"]: column["type"] for column in there.get_columns(self._table_name)}
        for column in table.columns:
            if column.name not in found or not _holds(found[column.name], column.type):
                raise self._other(f"column {column.name} is {found.get(column.name, 'not there')}")
        if more := found.keys() - set(schema.names):
            raise self._other(f"it has columns {', '.join(sorted(more))}")
        unique = [u["column_names"] for u in there.get_unique_constraints(self._table_name)]
        unique.append(there.get_pk_constraint(self._table_name)["constrained_columns"])
        if set(key) not in map(set, unique):
            raise self._other(f"it is not unique by {', '.join(key)}")
        return table

    def _other(self, what: str) -> OutputError:
        return OutputError(
            f"the table {self._table_name} in {self.name} is another one: {what}; "
            "name a new table with ?table=NAME at the end of the URL"
        )

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._error(error.orig) from None
        except (sa.exc.SQLAlchemyError, OverflowError) as error:
            raise self._error(error) from None

    def _error(self, error: BaseException | None) -> OutputError:
        reason = " ".join(str(error).split())
        if "database is locked" in reason:
            reason = "another program has it locked"
        if self._secret:
            reason = reason.replace(self._secret, "***")
        return OutputError(f"cannot write to {self.name}: {reason}")


def _answers(table: pa.Table) -> dict[tuple[Any, str], list[dict[str, Any]]]:
    """The rows of each object and classifier; the last ones of an object that came twice."""
    id_name = table.column_names[0]
    answers: dict[tuple[Any, str], list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        key = row[id_name], row["classifier_name"]
        if row[id_name] in NO_IDS:
            continue
        if row["ranking"] in (None, 1):  # an answer begins
            answers[key] = []
        answers.setdefault(key, []).append(row)
    return answers


def _count_without_id(table: pa.Table) -> int:
    """How many objects have none; without it there is no answer either, so each is a row."""
    return sum(object_id in NO_IDS for object_id in table.column(0).to_pylist())


def _key(id_name: str) -> list[str]:
    return [id_name, "classifier_name", "class_name"]


def _type(field: pa.Field) -> sa.types.TypeEngine[Any]:
    for holds, kind, _ in KINDS:
        if holds(field.type):
            return kind()
    raise OutputError(f"no column of a database holds {field.name}: it is {field.type}")


def _holds(found: sa.types.TypeEngine[Any], kind: sa.types.TypeEngine[Any]) -> bool:
    return any(isinstance(kind, made) and isinstance(found, as_) for _, made, as_ in KINDS)
