"""Signals of a stream: the first one ends it in peace, the second one at once.

Before it reads, the first one ends it at once: checks wait for brokers, and have nothing to finish.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from logging import getLogger
from typing import Any, TypeVar

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
LOOK_S = 0.2  # how often the main thread is there for signals
T = TypeVar("T")

log = getLogger("lcclassify.stream")


@contextmanager
def stopped_by_signals(shutdown_s: float) -> Iterator[threading.Event]:
    """An event that the first signal sets; the handlers that were there before are put back.

    A second signal, or ``shutdown_s`` without an end, ends the process where it is: what is not
    committed by then counts as never done. The exit code is that of the signal.
    """
    event = threading.Event()
    timers: list[threading.Timer] = []

    def stop(number: int, frame: object) -> None:
        name = signal.Signals(number).name
        if event.is_set():
            _leave(128 + number, f"{name} again")
        log.warning("%s: finishing the batch, %g s at most", name, shutdown_s)
        event.set()
        timer = threading.Timer(
            shutdown_s, _leave, (128 + number, f"not finished {shutdown_s:g} s after {name}")
        )
        timer.daemon = True
        timer.start()
        timers.append(timer)

    try:
        with _handled(stop):
            yield event
    finally:
        for timer in timers:
            timer.cancel()


@contextmanager
def left_at_signals() -> Iterator[None]:
    """Signals end the process where it is, and do not wait for its threads."""

    def leave(number: int, frame: object) -> None:
        _leave(128 + number, f"{signal.Signals(number).name} before the first message")

    with _handled(leave):
        yield


def aside(call: Callable[[], T]) -> T:
    """Call in another thread: calls to Kafka may last, and signals need the main one."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True, name="lcclassify-stream").start()
    while not future.done():
        wait((future,), LOOK_S)
    return future.result()


@contextmanager
def _handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """All signals by one handler; those that were there before are put back."""
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _leave(code: int, reason: str) -> None:
    log.error("%s: leaving at once; what is not committed is read again", reason)
    os._exit(code)
