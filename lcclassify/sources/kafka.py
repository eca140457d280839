"""Kafka as a source: batches of messages, and which of them are still ours."""

from typing import Protocol, Self

from confluent_kafka import TopicPartition

from lcclassify.stream.message import Message


class Intake(Protocol):
    """Messages of the partitions that are assigned to this process."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def gather(self) -> list[Message]:
        """The next batch, which may be empty; earlier ones are delivered or rewound."""

    def offsets(self) -> list[TopicPartition]:
        """What to commit once the last batch is handled."""
