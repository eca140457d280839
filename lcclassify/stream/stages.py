"""How long the stages of the work on a batch take."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from lcclassify.stream.message import Stage


class Stages:
    """How long each stage took, in s; one that comes again adds up."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.last: Stage = "decode"  # that was begun

    @contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Measure what is done in the context."""
        self.last = stage
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
