"""A file elsewhere, the ways to read it, and how patient to be with those who have it."""

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from lcclassify.errors import DownloadError
from lcclassify.urls import without_secrets

if TYPE_CHECKING:
    from tenacity import RetryCallState

CHUNK = 1 << 18  # bytes
WRITTEN_SO = "/:@!$'()*+,;=~"  # what stays as it is in the path of a URL; % is written anew

Value = TypeVar("Value")


class AbsentError(Exception):
    """There is no such file, or none for us; another address may have it."""


class TransientError(Exception):
    """It failed this time, with a reason for people."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class StaleError(TransientError):
    """What is here belongs to another state of the file: start anew."""


class Remote(NamedTuple):
    """One file as its server describes it."""

    url: str  # with whatever it takes to get it
    size: int | None  # bytes, where the server says
    validator: str | None  # changes when the content does; None: the server gives none

    @property
    def place(self) -> str:
        """Where it is, for people and records."""
        return without_secrets(self.url)


class Answer(NamedTuple):
    """Content of a file from some byte on."""

    start: int  # the byte that the chunks begin with: the one asked for, or 0
    remote: Remote  # the file as it is now
    chunks: Iterator[bytes]


class Transport(Protocol):
    """A way to files. Raises AbsentError, TransientError and DownloadError only."""

    def look(self, url: str, /) -> Remote:
        """What is there."""
        ...

    def read(self, remote: Remote, start: int, /) -> AbstractContextManager[Answer]:
        """Its bytes from ``start`` on, if it is still what ``remote`` says; otherwise all of it."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait and how often to ask again."""

    timeout_s: float = 30.0  # without a byte
    retries: int = 5  # in a row without any progress
    first_wait_s: float = 1.0  # doubled each time, with jitter
    longest_wait_s: float = 300.0  # a server that asks for more is not waited for
    connections: int = 8


@dataclass(frozen=True, slots=True)
class Persistence:
    """Asks again, until it is told to stop."""

    patience: Patience
    stop: Event
    say: Callable[[str], None]

    def run(self, act: Callable[[], Value], progress: Callable[[], int] = lambda: 0) -> Value:
        """Do something again while it fails for now, until that many times in a row.

        ``progress`` is a number that grows with what was achieved: then the count starts anew.
        """
        from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event

        achieved, failures = progress(), 0

        def attempt() -> Value:
            nonlocal achieved, failures
            try:
                return act()
            except TransientError:
                failures = 1 if progress() > achieved else failures + 1
                achieved = max(achieved, progress())
                raise

        def is_enough(_: RetryCallState) -> bool:
            return failures > self.patience.retries or self.stop.is_set()

        def wait(state: RetryCallState) -> float:
            first = self.patience.first_wait_s  # not tenacity's: it never counts anew
            growing = first * 2.0 ** min(failures - 1, 6) + random.uniform(0, first)
            return max(growing, _error(state).retry_after_s or 0)

        def tell(state: RetryCallState) -> None:
            self.say(f"{_error(state)}; again in {state.upcoming_sleep:.0f} s")

        retrying = Retrying(
            stop=is_enough,
            wait=wait,
            sleep=sleep_using_event(self.stop),
            before_sleep=tell,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        return retrying(attempt)


def _error(state: "RetryCallState") -> TransientError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, TransientError) else TransientError("")


def below(url: str, name: str) -> str:
    """The URL of a file in the folder at ``url``; a query, which may be a signature, stays."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/{quote(name, safe=WRITTEN_SO)}"
    return urlunsplit(parts._replace(path=path))


def failed(url: str, reason: str) -> DownloadError:
    """The sentence for a file that cannot be had."""
    return DownloadError(f"cannot download {without_secrets(url)}: {reason}")
