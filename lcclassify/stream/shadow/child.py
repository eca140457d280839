"""The process of a shadow: ``python -m lcclassify.stream.shadow.child``.

Settings and batches come by standard input (``frames``). What it says on standard output is JSON, a
line each: ``ready`` with the name of the model, ``best`` when a batch has been answered and its
results have arrived, ``error`` before it ends because of one, and ``log``.
"""

import json
import logging
import os
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import IO

from lcclassify.errors import LcclassifyError
from lcclassify.sinks.kafka import Line
from lcclassify.stream.brokers.seldom import Seldom
from lcclassify.stream.message import Message
from lcclassify.stream.new_topics import with_topics
from lcclassify.stream.settings import Settings
from lcclassify.stream.shadow.frames import read_batch, read_settings
from lcclassify.stream.step import open_step

LEAVE_S = 10.0  # to finish, once whoever started it has gone
LOWEST = 19  # of priorities


class Voice(logging.Handler):
    """Says things, and hands on what is logged."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream, self._alone = stream, Lock()

    def say(self, **told: object) -> None:
        """One line. OSError if nobody listens."""
        with self._alone:
            self._stream.write(json.dumps(told).encode() + b"\n")
            self._stream.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self.say(log=record.levelno, text=record.getMessage())


def main() -> None:
    """Answer batches until there are no more."""
    os.nice(LOWEST)
    with suppress(OSError):  # where there is not enough memory, it is not the first model that goes
        Path("/proc/self/oom_score_adj").write_text("1000")
    # What libraries print must not come between the lines.
    voice = Voice(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)
    settings = read_settings(sys.stdin.buffer)
    _log_by(voice, settings.operation.debug)
    batches: SimpleQueue[list[Message] | None] = SimpleQueue()
    Thread(target=_receive, args=(batches,), daemon=True).start()
    try:
        _answer(settings, batches, voice)
    except BrokenPipeError:  # nobody is there to be told
        os._exit(1)
    except LcclassifyError as error:
        voice.say(error=type(error).__name__, text=str(error))
        os._exit(error.exit_code)  # Python's own way out aborts while a thread reads stdin
    except Exception as error:  # as MemoryError
        voice.say(error="WorkerError", text=f"{type(error).__name__}: {error}")
        traceback.print_exc()
        os._exit(1)


def _log_by(voice: Voice, debug: bool) -> None:
    """Only what is wrong with the shadow: the first model has told what is wrong with messages."""
    voice.addFilter(Seldom())
    logger = logging.getLogger("lcclassify")
    logger.handlers, logger.propagate = [voice], False
    logger.setLevel(logging.DEBUG if debug else logging.ERROR)


def _receive(batches: "SimpleQueue[list[Message] | None]") -> None:
    """Take batches as they come: how many there are is for the sender to bound."""
    try:
        while True:
            batches.put(read_batch(sys.stdin.buffer))
    except EOFError:
        pass
    finally:
        batches.put(None)
    time.sleep(LEAVE_S)
    os._exit(1)


def _answer(settings: Settings, batches: "SimpleQueue[list[Message] | None]", voice: Voice) -> None:
    step = open_step(settings)
    assert settings.results is not None
    line = Line(settings.results, "shadow")
    answer = with_topics(settings, step, Event())
    voice.say(ready=step.predictor.bundle.label)
    while (messages := batches.get()) is not None:
        work = answer(messages)
        for message in work.outgoing:
            line.send(message)
        line.finish()
        voice.say(best=[work.best.get(message.where) for message in messages])


if __name__ == "__main__":
    main()
