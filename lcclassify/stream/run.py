"""run_stream: open everything that settings name, check it, and go."""

import logging
import socket
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from lcclassify.errors import BrokerError, InputError, LcclassifyError, SettingsError
from lcclassify.sinks.kafka import AtLeastOnce, Delivery, ExactlyOnce
from lcclassify.sinks.offset_files import OffsetFiles
from lcclassify.sinks.stdout import StdoutSink
from lcclassify.sources.kafka import PATIENCE_S, Intake
from lcclassify.stream.answers import PLACES
from lcclassify.stream.brokers.check import Cluster, check_brokers, exactly_once_possible
from lcclassify.stream.brokers.offsets import open_offsets
from lcclassify.stream.brokers.probe import ensure_topics
from lcclassify.stream.brokers.seldom import Seldom
from lcclassify.stream.brokers.start import reset_policy, set_start
from lcclassify.stream.loop import run
from lcclassify.stream.message import Channel, Message, Work
from lcclassify.stream.report import NOBODY, Counts, Observer
from lcclassify.stream.settings import Client, Settings
from lcclassify.stream.shadow.keeper import Keeper, shadow_settings
from lcclassify.stream.shutdown import left_at_signals, stopped_by_signals
from lcclassify.stream.step import Step, open_step
from lcclassify.urls import is_url

LEAST_MESSAGES = 10  # fewer say nothing about a topic
LOOK_S = 0.2  # how often the main thread is there for signals
T = TypeVar("T")

log = logging.getLogger("lcclassify.stream")


def run_stream(settings: Settings) -> Counts:
    """Classify messages until there is no more to do, or a signal says so. LcclassifyError

    Everything is checked before the first message is read; one error tells all that is wrong.
    """
    log_to_stderr(settings.operation.debug)
    for note in settings.notes:
        log.info(note)
    if settings.shadow is None:
        return _checked_and_run(settings, None)
    with Keeper(shadow_settings(settings, settings.shadow)) as shadow:
        return _checked_and_run(settings, shadow)


def _checked_and_run(settings: Settings, shadow: Keeper | None) -> Counts:
    with left_at_signals():
        step, clusters = _together(
            lambda: open_step(settings),
            lambda: check_brokers(settings),
        )
        write, done = _place(settings)
        open_delivery = _delivery(settings, clusters, write)
        if shadow:
            shadow.check()
        if settings.dry_run:
            log.info("everything is there; nothing was read")
            return Counts()
        has_topics, is_new = _aside(lambda: _begin(settings))
    if settings.input.until_end and not settings.input.wait_for_topics and not has_topics:
        log.info("done: there is no topic that matches %s", ", ".join(settings.input.topics))
        return Counts()  # the client would wait for one
    step = fitting(step) if is_new else step
    observer = shadow.beside(NOBODY) if shadow else NOBODY
    with stopped_by_signals(settings.shutdown_s) as stop:
        counts = _aside(
            lambda: _run(
                settings, with_topics(settings, step, stop), open_delivery, done, stop, observer
            )
        )
        if shadow:
            shadow.finish(stop)
    objects = ", ".join(f"{n} {name}" for name, n in counts.statuses.most_common())
    log.info(
        "done: messages %d (%s), skipped %d, batches %d",
        counts.n_messages,
        objects or "no objects",
        counts.n_skipped,
        counts.n_batches,
    )
    return counts


def _begin(settings: Settings) -> tuple[bool, bool]:
    """Set the start; whether there are topics to read, and whether the group never read them."""
    offsets = open_offsets(settings.input)
    is_new = not offsets.committed()
    set_start(settings.input.start, offsets)
    return bool(offsets.partitions), is_new


def log_to_stderr(debug: bool) -> None:
    """A line for everything that an operator should know."""
    for name, level in (("stream", logging.INFO), ("kafka", logging.WARNING)):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        if name == "kafka" and not debug:
            handler.addFilter(Seldom())
        logger = logging.getLogger(f"lcclassify.{name}")
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.DEBUG if debug else level)


