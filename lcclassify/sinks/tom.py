"""A TOM as a sink: classifications by HTTP, as the DESC's TOM takes them from brokers.

A PUT carries a JSON list of records of ELAsTiCC's broker message. The TOM is a Django application:
whatever changes something needs the token of a cookie, and most need a user who has logged in.
"""

import json
import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
import pyarrow as pa

from lcclassify import __version__
from lcclassify.download.remote import TransientError
from lcclassify.download.web import retry_after, untrusted
from lcclassify.errors import OutputError
from lcclassify.grouped_log import GroupedLog
from lcclassify.sinks.records import records
from lcclassify.stream.secret import Secret
from lcclassify.urls import without_secrets

MOST = 1000  # records of a PUT
LOGIN = "/accounts/login/"
TOKEN = "csrftoken"  # the cookie
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
PATIENCE_S = 120.0  # without a record taken
START_S = 10.0  # before the first message is read
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0  # doubled each time, with jitter
DENIED = (401, 403)  # as by a session or a token that is over
FOR_NOW = (408, 425, 429)  # and all from 500 on
CRASHED = 500  # of a TOM that is ill, or that a record makes ill
CRASHES = 4  # after which the record is looked for
BAD = (400, 413, 422)  # something is wrong with a record, or there are too many
LEAST_REFUSED = 10  # records, and none taken: then it is not they that are wrong
MOST_WORDS = 200  # letters of what the TOM says
# As in Avro, where probabilities have single precision: both ways give the same numbers.
CLASSIFICATIONS = pa.list_(pa.struct([("classId", pa.int32()), ("probability", pa.float32())]))
Row = Mapping[str, Any]

log = logging.getLogger("lcclassify.stream")


class CrashError(TransientError):
    """The TOM itself failed."""


class RefusedError(Exception):
    """The TOM does not take a list because of what is in it, with a reason for people."""


class DeniedError(Exception):
    """The TOM wants a login, with a reason for people."""


