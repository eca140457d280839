"""Kafka as a sink: what a batch leads to, and that it was handled."""

import ctypes
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from logging import getLogger
from typing import Any, NoReturn, Protocol, Self, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from lcclassify.errors import BrokerError
from lcclassify.sources.kafka import PATIENCE_S
from lcclassify.stream.brokers.clients import Watch, open_client, place, sentence
from lcclassify.stream.message import Channel, Outgoing, Work
from lcclassify.stream.settings import Client

CALL_S = 5.0  # of a call that is made again until it is done
STUCK_S = 20.0  # after which such a call is one that will never end
DEFAULTS = {"compression.type": "lz4", "linger.ms": "20", "reconnect.backoff.max.ms": "2000"}

T = TypeVar("T")

log = getLogger("lcclassify.stream")


class StuckError(Exception):
    """A call that should have ended long ago has not."""


class StaleError(Exception):
    """The batch is no longer ours, or was undone, or nobody can say: the group's offsets can."""


class Handled(Protocol):
    """What counts as handled once a batch is delivered."""

    @property
    def group(self) -> Any:
        """The group of consumers, as a transaction takes it."""

    def attend(self, future: Future[T]) -> T:
        """Wait for what another thread does, however long that takes."""

    def offsets(self) -> list[TopicPartition]:
        """What to commit."""

    def commit(self) -> None:
        """Commit it without a transaction. KafkaException"""


class Delivery(Protocol):
    """Where work goes; leaving the context closes connections."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

    def deliver(self, work: Work, intake: Handled) -> Work:
        """What was delivered, once all of it has arrived and its messages count as handled.

        StaleError if it may not count; BrokerError if it cannot be delivered.
        """


class ExactlyOnce:
    """One transaction a batch: results, commands, metrics and offsets count together or not at all.

    ``may_renew`` if no other process can have the same ``transactional.id``: then a producer that
    the cluster has shut out, for having been away too long, is replaced.
    """

    def __init__(self, client: Client, transactional_id: str, *, may_renew: bool) -> None:
        self._client, self._may_renew = client, may_renew
        self._ours = {"transactional.id": transactional_id}

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is left open between two batches."""

    def deliver(self, work: Work, intake: Handled) -> Work:
        """One transaction. StaleError, BrokerError"""
        producer = self._producer
        producer.poll(0)  # hear errors
        try:
            producer.begin_transaction()
            for message in work.outgoing:
                _send(producer, message, self._watch)
            handled = intake.offsets(), intake.group
            self._call(lambda: producer.send_offsets_to_transaction(*handled, CALL_S))
            self._call(lambda: producer.commit_transaction(CALL_S))
        except KafkaException as exception:
            self._undo(exception.args[0])
        except StuckError:
            self._renew("the cluster does not answer")
        return work

    def _start(self) -> None:
        self._watch = Watch(place("results", self._client))
        self._producer = _open_producer(self._client, self._watch, self._ours)
        try:
            self._call(lambda: self._producer.init_transactions(CALL_S))
        except KafkaException as exception:
            raise BrokerError(sentence(exception.args[0], self._watch.where)) from None

    def _undo(self, error: KafkaError) -> None:
        """End a transaction that cannot be committed, so that the next one can begin."""
        reason = sentence(error, self._watch.where)
        if not error.fatal():
            try:
                self._call(lambda: self._producer.abort_transaction(CALL_S))
            except KafkaException as exception:
                error = exception.args[0]
            except StuckError:
                self._renew(reason)
        if error.fatal():
            if not self._may_renew:
                raise BrokerError(reason)
            self._renew(reason)
        if error.code() in FINAL:
            raise BrokerError(reason)
        raise StaleError(reason)

    def _renew(self, reason: str) -> NoReturn:
        """Go on with a new producer, which shuts the old one out; that one is left as it is.

        To end it would wait for the call that hangs, or spin for ever.
        """
        log.warning("%s; connecting anew", reason)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))  # nobody ever ends it
        try:
            self._start()
        except StuckError:
            raise BrokerError(f"{reason}, nor after connecting anew") from None
        raise StaleError(reason)

    def _call(self, call: Callable[[], object]) -> None:
        """Call, again while the error is one that passes. KafkaException, StuckError"""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return _within(STUCK_S, call)
            except KafkaException as exception:
                error = exception.args[0]
                if not error.retriable() or time.monotonic() > deadline:
                    raise
                self._producer.poll(0.1)  # hear why
                self._watch.raise_if_final()


