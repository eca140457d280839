"""`lcclassify stream` on one core, which writes down how long each message took.

Arguments: a file for the figures, the core, "classify" or "copy" (which answers nothing, and sends
as many bytes as an answer has), then those of lcclassify.
"""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CORE = int(sys.argv[2])
os.sched_setaffinity(0, {CORE})  # before anything starts a thread

from lcclassify import cli  # noqa: E402
from lcclassify.sources.kafka import Intake  # noqa: E402
from lcclassify.stream import run  # noqa: E402
from lcclassify.stream.message import Message, Outgoing, Work, spans_of  # noqa: E402
from lcclassify.stream.step import open_step  # noqa: E402

ANSWER = os.urandom(2000)
COMMAND = os.urandom(1500)


class TimedIntake(Intake):
    """Knows when each message was handed out by the client, and when it counted as handled."""

    figures: dict[str, Any]

    def __enter__(self) -> "TimedIntake":
        self._polled: deque[float] = deque()
        self._delays: list[float] = []
        self._first = self._last = self._cpu_s = 0.0
        super().__enter__()
        return self

    def _poll(self, wait_s: float) -> bool:
        n_held = len(self._held)
        got = super()._poll(wait_s)
        if len(self._held) > n_held:
            self._polled.append(time.time())
            if not self._first:
                self._first, self._cpu_s = time.time(), time.process_time()
        return got

    def handled(self) -> None:
        super().handled()
        self._last = time.time()
        self._delays += [self._last - self._polled.popleft() for _ in self._batch]

    def __exit__(self, *exc: object) -> None:
        figures = {
            "n": len(self._delays),
            "first": self._first,
            "last": self._last,
            "cpu_s": time.process_time() - self._cpu_s,
            "delays": self._delays,
        }
        Path(sys.argv[1]).write_text(json.dumps(figures))
        super().__exit__(*exc)


class Copy:
    """A step that looks at nothing: what is left of a stream is Kafka."""

    def __init__(self, settings: Any) -> None:
        self.bundle = open_step(settings).bundle
        self._topic, self._command = "results", settings.scribe.topic

    def __call__(self, messages: Sequence[Message], /) -> Work:
        outgoing = [Outgoing("scribe", self._command, m.key, COMMAND) for m in messages]
        outgoing += [Outgoing("results", self._topic, m.key, ANSWER) for m in messages]
        return Work(outgoing, None, spans_of(messages), n_answered=len(messages))


if __name__ == "__main__":
    run.Intake = TimedIntake  # type: ignore[misc]
    if sys.argv[3] == "copy":
        run.open_step = Copy  # type: ignore[assignment]
    cli.main(sys.argv[4:])
