"""Kafka as a sink: what a batch leads to, and that it was handled, in one go."""

from typing import Protocol, Self

from lcclassify.sources.kafka import Intake
from lcclassify.stream.message import Work


class StaleError(Exception):
    """The batch is no longer ours, or was undone: nothing of it counts."""


class Delivery(Protocol):
    """Where work goes; leaving the context closes connections."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def deliver(self, work: Work, intake: Intake) -> None:
        """Return when all of it has arrived and its messages count as handled.

        StaleError if nothing of it counts; BrokerError if it cannot be delivered.
        """