class TomSink:
    """Records to a TOM, each at least once. OutputError if it takes none for ``patience_s``.

    A record that it refuses is logged and left out; the others of its list arrive.
    """

    def __init__(
        self,
        url: str,
        user: str | None = None,
        password: Secret | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.n_taken = self.n_refused = 0
        self._url, self._user, self._password = url, user, password
        self._patience_s, self._until = patience_s, math.inf
        self._faults = GroupedLog(log, "record")
        try:
            self._client = httpx.Client(
                timeout=TIMEOUT,
                follow_redirects=False,  # which would lose the list, or hand on the password
                headers={"User-Agent": f"lcclassify/{__version__}"},
            )
        except (ValueError, ImportError, OSError) as error:
            raise self._failed(f"the proxy or certificate settings are wrong: {error}") from None

    def __enter__(self) -> Self:
        """Log in, or fetch a token. OutputError if the TOM is not there, or lets nobody in."""
        self._wait_until(min(START_S, self._patience_s))
        try:
            self._persist(self._log_in)
        except OutputError:
            self._client.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.close()

    def write(self, table: pa.Table) -> int:
        """How many records the TOM refused, once it has taken all the others. OutputError"""
        place = table.schema.get_field_index("classifications")
        rounded = table["classifications"].cast(CLASSIFICATIONS)
        rows = records(table.set_column(place, "classifications", rounded))
        try:
            return self._write(rows)
        finally:
            self._faults.tell()

    def _write(self, rows: Sequence[Row]) -> int:
        before, refused_before = self.n_taken, self.n_refused
        self._wait_until(self._patience_s)
        suspects: list[Row] = []
        for start in range(0, len(rows), MOST):
            suspects += self._deliver(rows[start : start + MOST])
        for row in suspects:
            # That it fails at this one alone is known once it has taken another.
            crashes = CRASHES if self.n_taken > before else math.inf
            try:
                self._persist(partial(self._put, [row]), crashes)
            except CrashError as error:
                self._leave_out(row, str(error))
        return self.n_refused - refused_before

    def _deliver(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Hand over records; those that it failed at, each alone. OutputError"""
        try:
            self._persist(partial(self._put, rows), CRASHES)
        except (RefusedError, CrashError) as error:
            if len(rows) > 1:
                half = len(rows) // 2
                return [*self._deliver(rows[:half]), *self._deliver(rows[half:])]
            if isinstance(error, CrashError):
                return rows
            self._leave_out(rows[0], str(error))
        return []

    def _leave_out(self, row: Row, reason: str) -> None:
        self.n_refused += 1
        ids = f"alertId {row['alertId']}, diaSourceId {row['diaSourceId']}"
        what = f"cannot be delivered to {without_secrets(self._url)}"
        self._faults.add(what, ids, reason, level=logging.ERROR)
        if not self.n_taken and self.n_refused >= LEAST_REFUSED:
            raise self._failed(f"none of the first {self.n_refused} records is taken: {reason}")

    def _persist(self, act: Callable[[], None], crashes: float = math.inf) -> None:
        """Do something until it works. OutputError when that lasts; CrashError the nth time."""
        wait_s, n_crashes = FIRST_WAIT_S, 0
        while True:
            try:
                return act()
            except TransientError as error:
                n_crashes += isinstance(error, CrashError)
                if n_crashes >= crashes:
                    raise
                pause_s = max(wait_s * random.uniform(0.5, 1), error.retry_after_s or 0)
                if time.monotonic() + pause_s > self._until:
                    asks = f", and asks for {pause_s:.0f} s" if error.retry_after_s else ""
                    raise self._failed(f"given up: {error}{asks}") from None
                place = without_secrets(self._url)
                log.warning("%s: %s; again in %.1f s", place, error, pause_s)
            time.sleep(pause_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _wait_until(self, patience_s: float) -> None:
        self._until = time.monotonic() + patience_s

    def _put(self, rows: Sequence[Row]) -> None:
        """Hand over a list, with another login if it wants one."""
        try:
            self._put_once(rows)
        except DeniedError:
            self._log_in()
            try:
                self._put_once(rows)
            except DeniedError as error:
                advice = "" if self._user else "; set TOM_USERNAME and TOM_PASSWORD"
                raise self._failed(f"{error}{advice}") from None
        self.n_taken += len(rows)
        self._wait_until(self._patience_s)

    def _put_once(self, rows: Sequence[Row]) -> None:
        body = json.dumps(rows, allow_nan=False, separators=(",", ":"))
        kind = {"Content-Type": "application/json"}
        response = self._ask("PUT", self._url, content=body.encode(), headers=kind)
        if not response.is_success:
            raise self._fault(response)

    def _log_in(self) -> None:
        """Start a session. TransientError, OutputError"""
        page = urljoin(self._url, LOGIN)
        self._client.cookies.clear()
        response = self._ask("GET", page)
        if self._user is None or self._password is None:
            return  # with the token, if there is one
        if not response.is_success:
            raise self._final(self._fault(response))
        form = {
            "username": self._user,
            "password": self._password.reveal(),
            "csrfmiddlewaretoken": self._token() or "",
        }
        response = self._ask("POST", page, data=form)
        if response.is_success:  # the form again
            raise self._failed(f"user {self._user!r} or the password is wrong")
        if not response.is_redirect or LOGIN in response.headers["Location"]:
            raise self._final(self._fault(response))

    def _final(self, fault: Exception) -> Exception:
        """A fault of a login, which is final unless it passes."""
        is_known = isinstance(fault, TransientError | OutputError)
        return fault if is_known else self._failed(f"no login: {fault}")

    def _ask(self, method: str, url: str, **told: Any) -> httpx.Response:
        """A response, with the token. TransientError, OutputError"""
        headers = {"Referer": self._url, **told.pop("headers", {})}
        if token := self._token():
            headers["X-CSRFToken"] = token
        try:
            return self._client.request(method, url, headers=headers, **told)
        except httpx.TimeoutException:
            raise TransientError("it does not answer") from None
        except httpx.HTTPError as error:
            if reason := untrusted(error):
                raise self._failed(reason) from None
            said = str(error) or type(error).__name__
            raise TransientError(f"the connection failed: {said}") from None

    def _token(self) -> str | None:
        return next((one.value for one in self._client.cookies.jar if one.name == TOKEN), None)

    def _fault(self, response: httpx.Response) -> Exception:
        """What an answer that is no success means."""
        code = response.status_code
        said = f"it answers {code} {response.reason_phrase}".rstrip()
        if response.is_redirect:
            place = urljoin(self._url, response.headers["Location"])
            if LOGIN in urlsplit(place).path:
                return DeniedError("it wants a login")
            return self._failed(f"it is elsewhere: {without_secrets(place)}")
        if words := " ".join(response.text.split()):
            said += f" ({words[:MOST_WORDS]})"
        if code in DENIED:
            return DeniedError(said)
        if code in BAD:
            return RefusedError(said)
        if code == CRASHED:
            return CrashError(said)
        if code in FOR_NOW or code > CRASHED:
            return TransientError(said, retry_after(response.headers.get("Retry-After")))
        return self._failed(said)

    def _failed(self, reason: str) -> OutputError:
        return OutputError(f"cannot write to {without_secrets(self._url)}: {reason}")
