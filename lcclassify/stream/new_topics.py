"""Topics of results that begin while a stream runs, as daily ones do."""

import logging
import time
from collections.abc import Sequence
from threading import Event

from lcclassify.errors import BrokerError
from lcclassify.sources.kafka import PATIENCE_S
from lcclassify.stream.brokers.probe import ensure_topics
from lcclassify.stream.message import Message, Work
from lcclassify.stream.settings import Client, Settings
from lcclassify.stream.shutdown import LOOK_S
from lcclassify.stream.step import Step

log = logging.getLogger("lcclassify.stream")


def _ensure(results: Client, topics: Sequence[str], stop: Event) -> None:
    """Topics that exist, once the cluster can be asked, which may be away. BrokerError"""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ensure_topics("results", results, topics)
        except BrokerError:
            if time.monotonic() > deadline or stop.wait(LOOK_S):
                raise


def with_topics(settings: Settings, step: Step, stop: Event) -> Step:
    """A step whose topics of results exist: a new day's may have to be made. BrokerError"""
    known: set[str] = set()

    def with_topics(messages: Sequence[Message], /) -> Work:
        work = step(messages)
        new = {out.topic for out in work.outgoing if out.channel == "results"} - known
        if new and settings.results:
            _ensure(settings.results, sorted(new), stop)
            log.info("results go to %s", ", ".join(sorted(new)))
            known.update(new)
        return work

    return with_topics