def _within(limit_s: float, call: Callable[[], object]) -> None:
    """Call in a thread that can be left behind. KafkaException; StuckError if it does not end.

    A call whose answer was lost with a broker has been seen to last for ever, whatever its own
    limit; a commit lasts for as long as the group's broker is away.
    """
    ended = threading.Event()
    raised: list[KafkaException] = []

    def work() -> None:
        try:
            call()
        except KafkaException as exception:
            raised.append(exception)
        finally:
            ended.set()

    threading.Thread(target=work, daemon=True, name="lcclassify-call").start()
    if not ended.wait(limit_s):
        raise StuckError
    if raised:
        raise raised[0]


class AtLeastOnce:
    """Everything is acknowledged before the offsets are committed.

    ``write`` delivers the table of results, where it goes elsewhere than to Kafka, and returns the
    work as it was delivered.
    """

    def __init__(
        self,
        clients: Mapping[Channel, Client],
        write: Callable[[Work], Work] = lambda work: work,
    ) -> None:
        self._clients, self._write = clients, write

    def __enter__(self) -> Self:
        self._lines: list[Line] = []
        self._of: dict[Channel, Line] = {}
        for channel, client in self._clients.items():
            like = next((line for line in self._lines if line.client == client), None)
            self._of[channel] = like or Line(client, channel)
            if not like:
                self._lines.append(self._of[channel])
        return self

    def __exit__(self, *exc: object) -> None:
        """Everything that was handed over has arrived, or an error was raised."""

    def deliver(self, work: Work, intake: Handled) -> Work:
        """Results first, then files, then offsets. StaleError, BrokerError"""
        for message in work.outgoing:
            self._of[message.channel].send(message)
        for line in self._lines:
            line.finish()
        with ThreadPoolExecutor(1, "lcclassify-write") as pool:
            work = intake.attend(pool.submit(self._write, work))
        try:
            _within(STUCK_S, intake.commit)
        except StuckError:
            raise StaleError("input: the group's offsets are not taken") from None
        except KafkaException as exception:
            error = exception.args[0]
            reason = sentence(error, "input")
            if error.code() in DENIED:
                raise BrokerError(reason) from None
            raise StaleError(reason) from None  # reassigned, or the group's broker is away
        return work


class Line:
    """A producer of which every message has to arrive."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self._watch = Watch(place(name, client))
        self._producer = _open_producer(client, self._watch, {})
        self._failed: KafkaError | None = None

    def send(self, message: Outgoing) -> None:
        """Hand over. BrokerError"""
        try:
            _send(self._producer, message, self._watch, self._report)
        except KafkaException as exception:
            raise BrokerError(sentence(exception.args[0], self._watch.where)) from None

    def finish(self) -> None:
        """Return when all has arrived. BrokerError after ``message.timeout.ms`` at the latest"""
        while self._producer.flush(CALL_S) and not self._failed:
            self._watch.raise_if_final()
        if self._failed:
            raise BrokerError(sentence(self._failed, self._watch.where))

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._failed = self._failed or error


DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
FINAL = DENIED | {  # errors of the broker after which sending again is of no use
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
}


def _open_producer(client: Client, watch: Watch, ours: Mapping[str, str]) -> Producer:
    ours = {"enable.idempotence": "true", **ours}
    return open_client(Producer, client, watch, ours, DEFAULTS)


def _send(
    producer: Producer,
    message: Outgoing,
    watch: Watch,
    report: Callable[[KafkaError | None, Message], None] | None = None,
) -> None:
    """Hand one message over, when there is room for it. KafkaException, BrokerError"""
    while True:
        try:
            producer.produce(
                message.topic,
                message.value,
                message.key,
                headers=list(message.headers),
                on_delivery=report,
            )
            return
        except BufferError:
            watch.raise_if_final()
            producer.poll(0.1)
