"""Offsets of a stream's input, read and set without joining its group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from lcclassify.errors import BrokerError
from lcclassify.stream.brokers.clients import as_broker_error, kafka_error, sentence
from lcclassify.stream.brokers.probe import Probe, open_probe, reach
from lcclassify.stream.settings import Input
from lcclassify.stream.topics import pattern

EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Offsets:
    """Of the partitions that the input's topics have now."""

    probe: Probe
    group: str
    partitions: tuple[Partition, ...]
    missing: tuple[str, ...]  # topics that do not exist

    def at(self, spec: OffsetSpec) -> dict[Partition, int]:
        """The first offset, the one after the last, or the first of a time; -1: none so late.

        What an open transaction has written does not count.
        """
        if not self.partitions:
            return {}
        wanted = {TopicPartition(*partition): spec for partition in self.partitions}

        def ask(left_s: float) -> dict[Partition, int]:
            asked = self.probe.admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=left_s
            )
            return {
                Partition(place.topic, place.partition): future.result().offset
                for place, future in asked.items()
            }

        with as_broker_error(self.probe.where):
            return self.probe.answer(ask)

    def committed(self) -> dict[Partition, int]:
        """Where the group goes on; partitions without such an offset are left out."""
        places = self._of_group([TopicPartition(*partition) for partition in self.partitions])
        return {
            Partition(place.topic, place.partition): place.offset
            for place in places
            if place.offset >= 0
        }

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Let the group go on from here. BrokerError if it has members."""
        places = [TopicPartition(*place, offset) for place, offset in offsets.items()]
        self._of_group(places, change=True)

    def _of_group(self, places: list[TopicPartition], change: bool = False) -> list[TopicPartition]:
        if not places:
            return []
        told = [ConsumerGroupTopicPartitions(self.group, places)]
        admin = self.probe.admin
        ask = admin.alter_consumer_group_offsets if change else admin.list_consumer_group_offsets

        def answer(left_s: float) -> list[TopicPartition]:
            found: list[TopicPartition]
            found = ask(told, request_timeout=left_s)[self.group].result().topic_partitions
            for place in found:
                if place.error:
                    raise KafkaException(place.error)
            return found

        try:
            return self.probe.answer(answer)
        except KafkaException as error:
            raise BrokerError(self._refusal(kafka_error(error))) from None

    def _refusal(self, error: KafkaError) -> str:
        where = f"{self.probe.where}, group {self.group!r}"
        if error.code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP):
            return (
                f"{where}: its offsets cannot be set while it has members; stop them first (one"
                " that was killed counts until its session times out), or use another group"
            )
        return sentence(error, where)


def open_offsets(told: Input) -> Offsets:
    """Asks which partitions there are. BrokerError if the cluster does not answer."""
    probe = open_probe("input", told.client)
    seen = reach(probe)
    if seen is None:
        raise BrokerError(". ".join(probe.problems))
    patterns = [pattern(topic) for topic in told.topics]
    found = {name for name in seen.topics if any(pattern.search(name) for pattern in patterns)}
    partitions = sorted(
        Partition(name, number) for name in found for number in seen.topics[name].partitions
    )
    missing = (name for name in told.topics if not name.startswith("^") and name not in found)
    return Offsets(probe, told.group_id, tuple(partitions), tuple(missing))