def _run(
    settings: Settings,
    step: Step,
    open_delivery: Callable[[], Delivery],
    done: Callable[[str, int], int | None],
    stop: Event,
    observer: Observer,
) -> Counts:
    told = settings.input
    reset = {"auto.offset.reset": reset_policy(told.start)}
    intake = Intake(
        replace(told.client, properties={**reset, **told.client.properties}),
        told.group_id,
        told.topics,
        batch_size=told.batch_size,
        timeout_s=told.timeout_s,
        until_end=told.until_end,
        limit=told.limit,
        wait_for_topics=told.wait_for_topics,
        done=done,
        stop=stop,
        observer=observer,
    )
    with open_delivery() as delivery, intake:
        return run(intake, step, delivery, observer)


def _together(first: Callable[[], Step], second: Callable[[], T]) -> tuple[Step, T]:
    """Both at a time. LcclassifyError with all that is wrong, of the kind of the first."""
    with ThreadPoolExecutor(2) as pool:
        step, found = pool.submit(first), pool.submit(second)
    errors = [error for future in (step, found) if (error := future.exception())]
    if len(errors) == 2 and all(isinstance(error, LcclassifyError) for error in errors):
        raise type(errors[0])(". ".join(map(str, errors))) from None
    return step.result(), found.result()


def _place(
    settings: Settings,
) -> tuple[Callable[[Work], None], Callable[[str, int], int | None]]:
    """What writes results that do not go to Kafka, and what it has of a partition already."""
    if settings.to == "-":
        sink = StdoutSink()
        sink.__enter__()

        def say(work: Work) -> None:
            if work.table is not None:
                sink.write(work.table)
                sink.flush()

        return say, lambda topic, partition: None
    if is_url(settings.to):
        from lcclassify.sinks.tom import TomSink

        tom = TomSink(settings.to, settings.tom.user, settings.tom.password)
        tom.__enter__()

        def put(work: Work) -> None:
            if work.table is not None:
                tom.write(work.table.drop_columns(PLACES))

        return put, lambda topic, partition: None
    if settings.to != "kafka":
        files = OffsetFiles(Path(settings.to), settings.file_form)

        def write(work: Work) -> None:
            if work.table is not None:
                files.write(work.table, work.spans)

        return write, files.done
    return lambda work: None, lambda topic, partition: None


def _delivery(
    settings: Settings, clusters: Mapping[str, Cluster], write: Callable[[Work], None]
) -> Callable[[], Delivery]:
    """As the settings ask, or the best that they allow. SettingsError"""
    obstacle = exactly_once_possible(settings, clusters)
    if settings.delivery == "exactly-once" and obstacle:
        raise SettingsError(f"exactly-once is not possible: {obstacle}")
    if settings.delivery == "at-least-once" or obstacle:
        why = f": {obstacle}" if obstacle and settings.delivery == "auto" else ""
        log.info("delivery at least once%s", why)
        clients: dict[Channel, Client] = {}
        if settings.results:
            clients["results"] = settings.results
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


def fitting(step: Step) -> Step:
    """A step that refuses to begin if none of the first messages is one for the model. InputError

    Else a wrong topic, form or model would be read to its end, and all of it count as handled.
    """
    n_seen, fits = 0, False

    def fitting_step(messages: Sequence[Message], /) -> Work:
        nonlocal n_seen, fits
        work = step(messages)
        n_seen += len(messages)
        fits = fits or len(work.misfits) < len(messages)
        if not fits and n_seen >= LEAST_MESSAGES:
            raise InputError(
                f"none of the first {n_seen} messages can be answered; {messages[-1].place}: "
                f"{work.misfits[-1]}; check --consumer-topics, --input-format and --model"
            )
        return work

    return fitting_step


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


def _aside(call: Callable[[], T]) -> T:
    """Call in another thread: calls to Kafka may last, and signals need the main one."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=work, daemon=True, name="lcclassify-stream").start()
    while not future.done():
        wait((future,), LOOK_S)
    return future.result()
