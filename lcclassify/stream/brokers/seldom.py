"""librdkafka's own log lines, so that they do not fill disks while brokers are away."""

import logging
import re
import time
from collections.abc import Callable

SELDOM_S = 60.0
MOST_TEXTS = 1000  # that are remembered


class Seldom(logging.Filter):
    """Lets a line pass once a minute: lines that differ in numbers alone (times, ids) are one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is new, or was not seen for a while."""
        text, now = re.sub(r"[0-9]+", "", record.getMessage()), self._clock()
        if now - self._last.get(text, -SELDOM_S) < SELDOM_S:
            return False
        if len(self._last) >= MOST_TEXTS:
            self._last.clear()
        self._last[text] = now
        return True
