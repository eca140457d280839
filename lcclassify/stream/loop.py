"""The loop of a stream: gather, answer, deliver; answer again what turns out not to count."""

import time
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger

from lcclassify.errors import BrokerError
from lcclassify.sinks.kafka import Delivery, StaleError
from lcclassify.sources.kafka import PATIENCE_S, Intake
from lcclassify.stream.report import NOBODY, Counts, Observer, Report
from lcclassify.stream.step import Step

LONGEST_PAUSE_S = 5.0

log = getLogger("lcclassify.stream")


def run(intake: Intake, step: Step, delivery: Delivery, observer: Observer = NOBODY) -> Counts:
    """Answer messages until there are no more to be had, or ``intake.stop`` is set. BrokerError

    A batch is answered in a thread of its own, so that this process stays a member of its group.
    """
    counts = Counts()
    pause = Pause()
    begin = time.perf_counter()
    with ThreadPoolExecutor(1, "lcclassify-step") as pool:
        while not (intake.stop.is_set() or intake.is_finished):
            observer.alive()
            messages = intake.gather()
            if not messages:
                continue
            gathered = time.perf_counter()
            work = intake.attend(pool.submit(step, messages))
            answered = time.perf_counter()
            try:
                if not intake.is_current:
                    raise StaleError("partitions were taken away while a batch was answered")
                work = delivery.deliver(work, intake)
            except StaleError as stale:
                log.warning("%d messages are looked at again: %s", len(messages), stale)
                counts.n_repeated += 1
                observer.repeated(len(messages), str(stale))
                intake.again(pause.after(stale))
                continue
            pause = Pause()
            intake.handled()
            counts.add(len(messages), work)
            end = time.perf_counter()
            seconds = {
                "gather": gathered - begin,
                "answer": answered - gathered,
                "deliver": end - answered,
            }
            lag = intake.lag()
            observer.delivered(Report(messages, work, counts, seconds, time.time(), lag))
            begin = end
    return counts


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
