"""Whether a stream is alive, and whether it is ready; else why not."""

import time
from collections.abc import Callable
from threading import Event

from lcclassify.stream.report import Observer, Partition, Report

HUNG_S = 600.0  # longer than all that one round of the loop may wait for brokers


class Health(Observer):
    """Asked by the threads of the HTTP server while the loop tells it what happens.

    Alive: the loop goes round; until it begins, which may take a download, nobody is in a hurry.
    Ready: from the first assignment on, also of no partition at all (a spare member does what it
    should), until the first signal. A batch that takes hours does not make it less so.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._obstacle: str | None = "model, brokers and topics are being checked"
        self._seen_at: float | None = None
        self._stop = Event()

    def begins(self, stop: Event) -> None:
        """The loop is about to begin, and ends when ``stop`` is set."""
        self._stop, self._seen_at = stop, self._clock()
        self._obstacle = "the group has not assigned partitions yet"

    def ended(self) -> None:
        """The loop is over."""
        self._seen_at, self._obstacle = None, "the stream has ended"

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Ready."""
        self._obstacle = None

    def alive(self) -> None:
        """The loop was here."""
        self._seen_at = self._clock()

    def delivered(self, report: Report) -> None:
        """The loop was here."""
        self._seen_at = self._clock()

    @property
    def fault(self) -> str | None:
        """Why it is not alive; None if it is."""
        seen_at = self._seen_at
        if seen_at is None or (silent_s := self._clock() - seen_at) <= HUNG_S:
            return None
        return f"nothing was heard of the loop for {silent_s:.0f} s"

    @property
    def obstacle(self) -> str | None:
        """Why it is not ready; None if it is."""
        if self._stop.is_set():
            return "the stream is stopping"
        return self._obstacle or self.fault
