"""The keeper of a shadow: hands it batches, and neither waits for it nor fails with it."""

import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Condition, Event, Thread
from typing import Any, Self

from lcclassify import errors
from lcclassify.errors import LcclassifyError, WorkerError
from lcclassify.stream.message import Message, Where
from lcclassify.stream.report import NOBODY, Observer, Observers, Report, ShadowState
from lcclassify.stream.settings import Client, Drift, Operation, Settings, Shadow
from lcclassify.stream.shadow.process import Process

MOST_BATCHES, MOST_BYTES = 8, 64 << 20  # that wait for it; a single batch may have more bytes
AHEAD = 2  # batches that are in its hands
TRIES = 2  # of a batch in the hands of which it died
START_S = 60.0  # for the first message to wait until it is ready
IDLE_S = 30.0  # without a batch done, at the end, after which it is not waited for
STOP_S = 3.0  # likewise altogether, after a signal
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before it is started again
SELDOM_S = 60.0  # between two lines about dropped batches

log = logging.getLogger("lcclassify.stream")


def shadow_settings(settings: Settings, shadow: Shadow) -> Settings:
    """What the second model is told: the same messages, another name, a topic of its own."""
    return Settings(
        input=replace(settings.input, client=Client("")),  # it reads nothing itself
        # On a GPU that both share, it would hold up the first.
        model=replace(settings.model, name=shadow.model, expected=None, quantiles={}, device="cpu"),
        output=replace(settings.output, classifier_name=None, classifier_version=None),
        results=settings.results,
        topics=shadow.topics,
        encoding=settings.encoding,
        drift=Drift("off"),
        operation=Operation(debug=settings.operation.debug),
    )


@dataclass(slots=True)
class _Batch:
    """Messages, and what the first model made of them."""

    messages: Sequence[Message]
    best: Mapping[Where, str]
    n_bytes: int
    since: float  # when the first's results were delivered
    n_tries: int = 0


