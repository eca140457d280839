"""Signals of a stream: the first one ends it in peace, the second one at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging import getLogger

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

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

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()


def _leave(code: int, reason: str) -> None:
    log.error("%s: leaving at once; what is not committed is read again", reason)
    os._exit(code)
