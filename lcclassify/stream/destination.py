"""Where the results of a stream go, and what is promised of them."""

import logging
import socket
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from lcclassify.errors import SettingsError
from lcclassify.sinks.kafka import AtLeastOnce, Delivery, ExactlyOnce
from lcclassify.sinks.letter_files import LetterFiles
from lcclassify.sinks.offset_files import OffsetFiles
from lcclassify.sinks.stdout import StdoutSink
from lcclassify.stream.answers import PLACES
from lcclassify.stream.brokers.check import Cluster, exactly_once_possible
from lcclassify.stream.dead.delivery import ToFolder
from lcclassify.stream.message import Channel, Work
from lcclassify.stream.settings import Client, Settings
from lcclassify.urls import is_url

Write = Callable[[Work], Work]  # delivers a table; the work as it was delivered
Done = Callable[[str, int], int | None]  # topic and partition -> the offset after what is there

log = logging.getLogger("lcclassify.stream")


def open_place(settings: Settings) -> tuple[Write, Done]:
    """What writes results that do not go to Kafka, and what it has of a partition already.

    OutputError
    """
    if settings.to == "-":
        sink = StdoutSink()
        sink.__enter__()

        def say(work: Work) -> Work:
            if work.table is not None:
                sink.write(work.table)
                sink.flush()
            return work

        return say, lambda topic, partition: None
    if is_url(settings.to):
        from lcclassify.sinks.tom import TomSink

        tom = TomSink(settings.to, settings.tom.user, settings.tom.password)
        tom.__enter__()

        def put(work: Work) -> Work:
            n_refused = 0
            if work.table is not None:
                n_refused = tom.write(work.table.drop_columns(PLACES))
            n_answered = work.n_answered - n_refused  # a message has one record
            return replace(work, n_answered=n_answered, n_skipped=work.n_skipped + n_refused)

        return put, lambda topic, partition: None
    if settings.to != "kafka":
        files = OffsetFiles(Path(settings.to), settings.file_form)

        def write(work: Work) -> Work:
            if work.table is not None:
                files.write(work.table, work.spans)
            return work

        return write, files.done
    return lambda work: work, lambda topic, partition: None


def choose_delivery(
    settings: Settings, clusters: Mapping[str, Cluster], write: Write
) -> Callable[[], Delivery]:
    """As the settings ask, or the best that they allow. SettingsError, OutputError"""
    open_delivery = _choose(settings, clusters, write)
    if settings.dead_letters.folder is None:
        return open_delivery
    files = LetterFiles(settings.dead_letters.folder)
    return lambda: ToFolder(open_delivery(), files)


def _choose(
    settings: Settings, clusters: Mapping[str, Cluster], write: Write
) -> Callable[[], Delivery]:
    obstacle = exactly_once_possible(settings, clusters)
    if settings.delivery == "exactly-once" and obstacle:
        raise SettingsError(f"exactly-once is not possible: {obstacle}")
    if settings.delivery == "at-least-once" or obstacle:
        why = f": {obstacle}" if obstacle and settings.delivery == "auto" else ""
        log.info("delivery at least once%s", why)
        clients: dict[Channel, Client] = {}
        if settings.results:
            clients["results"] = clients["dead"] = settings.results
        if settings.scribe:
            clients["scribe"] = settings.scribe.client
        if settings.metrics:
            clients["metrics"] = settings.metrics.client
        return lambda: AtLeastOnce(clients, write)
    if settings.results is None:
        raise SettingsError("exactly-once needs a cluster for the results")
    results, (name, is_own) = settings.results, _transactional_id(settings)
    log.info("delivery exactly once, transactional id %s", name)
    return lambda: ExactlyOnce(results, name, may_renew=is_own)


def _transactional_id(settings: Settings) -> tuple[str, bool]:
    """Its name, and whether no other process can have it."""
    if settings.transactional_id:
        return settings.transactional_id, False
    group = settings.input.group_id
    if instance := settings.input.client.properties.get("group.instance.id"):
        return f"{group}-{instance}", False
    return f"{group}-{socket.gethostname()}-{uuid.uuid4().hex[:8]}", True
