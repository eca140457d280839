"""Dead letters that go to a folder, whatever the rest goes to."""

from dataclasses import replace
from typing import Self

from lcclassify.sinks.kafka import Delivery, Handled
from lcclassify.sinks.letter_files import LetterFiles
from lcclassify.stream.message import Work


class ToFolder:
    """Writes the dead letters of a batch before the rest is delivered and the batch counts.

    Whoever answers a batch again writes the same files.
    """

    def __init__(self, delivery: Delivery, files: LetterFiles) -> None:
        self._delivery, self._files = delivery, files

    def __enter__(self) -> Self:
        self._delivery.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._delivery.__exit__(*exc)

    def deliver(self, work: Work, intake: Handled) -> Work:
        """Letters first. OutputError, StaleError, BrokerError"""
        self._files.write([out for out in work.outgoing if out.channel == "dead"])
        rest = [out for out in work.outgoing if out.channel != "dead"]
        return self._delivery.deliver(replace(work, outgoing=rest), intake)
