"""The shadow's process as its keeper sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from lcclassify.stream.message import Message
from lcclassify.stream.settings import Settings
from lcclassify.stream.shadow.frames import write_batch, write_settings

MODULE = "lcclassify.stream.shadow.child"
EXIT_S = 2.0  # from its last line to its end


class Process:
    """Started at once, out of reach of Ctrl-C. OSError if there is no room for one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # not a session of its own, in which its low priority might not count
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._inbox, self._outbox = self._process.stdin, self._process.stdout

    def begin(self, settings: Settings) -> None:
        """Tell it what to do. OSError if it has gone"""
        write_settings(self._inbox, settings)

    def send(self, messages: Sequence[Message]) -> None:
        """Hand over a batch, when there is room for it. OSError if it has gone"""
        write_batch(self._inbox, messages)

    def finish(self) -> None:
        """No further batch follows. OSError if it has gone"""
        self._inbox.close()

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it says, until it has gone."""
        for line in self._outbox:
            if line.endswith(b"\n"):  # else it was killed while it spoke
                yield json.loads(line)

    def end(self) -> int:
        """Its exit code; negative: the signal that ended it."""
        for pipe in (self._inbox, self._outbox):
            with suppress(OSError):  # what it did not take
                pipe.close()
        try:
            return self._process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def kill(self) -> None:
        """End it at once, also if it hangs."""
        self._process.kill()
