"""What a stream tells of itself while it runs, and who listens."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from logging import getLogger

from lcclassify.remarks import Remarks, add_remarks
from lcclassify.stream.message import Message, Work

Partition = tuple[str, int]  # topic and number
OUTCOMES = ("answered", "dead", "skipped")  # of messages; each is handled by one of them

log = getLogger("lcclassify.stream")


@dataclass(slots=True)
class Counts:
    """What a stream has done so far."""

    n_messages: int = 0  # handled
    n_answered: int = 0  # of these, those with a result
    n_dead: int = 0  # those that became dead letters
    n_skipped: int = 0  # those with neither
    n_batches: int = 0
    n_repeated: int = 0  # batches that were answered again
    statuses: Counter[str] = field(default_factory=Counter)  # of objects
    remarks: Remarks = field(default_factory=Counter)

    def add(self, n_messages: int, work: Work) -> None:
        """Count one batch that was delivered."""
        self.n_messages += n_messages
        self.n_batches += 1
        self.n_answered += work.n_answered
        self.n_dead += work.n_dead
        self.n_skipped += work.n_skipped
        self.statuses.update(work.statuses)
        add_remarks(self.remarks, work.remarks)


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to tell of a batch that was delivered."""

    messages: Sequence[Message]
    work: Work
    counts: Counts  # of the run, this batch among them; it goes on changing
    seconds: Mapping[str, float]  # gather (the wait for messages), answer, deliver
    delivered_at: float  # s since 1970 (UTC)
    lag: Mapping[Partition, int]  # messages that wait, as far as the client has heard

    def delays(self) -> list[float]:
        """From the timestamp of each message that has one until now, in s; clocks may differ."""
        now = 1000 * self.delivered_at
        stamps = (message.timestamp for message in self.messages)
        return [max(0.0, now - stamp) / 1000 for stamp in stamps if stamp is not None]


@dataclass(frozen=True, slots=True)
class DriftState:
    """What a window of objects looked like, held against the card of the model."""

    number: int  # of the window, from 1
    n_objects: int  # in it, with an answer
    missing: Mapping[str, float]  # feature -> share of the objects that lack it
    outside: Mapping[str, float]  # feature -> share of its values outside its range, where known
    drifting: frozenset[str]  # features that are not as in training
    class_shift: float | None  # share of the answers of other classes than in training; None:
    # the card does not know the shares, or there are too few answers
    sentences: Sequence[str]  # for people: a line for everything that is not as in training


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


class Observer:
    """Is told what happens, in the thread of the loop: it must be quick.

    A class and not a Protocol, so that nobody writes methods for what it does not want to hear.
    """

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """These partitions are ours now, and no others."""

    def alive(self) -> None:
        """The loop goes round, with or without messages; every few seconds."""

    def delivered(self, report: Report) -> None:
        """A batch counts as handled."""

    def repeated(self, n_messages: int, reason: str) -> None:
        """A batch did not count and is looked at again."""

    def drift(self, state: DriftState) -> None:
        """A window of objects is full, or begins to look otherwise than in training."""

    def shadow(self, state: ShadowState) -> None:
        """How the shadow does; after every batch."""


class Observers(Observer):
    """Several as one. What one of them raises is logged, once, and never stops the stream."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._failed: set[Observer] = set()

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.assigned(partitions))

    def alive(self) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.alive())

    def delivered(self, report: Report) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.delivered(report))

    def repeated(self, n_messages: int, reason: str) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.repeated(n_messages, reason))

    def drift(self, state: DriftState) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.drift(state))

    def shadow(self, state: ShadowState) -> None:
        """Tell all."""
        self._tell(lambda observer: observer.shadow(state))

    def _tell(self, what: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                what(observer)
            except Exception:  # figures are worth less than answers
                if observer not in self._failed:
                    self._failed.add(observer)
                    log.exception("%s fails; the stream goes on", type(observer).__name__)


NOBODY = Observers()
