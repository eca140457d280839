"""The loop of a stream: gather, answer, deliver; answer again what turns out not to count."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from logging import getLogger

from lcclassify.errors import BrokerError
from lcclassify.sinks.kafka import Delivery, StaleError
from lcclassify.sources.kafka import PATIENCE_S, Intake
from lcclassify.stream.message import Work
from lcclassify.stream.step import Step

LONGEST_PAUSE_S = 5.0

log = getLogger("lcclassify.stream")


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


def run(
    intake: Intake,
    step: Step,
    delivery: Delivery,
    told: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Answer messages until there are no more to be had, or ``intake.stop`` is set. BrokerError

    A batch is answered in a thread of its own, so that this process stays a member of its group.
    """
    counts = Counts()
    pause = Pause()
    with ThreadPoolExecutor(1, "lcclassify-step") as pool:
        while not (intake.stop.is_set() or intake.is_finished):
            messages = intake.gather()
            if not messages:
                continue
            work = _attend(intake, pool.submit(step, messages))
            try:
                if not intake.is_current:
                    raise StaleError("partitions were taken away while a batch was answered")
                delivery.deliver(work, intake)
            except StaleError as stale:
                log.warning("%d messages are looked at again: %s", len(messages), stale)
                counts.n_repeated += 1
                intake.again(pause.after(stale))
                continue
            pause = Pause()
            intake.handled()
            counts.add(len(messages), work)
            told(counts)
    return counts


def _attend(intake: Intake, future: Future[Work]) -> Work:
    """Wait for an answer, and tell the group that we are there if it takes long."""
    try:
        return future.result(intake.patience_s)
    except TimeoutError:
        intake.serve(future.done)
        return future.result()


class Pause:
    """Growing pauses between tries, until they have lasted too long."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._pause_s = 0.05

    def after(self, error: StaleError) -> float:
        """How long to wait, in s. BrokerError if nothing has worked for too long."""
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since > PATIENCE_S:
            raise BrokerError(f"given up after {PATIENCE_S:g} s of trying: {error}")
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        return self._pause_s
