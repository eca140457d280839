"""What a stream tells of itself while it runs, and who listens."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lcclassify.stream.message import Message, Work

Partition = tuple[str, int]  # topic and number


@dataclass(slots=True)
class Counts:
    """What a stream has done so far."""

    n_messages: int = 0  # handled
    n_batches: int = 0
    n_skipped: int = 0  # messages at fault, without a result: each was logged
    n_repeated: int = 0  # batches that were answered again
    statuses: Counter[str] = field(default_factory=Counter)  # of objects

    def add(self, n_messages: int, work: Work) -> None:
        """Count one batch that was delivered."""
        self.n_messages += n_messages
        self.n_batches += 1
        self.n_skipped += work.n_skipped
        self.statuses.update(work.statuses)


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to tell of a batch that was delivered."""

    messages: Sequence[Message]
    work: Work
    counts: Counts  # of the run, this batch among them; it goes on changing
    seconds: Mapping[str, float]  # gather (the wait for messages), answer, deliver
    delivered_at: float  # s since 1970 (UTC)
    lag: Mapping[Partition, int]  # messages that wait, as far as the client has heard


@dataclass(frozen=True, slots=True)
class ShadowState:
    """How a second model does beside the first; numbers are of messages of the whole run."""

    model: str  # its name and version
    n_messages: int  # that both models answered
    n_agree: int  # of these: with the same most probable class
    n_dropped: int  # that it did not get, as it was behind or not there
    n_failed: int  # that it died of
    is_alive: bool  # whether it can take messages
    delay_s: float  # from the delivery of the first's last compared batch to its own
    pairs: Mapping[tuple[str | None, str | None], int]  # the classes of both; None: no answer


class Observer(Protocol):
    """Is told what happens, in the thread of the loop: it must be quick, and raise nothing."""

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are ours now, and no others."""

    def alive(self) -> None:
        """The loop goes round, with or without messages; every few seconds."""

    def delivered(self, report: Report) -> None:
        """A batch counts as handled."""

    def repeated(self, n_messages: int, reason: str) -> None:
        """A batch did not count and is looked at again."""

    def shadow(self, state: ShadowState) -> None:
        """How the shadow does; after every batch."""


class Observers:
    """Several as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.assigned(partitions)

    def alive(self) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.alive()

    def delivered(self, report: Report) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.delivered(report)

    def repeated(self, n_messages: int, reason: str) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.repeated(n_messages, reason)

    def shadow(self, state: ShadowState) -> None:
        """Tell all."""
        for observer in self._observers:
            observer.shadow(state)


NOBODY = Observers()