class Keeper(Observer):
    """Starts the shadow, starts it again when it dies, and compares its answers with the first's.

    An observer of the first. Its process writes the shadow's results, at least once each, but for
    the batches that it had no room for and those of which it died twice.
    """

    def __init__(self, settings: Settings) -> None:
        self._told = settings
        self._changed = Condition()  # around everything below
        self._waiting: deque[_Batch] = deque()
        self._sent: deque[_Batch] = deque()
        self._label = ""
        self._pairs: Counter[tuple[str | None, str | None]] = Counter()
        self._n_dropped = self._n_failed = self._n_done = self._n_deaths = 0
        self._delay_s = 0.0
        self._error: tuple[str, str] | None = None  # kind and sentence
        self._process: Process | None = None  # that runs
        self._is_ready = self._is_checked = self._is_ending = self._is_closed = False
        self._dropped_at = -SELDOM_S
        self._listeners: Observer = NOBODY
        self._thread = Thread(target=self._keep, daemon=True, name="lcclassify-shadow")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        self._close(0.0 if kind else STOP_S)

    @property
    def state(self) -> ShadowState:
        """How it does."""
        with self._changed:
            both = {pair: n for pair, n in self._pairs.items() if None not in pair}
            return ShadowState(
                model=self._label,
                n_messages=sum(both.values()),
                n_agree=sum(n for (first, second), n in both.items() if first == second),
                n_dropped=self._n_dropped,
                n_failed=self._n_failed,
                is_alive=self._is_ready,
                delay_s=self._delay_s,
                pairs=dict(self._pairs),
            )

    def check(self) -> None:
        """Return when it is ready. LcclassifyError if it cannot be: nothing runs yet"""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready or self._n_deaths, START_S)
            if self._error:
                kind, sentence = self._error
                raise _kind(kind)(f"shadow: {sentence}")
            if self._n_deaths:
                raise WorkerError("shadow: it could not be started, or died before it was ready")
            if not self._is_ready:
                log.warning("shadow: not ready after %g s; the stream begins without it", START_S)
            self._is_checked = True
            self._changed.notify_all()

    def beside(self, others: Observer) -> Observer:
        """Others and this one, who tells them how the shadow does."""
        self._listeners = others
        return Observers(others, self)

    def finish(self, stop: Event) -> None:
        """Wait while it has something to do and does it, and until the event at the latest."""
        self._end()
        n_done, since = -1, 0.0
        while self._thread.is_alive() and not stop.is_set():
            if self._n_done != n_done:
                n_done, since = self._n_done, time.monotonic()
            elif time.monotonic() - since > IDLE_S:
                return
            self._thread.join(0.1)

    def alive(self) -> None:
        """Tell how the shadow does, once it has a name."""
        if self._label:
            self._listeners.shadow(self.state)

    def delivered(self, report: Report) -> None:
        """Take a batch if there is room for it."""
        n_bytes = sum(len(message.value or b"") for message in report.messages)
        with self._changed:
            held = sum(batch.n_bytes for batch in (*self._waiting, *self._sent))
            if self._waiting and (
                len(self._waiting) >= MOST_BATCHES or held + n_bytes > MOST_BYTES
            ):
                self._drop(len(report.messages))
            else:
                since = time.monotonic()
                self._waiting.append(_Batch(report.messages, report.work.best, n_bytes, since))
                self._changed.notify_all()
        self.alive()

    def _drop(self, n_messages: int) -> None:
        self._n_dropped += n_messages
        if time.monotonic() - self._dropped_at > SELDOM_S:
            self._dropped_at = time.monotonic()
            log.warning("shadow: it is behind; dropped so far: %d messages", self._n_dropped)

    def _keep(self) -> None:
        """Live with one process after the other."""
        pause_s = FIRST_PAUSE_S
        while True:
            n_done = self._n_done
            how = self._live()
            with self._changed:
                self._bury()
                self._changed.wait_for(lambda: self._is_checked or self._has_ended())
                if self._has_ended():
                    return
                pause_s = FIRST_PAUSE_S if self._n_done > n_done else pause_s
                log.error("shadow: %s; started again in %g s", how, pause_s)
                self._changed.wait_for(lambda: self._is_closed, pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _has_ended(self) -> bool:
        return self._is_closed or (self._is_ending and not (self._waiting or self._sent))

    def _live(self) -> str:
        """From the start of a process to its end, and how it ended, for people."""
        try:
            process = Process()
        except OSError as error:
            return f"it cannot be started: {error}"
        with self._changed:
            self._process = process
            if self._is_closed:
                process.kill()
        listener = Thread(target=self._listen, args=(process,), daemon=True)
        listener.start()
        try:
            process.begin(self._told)
            while batch := self._next(listener):
                process.send(batch.messages)
            process.finish()
        except OSError:  # it has gone, of which the listener hears
            pass
        except Exception as error:  # a fault of this program, which is not the first model's
            process.kill()
            with self._changed:
                self._error = "WorkerError", f"it cannot be handed what it needs: {error!r:.200}"
        listener.join()
        return f"its process ended with {process.end()}"

    def _next(self, listener: Thread) -> _Batch | None:
        """A batch to hand over, now in its hands; None if it has gone, or there are no more."""
        with self._changed:
            while listener.is_alive() and not self._has_ended():
                if self._is_ready and self._waiting and len(self._sent) < AHEAD:
                    self._sent.append(self._waiting.popleft())
                    return self._sent[-1]
                self._changed.wait(1.0)
        return None

    def _bury(self) -> None:
        """Take back what was in the hands of a process that has ended."""
        self._process, self._is_ready = None, False
        self._n_deaths += 1
        if self._sent:
            self._sent[0].n_tries += 1
            if self._sent[0].n_tries == TRIES:
                self._n_failed += len(self._sent.popleft().messages)
        self._waiting.extendleft(reversed(self._sent))
        self._sent.clear()
        self._changed.notify_all()

    def _listen(self, process: Process) -> None:
        for told in process.lines():
            with self._changed:
                self._hear(told)
                self._changed.notify_all()

    def _hear(self, told: Mapping[str, Any]) -> None:
        if "best" in told:
            batch = self._sent.popleft()
            pairs = zip(batch.messages, told["best"], strict=True)
            self._pairs.update((batch.best.get(message.where), name) for message, name in pairs)
            self._delay_s = time.monotonic() - batch.since
            self._n_done += 1
        elif "ready" in told:
            self._label, self._is_ready = told["ready"], True
        elif "error" in told:
            self._error = told["error"], told["text"]
            if self._is_checked:  # else ``check`` tells
                log.error("shadow: %s", told["text"])
        else:
            log.log(told["log"], "shadow: %s", told["text"])

    def _end(self) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def _close(self, limit_s: float) -> None:
        """End it, and tell how it did."""
        self._end()
        self._thread.join(limit_s)
        with self._changed:
            self._is_closed = True
            if self._process:
                self._process.kill()
            self._changed.notify_all()
        self._thread.join(STOP_S)
        with self._changed:
            self._n_dropped += sum(len(batch.messages) for batch in (*self._waiting, *self._sent))
        if self._n_dropped or self._n_failed or self._pairs:
            log.info(_summary(self.state))
        self.alive()


def _summary(state: ShadowState) -> str:
    share = state.n_agree / max(state.n_messages, 1)
    agreed = f"agreed on {share:.1%} of {state.n_messages:,} messages"
    return (
        f"shadow: {state.model or 'it'} {agreed if state.n_messages else 'answered nothing'}; "
        f"dropped {state.n_dropped:,}, failed {state.n_failed:,}"
    )


def _kind(name: str) -> type[LcclassifyError]:
    found = getattr(errors, name, None)
    is_ours = isinstance(found, type) and issubclass(found, LcclassifyError)
    return found if is_ours else LcclassifyError  # type: ignore[return-value]
