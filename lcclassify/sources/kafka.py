"""Kafka as a source: batches of messages, and which of them are still ours.

All callbacks of the consumer run inside ``gather``, ``serve`` and ``close``, in the thread that
calls them: what belongs to a partition that was taken away is forgotten before anything else is
done with it.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from logging import getLogger
from threading import Event
from typing import Self, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from lcclassify.errors import BrokerError, SettingsError
from lcclassify.grouped_log import GroupedLog
from lcclassify.stream.brokers.clients import Watch, open_client, place, sentence
from lcclassify.stream.message import Headers, Message
from lcclassify.stream.report import NOBODY, Observer, Partition
from lcclassify.stream.settings import Client

ALONE_S = 15.0  # after which a member without partitions has none to wait for
SLICE_S = 0.2  # of a wait, after which signals and errors are looked at
COMMITTED_S = 10.0  # to ask the group for its offsets, once
PATIENCE_S = 120.0  # and until that is given up
DEFAULTS = {
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    "reconnect.backoff.max.ms": "2000",
    "fetch.queue.backoff.ms": "20",  # a second, else, in which nothing is fetched: twice as slow
    "topic.metadata.refresh.interval.ms": "30000",  # until a new topic is noticed
}

T = TypeVar("T")

log = getLogger("lcclassify.stream")


class Intake:
    """Messages of the partitions that are assigned to this process, batch by batch.

    ``ends`` are offsets that nothing is read from: what comes after them is left for another run.
    While others have all of these partitions, it waits for one.
    ``done`` says for a partition from which offset on nothing is delivered yet, where that is known
    apart from the group's offsets. BrokerError, at any time, if the cluster will give no more: also
    if a topic is gone for ``PATIENCE_S``, unless topics may be waited for.
    """

    def __init__(
        self,
        client: Client,
        group_id: str,
        topics: Sequence[str],
        *,
        batch_size: int,
        timeout_s: float,
        until_end: bool = False,
        limit: int | None = None,
        wait_for_topics: bool = False,
        ends: Mapping[Partition, int] | None = None,
        done: Callable[[str, int], int | None] = lambda topic, partition: None,
        stop: Event | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self.stop = stop or Event()  # once set, ``gather`` returns what it has
        self.n_handled = 0
        self._topics = list(topics)
        self._batch_size, self._timeout_s, self._limit = batch_size, timeout_s, limit
        self._until_end, self._done, self._observer = until_end, done, observer
        self._ends = ends
        self._faults = GroupedLog(log)
        self._client, self._watch = client, Watch(place("input", client))
        self._ours = {
            "group.id": group_id,
            "allow.auto.create.topics": "false",
            "enable.auto.commit": "false",
            "enable.partition.eof": str(until_end).lower(),
        }
        told = client.config()
        self._incremental = (
            "cooperative" in told.get("partition.assignment.strategy", "")
            or told.get("group.protocol") == "consumer"
        )
        self._is_told_nothing = told.get("group.protocol") == "consumer"
        # a batch that takes longer has to be waited for by ``serve``
        self.patience_s = min(5.0, int(told.get("max.poll.interval.ms", 300_000)) / 3000)
        self._assigned: set[Partition] | None = None
        self._ended: set[Partition] = set()
        self._needed = set() if wait_for_topics else set(topics)
        self._gone: dict[str, float] = {}  # needed topics that are not there, and since when
        self._held: list[Message] = []  # handed out by the consumer, and not by us
        self._batch: list[Message] = []
        self._is_current = True
        self._is_paused = False

    def __enter__(self) -> Self:
        self._consumer = open_client(Consumer, self._client, self._watch, self._ours, DEFAULTS)
        self._since = time.monotonic()
        try:
            self._consumer.subscribe(
                self._topics,
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_revoke,
            )
        except KafkaException:
            listed = ", ".join(self._topics)
            raise SettingsError(
                f"{self._watch.where}: cannot subscribe to {listed}: an expression that begins "
                "with ^ is POSIX's (no lookahead), and by the new group protocol RE2's"
            ) from None
        return self

    def __exit__(self, *exc: object) -> None:
        self._consumer.close()

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is wanted: up to the end of all partitions, or to the limit."""
        if self._limit is not None and self.n_handled >= self._limit:
            return True
        return self._is_at_end and not self._held

    @property
    def _is_at_end(self) -> bool:
        if not self._until_end:
            return False
        if self._ends and not self._assigned:
            return False  # another member has them all, which may have been killed just now
        return self._assigned is not None and self._assigned <= self._ended

    @property
    def is_current(self) -> bool:
        """Whether all messages of the last batch still are of partitions that are ours."""
        return self._is_current

    def gather(self) -> list[Message]:
        """The next batch; empty if none came in time."""
        self._batch, self._is_current = [], True
        size = self._batch_size
        if self._limit is not None:
            size = min(size, self._limit - self.n_handled)
        told = time.monotonic()
        deadline = told + (self._timeout_s or SLICE_S)
        while len(self._held) < size and not self.stop.is_set() and not self._is_at_end:
            now = time.monotonic()
            left = deadline - now
            if self._held and not self._timeout_s:
                left = 0
            got = self._poll(max(0.0, min(left, SLICE_S)))
            if not got:
                self._look_if_alone()
            if not got or now - told > SLICE_S:  # messages may come one by one, for long
                told = now
                self._observer.alive()
            if not got and left <= 0:
                break
        self._batch, self._held = self._held[:size], self._held[size:]
        self._faults.tell()
        return self._batch

    def attend(self, future: "Future[T]") -> T:
        """Wait for what another thread does, and tell the group that we are there if it is long."""
        try:
            return future.result(self.patience_s)
        except TimeoutError:
            self.serve(future.done)
            return future.result()

    def serve(self, is_done: Callable[[], bool]) -> None:
        """Stay a member of the group until something is done, taking no further messages."""
        self._is_paused = True
        self._consumer.pause(self._consumer.assignment())
        while not is_done():
            self._observer.alive()
            self._poll(SLICE_S / 4)
        self._is_paused = False
        self._consumer.resume(self._consumer.assignment())

    def offsets(self) -> list[TopicPartition]:
        """What to commit when the last batch is handled: of each partition the next offset."""
        following = {(m.topic, m.partition): m.offset + 1 for m in self._batch}
        return [TopicPartition(*partition, offset) for partition, offset in following.items()]

    def commit(self) -> None:
        """Say that the last batch is handled. KafkaException"""
        self._consumer.commit(offsets=self.offsets(), asynchronous=False)

    def handled(self) -> None:
        """Count the last batch as handled, which it has been said to be."""
        self.n_handled += len(self._batch)

    def lag(self) -> dict[Partition, int]:
        """Offsets that wait behind the last batch, of partitions whose end is known by now."""
        held = Counter((message.topic, message.partition) for message in self._held)
        lag: dict[Partition, int] = {}
        try:
            places = self._consumer.position(self._consumer.assignment())
        except KafkaException:  # of partitions that are going: the figure is not worth the stream
            return lag
        for partition in places:
            _, end = self._consumer.get_watermark_offsets(partition, cached=True)
            if min(end, partition.offset) >= 0:  # -1001: nothing was heard of it yet
                waiting = held[_key(partition)]
                lag[_key(partition)] = max(0, end - partition.offset) + waiting
        return lag

    def again(self, pause_s: float) -> None:
        """Hand out the last batch once more, after a pause, as far as it is not delivered.

        Whether it was is what the group's offsets and ``done`` say. The messages are kept here and
        not read again: a seek can fail, and what is skipped then is lost.
        """
        self._held, self._batch = [*self._batch, *self._held], []
        until = time.monotonic() + pause_s
        self.serve(lambda: time.monotonic() >= until)
        self._remember_group()
        begin = self._begin({(m.topic, m.partition) for m in self._held})
        self._held = [m for m in self._held if m.offset >= begin[m.topic, m.partition]]

    def _poll(self, wait_s: float) -> bool:
        """Take one message, if one comes; True if anything came."""
        message = self._consumer.poll(wait_s)
        self._watch.raise_if_final()
        self._raise_if_gone()
        if message is None:
            return False
        if (error := message.error()) is None and self._is_beyond(message):
            self._ended.add(_where(message))
        elif error is None:
            self._held.append(self._plain(message))
            self._ended.discard(_where(message))
        elif error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(_where(message))
        else:
            self._judge(error, message.topic())
        return True

    def _look_if_alone(self) -> None:
        """The new protocol does not tell a member that gets nothing."""
        waited_s = time.monotonic() - self._since
        if self._assigned is None and self._is_told_nothing and waited_s > ALONE_S:
            self._assigned = set()
            self._observer.assigned(frozenset())

    def _is_beyond(self, message: KafkaMessage) -> bool:
        """Whether a message comes after the end that was set for its partition."""
        if self._ends is None:
            return False
        return cast(int, message.offset()) >= self._ends.get(_where(message), 0)

    def _judge(self, error: KafkaError, topic: str | None) -> None:
        """Go on after an error that passes; the consumer hands out others again and again."""
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART or error.retriable():
            log.warning(sentence(error, self._about(topic)))
            if topic in self._needed and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._gone.setdefault(topic, time.monotonic())
        else:
            raise BrokerError(sentence(error, self._watch.where))

    def _raise_if_gone(self) -> None:
        """BrokerError if a needed topic has not come back. The client tells only that it went."""
        now = time.monotonic()
        for topic in [name for name, since in self._gone.items() if now - since > PATIENCE_S]:
            try:
                seen = self._consumer.list_topics(topic, COMMITTED_S).topics[topic]
            except KafkaException:  # which is another matter
                self._gone[topic] = now
                continue
            if seen.error and seen.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise BrokerError(sentence(seen.error, self._about(topic)))
            del self._gone[topic]

    def _about(self, topic: str | None) -> str:
        return f"{self._watch.where}, topic {topic!r}" if topic else self._watch.where

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._skip(partitions)
        if self._incremental:
            consumer.incremental_assign(partitions)
        else:
            consumer.assign(partitions)
        if self._is_paused:
            consumer.pause(partitions)
        self._assigned = (self._assigned or set()) | set(map(_key, partitions))
        self._ended -= set(map(_key, partitions))
        self._remember_group()
        self._observer.assigned(frozenset(self._assigned))
        log.info("assigned: %s", _some(self._assigned))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = set(map(_key, partitions))
        if self._is_paused:
            consumer.resume(partitions)  # they would still be paused when they come back
        self._assigned = (self._assigned or set()) - keys
        self._ended -= keys
        self._held = [m for m in self._held if (m.topic, m.partition) not in keys]
        kept = [m for m in self._batch if (m.topic, m.partition) not in keys]
        self._is_current &= len(kept) == len(self._batch)
        self._batch = kept  # whoever gets the others reads them anew, also if that is us
        self._remember_group()
        self._observer.assigned(frozenset(self._assigned))
        log.info("taken away: %s", _some(keys))

    def _skip(self, partitions: list[TopicPartition]) -> None:
        """Start after what is done apart from what the group has committed."""
        if any(self._done(*_key(partition)) for partition in partitions):
            begin = self._begin(set(map(_key, partitions)))
            for partition in partitions:
                partition.offset = begin[_key(partition)] or partition.offset

    def _begin(self, partitions: set[Partition]) -> dict[Partition, int]:
        """The first offset of each partition that is not delivered; 0 if none is. BrokerError"""
        asked = [TopicPartition(*partition) for partition in partitions]
        deadline = time.monotonic() + PATIENCE_S
        while asked:
            error = None
            try:
                committed = self._consumer.committed(asked, COMMITTED_S)
                error = next((p.error for p in committed if p.error), None)
            except KafkaException as exception:
                error = exception.args[0]
            if error is None:
                return {_key(p): max(0, p.offset, self._done(*_key(p)) or 0) for p in committed}
            self._watch.raise_if_final()
            if time.monotonic() > deadline:
                reason = sentence(error, self._watch.where)
                raise BrokerError(f"the group's offsets cannot be had: {reason}")
            self.stop.wait(SLICE_S)
        return {}

    def _remember_group(self) -> None:
        """Keep the group's generation of now, by which the broker knows a member of the past.

        Asked for at the time of a commit, it could be that of no member at all, which is let pass.
        """
        if self._consumer.memberid():
            self.group = self._consumer.consumer_group_metadata()

    def _plain(self, message: KafkaMessage) -> Message:
        """A message; without headers if the name of one is no UTF-8, which the client refuses."""
        kind, milliseconds = message.timestamp()
        topic, partition = _where(message)
        plain = Message(
            topic=topic,
            partition=partition,
            offset=cast(int, message.offset()),
            value=message.value(),
            key=message.key(),
            timestamp=milliseconds if kind else None,
        )
        try:
            return plain._replace(headers=cast(Headers, tuple(message.headers() or ())))
        except SystemError:
            self._faults.add("lost all headers", plain.place, "the name of one is no UTF-8")
            return plain


def _where(message: KafkaMessage) -> Partition:
    return cast(str, message.topic()), cast(int, message.partition())  # which every message has


def _key(partition: TopicPartition) -> Partition:
    return partition.topic, partition.partition


def _some(partitions: set[Partition]) -> str:
    names = sorted(f"{topic} [{number}]" for topic, number in partitions)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if names[8:] else "") or "none"
