"""What all connections to Kafka have in common: their log, their last errors, words for both."""

import csv
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from lcclassify.errors import BrokerError, SettingsError
from lcclassify.stream.secret import MASK, Secret
from lcclassify.stream.settings import Client

C = TypeVar("C")
LOG = logging.getLogger("lcclassify.kafka")  # librdkafka's lines, when a client is polled
OUT_OF_REACH_S = 120.0  # a cluster may take this long to come back
REFUSED_S = 10.0  # a broker that starts again may refuse for a moment
MEASURE_MS = 5000


def place(name: str, client: Client) -> str:
    """A connection, for people: ``results (host:9092 as alice)``."""
    user = client.properties.get("sasl.username")
    return f"{name} ({client.servers}{f' as {user}' if user else ''})"


@cache
def _words() -> dict[str, tuple[str, str]]:
    table = files("lcclassify") / "catalogue" / "kafka_errors.csv"
    rows = csv.DictReader(table.read_text("utf-8").splitlines())
    return {row["code"]: (row["problem"], row["advice"]) for row in rows}


def sentence(error: KafkaError, where: str) -> str:
    """What went wrong where, and what to do about it, in one sentence."""
    name = _name(error)
    problem, advice = _words().get(name, (f"Kafka says {name}", ""))
    reason = _reason(error) if name == error.name() else ""
    return f"{where}: {problem}{f' ({reason})' if reason else ''}{f'; {advice}' if advice else ''}"


def _name(error: KafkaError) -> str:
    """Its code's; of a consumer's fatal error, which has a code of its own, the one in its text."""
    if error.code() == KafkaError._FATAL:
        for name in _words():
            if KafkaError(getattr(KafkaError, name)).str() in error.str():
                return name
    return error.name()


def _reason(error: KafkaError) -> str:
    """What the client itself saw; a broker's answer is no more than its code."""
    text = error.str() or ""
    if error.name() in _words() and not error.name().startswith("_"):
        return ""
    text = re.sub(r"^(\S+/(bootstrap|\d+): )+", "", text)  # which is in the sentence already
    text = re.sub(r" \(after \d+ms in state \w+\)", "", text)
    return re.sub(r"(^|: )Local: .*|^\d+/\d+ brokers are down$", "", text)


@contextmanager
def as_broker_error(where: str) -> Iterator[None]:
    """Kafka's exceptions as ours: what a call to a client ends with, also if that is fatal."""
    try:
        yield
    except KafkaException as error:
        raise BrokerError(sentence(kafka_error(error), where)) from None


def kafka_error(error: KafkaException) -> KafkaError:
    """What the exception carries."""
    found: KafkaError = error.args[0]
    return found


def without_secrets(text: str, client: Client) -> str:
    """The text, should a library have put a secret into it."""
    for value in client.properties.values():
        if isinstance(value, Secret) and value.reveal():
            text = text.replace(value.reveal(), MASK)
    return text


class Watch:
    """Hears a client's errors, and knows which of them do not end by themselves.

    Those are: user, password or certificate refused, with every broker out of reach, for 10 s; all
    brokers out of reach for ``limit_s``. What the client calls fatal comes out of calls to it.
    """

    def __init__(
        self,
        where: str,
        limit_s: float = OUT_OF_REACH_S,
        refused_s: float = REFUSED_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = where
        self.limit_s = limit_s
        self.refused_s = refused_s
        self._clock = clock
        self._refusal: KafkaError | None = None
        self._last: KafkaError | None = None  # the reason why a broker could not be reached
        self._refused_since = self._down_since = 0.0

    def config(self) -> dict[str, Any]:
        """What the client needs to report here, and to log. Reports come when it is polled."""
        return {
            "error_cb": self.hear,
            "stats_cb": self.measure,
            "statistics.interval.ms": MEASURE_MS,
            "logger": LOG,
        }

    def hear(self, error: KafkaError) -> None:
        """An error that the client reports."""
        now = self._clock()
        if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
            self._refused_since = now if self._refusal is None else self._refused_since
            self._refusal = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down_since = self._down_since or now
        elif error.code() in (KafkaError._TRANSPORT, KafkaError._RESOLVE):
            self._last = error

    def measure(self, statistics: str) -> None:
        """The client's statistics: a broker that is up ends whatever was wrong."""
        brokers = json.loads(statistics)["brokers"].values()
        if any(broker["state"] == "UP" for broker in brokers):
            self._refusal = self._last = None
            self._down_since = 0.0

    def raise_if_final(self) -> None:
        """BrokerError if it is no use to wait."""
        if final := self.final():
            raise BrokerError(final)

    def final(self) -> str | None:
        """The sentence for what does not end by itself, if there is such a thing."""
        now = self._clock()
        if not self._down_since:
            return None
        if self._refusal and now - self._refused_since >= self.refused_s:
            return sentence(self._refusal, self.where)
        if now - self._down_since >= self.limit_s:
            return self.out_of_reach(now - self._down_since)
        return None

    def out_of_reach(self, seconds: float) -> str:
        """The sentence for brokers that did not answer for so long."""
        if self._refusal:
            return sentence(self._refusal, self.where)
        problem, advice = _words()["_ALL_BROKERS_DOWN"]
        reason = _reason(self._last) if self._last else ""
        told = f" ({reason})" if reason else ""
        return f"{self.where}: {problem} for {seconds:.0f} s{told}; {advice}"


def open_client(
    make: Callable[[dict[str, Any]], C],
    client: Client,
    watch: Watch,
    ours: Mapping[str, Any] = MappingProxyType({}),
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> C:
    """A consumer, producer or the like. SettingsError if a property is unknown or without meaning.

    ``ours`` win over the client's properties, these over ``defaults``.
    """
    try:
        return make({**defaults, **client.config(), **ours, **watch.config()})
    except KafkaException as error:
        told = re.sub(r"^Failed to create [a-z ]+: ", "", kafka_error(error).str())
        problem = without_secrets(told, client)
        raise SettingsError(f"{watch.where}: {problem}; correct this client property") from None


def open_admin(client: Client, watch: Watch) -> AdminClient:
    """For questions. Connects when it is asked something."""
    return open_client(AdminClient, client, watch, {"log_level": 0})  # ``watch`` hears what matters
