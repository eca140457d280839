"""Asks a cluster whether what a stream wants of it is there and allowed."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ClusterMetadata, NewTopic

from lcclassify.errors import BrokerError
from lcclassify.stream.brokers.clients import (
    Watch,
    kafka_error,
    open_admin,
    open_client,
    place,
    sentence,
)
from lcclassify.stream.settings import Client

T = TypeVar("T")
TIMEOUT_S = 8.0  # for a cluster to answer at all
LEAST_S = 4.0  # for each question afterwards
PASSING = (  # of a cluster that has just started, or moves a leader
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError._NOENT,  # no leaders
)
LEFT_TO_BROKER = (
    KafkaError.TOPIC_ALREADY_EXISTS,  # another process was quicker
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_REPLICATION_FACTOR,
)
ANYTHING_GOES = (KafkaError._UNSUPPORTED_FEATURE, KafkaError.UNSUPPORTED_VERSION)


@dataclass(frozen=True, slots=True)
class Use:
    """What a connection is for."""

    name: str  # input, results, scribe...
    client: Client
    reads: tuple[str, ...] = ()  # topics that have to be there
    writes: tuple[str, ...] = ()  # topics that are made where they are missing
    group: str | None = None


@dataclass(slots=True)
class Probe:
    """Questions to a cluster, and the problems that came up, a sentence each."""

    where: str
    client: Client
    problems: list[str]
    deadline: float  # of time.monotonic
    admin: AdminClient
    watch: Watch

    def left_s(self) -> float:
        """How long the next question may take."""
        return max(LEAST_S, self.deadline - time.monotonic())

    def answer(self, ask: Callable[[float], T]) -> T:
        """What ``ask`` gives within the seconds that it is told; again while that may help.

        KafkaException if it is refused.
        """
        while True:
            try:
                return ask(self.left_s())
            except KafkaException as error:
                if kafka_error(error).code() not in PASSING or time.monotonic() > self.deadline:
                    raise
                time.sleep(0.1)


def open_probe(name: str, client: Client) -> Probe:
    """Good for some 8 s. SettingsError if the client has properties without meaning."""
    watch = Watch(place(name, client), refused_s=0.0)
    deadline = time.monotonic() + TIMEOUT_S
    return Probe(watch.where, client, [], deadline, open_admin(client, watch), watch)


def reach(probe: Probe) -> ClusterMetadata | None:
    """Topics and id of the cluster; None, and a problem, if it does not answer."""
    while (left := probe.deadline - time.monotonic()) > 0:
        try:
            return probe.admin.list_topics(timeout=min(0.5, left))
        except KafkaException:
            probe.admin.poll(0.05)
            if refused := probe.watch.final():
                probe.problems.append(refused)
                return None
    probe.problems.append(probe.watch.out_of_reach(TIMEOUT_S))
    return None


def can_answer(seen: ClusterMetadata) -> bool:
    """Whether there is a controller, which librdkafka waits for before it asks about topics."""
    return seen.controller_id in seen.brokers


def check_use(probe: Probe, use: Use, can_wait: bool) -> None:
    """Note what is missing or denied. ``can_wait``: for topics to read that do not exist yet."""
    for topic in use.reads:
        _check_topic(probe, use.name, topic, AclOperation.READ, _await if can_wait else _miss)
    for topic in use.writes:
        _check_topic(probe, use.name, topic, AclOperation.WRITE, _create)
    if use.group:
        _check_group(probe, use.group)


def _check_topic(
    probe: Probe,
    name: str,
    topic: str,
    right: AclOperation,
    if_absent: Callable[[Probe, str, str], str | None],
) -> None:
    where = f"{probe.where}, {name} topic {topic!r}"
    ask = partial(
        probe.admin.describe_topics, TopicCollection([topic]), include_authorized_operations=True
    )
    try:
        described = probe.answer(lambda left: ask(request_timeout=left)[topic].result())
    except KafkaException as caught:
        error = kafka_error(caught)
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            if problem := if_absent(probe, topic, where):
                probe.problems.append(problem)
        elif error.code() not in ANYTHING_GOES:
            probe.problems.append(sentence(error, where))
        return
    if not _allows(described.authorized_operations, right):
        to = "read" if right is AclOperation.READ else "write"
        probe.problems.append(f"{where}: not allowed to {to}; ask for the right {right.name} on it")


def _check_group(probe: Probe, group: str) -> None:
    where = f"{probe.where}, group {group!r}"
    ask = partial(probe.admin.describe_consumer_groups, [group], include_authorized_operations=True)
    try:
        described = probe.answer(lambda left: ask(request_timeout=left)[group].result())
    except KafkaException as caught:
        error = kafka_error(caught)
        if error.code() not in (*ANYTHING_GOES, KafkaError.GROUP_ID_NOT_FOUND):
            probe.problems.append(sentence(error, where))
        return
    if not _allows(described.authorized_operations, AclOperation.READ):
        probe.problems.append(f"{where}: not allowed to use it; ask for the right READ on it")


def _allows(operations: Collection[AclOperation] | None, right: AclOperation) -> bool:
    """Whether the right is among these; None: the broker does not tell."""
    return operations is None or right in operations or AclOperation.ALL in operations


def _await(probe: Probe, topic: str, where: str) -> None:
    """A topic to read that may come later."""


def _miss(probe: Probe, topic: str, where: str) -> str:
    """A topic to read that has to be there."""
    return sentence(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), where)


def _create(probe: Probe, topic: str, where: str) -> str | None:
    """Create a topic for output as the broker thinks best; what stands against it, if anything.

    A broker that cannot be asked (before Kafka 2.4) may still create it when it is written to.
    """
    ask = partial(probe.admin.create_topics, [NewTopic(topic, -1, -1)])
    try:
        probe.answer(lambda left: ask(request_timeout=left)[topic].result())
    except KafkaException as caught:
        error = kafka_error(caught)
        if error.code() in (*LEFT_TO_BROKER, *ANYTHING_GOES):
            return None
        return sentence(error, f"{where} (does not exist and cannot be created)")
    return None


def ensure_topics(name: str, client: Client, topics: Sequence[str]) -> None:
    """Create those that do not exist; BrokerError if one cannot be written to."""
    probe = open_probe(name, client)
    if (seen := reach(probe)) and can_answer(seen):
        check_use(probe, Use(name, client, writes=tuple(topics)), can_wait=False)
    if probe.problems:
        raise BrokerError(". ".join(probe.problems))


def try_transaction(client: Client, transactional_id: str) -> KafkaError | None:
    """Why the client may not have transactions with this id, if so. Fences others that have it."""
    watch = Watch(place("results", client))
    ours = {"log_level": 0, "transactional.id": transactional_id}
    producer = open_client(Producer, client, watch, ours)
    try:
        producer.init_transactions(TIMEOUT_S)
    except KafkaException as caught:
        return kafka_error(caught)
    return None
