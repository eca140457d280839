"""run_stream: open everything that settings name, check it, and go."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from typing import TypeVar

from lcclassify.errors import (
    LcclassifyError,
    OutputError,
)
from lcclassify.remarks import sentences
from lcclassify.sinks.kafka import Delivery
from lcclassify.sources.kafka import Intake
from lcclassify.stream.brokers.check import check_brokers
from lcclassify.stream.brokers.offsets import open_offsets
from lcclassify.stream.brokers.start import reset_policy, set_start
from lcclassify.stream.dead.limit import limited
from lcclassify.stream.destination import Done, choose_delivery, open_place
from lcclassify.stream.fitting import fitting
from lcclassify.stream.guard import Guard
from lcclassify.stream.loop import run
from lcclassify.stream.new_topics import with_topics
from lcclassify.stream.operation.desk import Desk
from lcclassify.stream.report import Counts, Observer
from lcclassify.stream.settings import Settings
from lcclassify.stream.shadow.keeper import Keeper, shadow_settings
from lcclassify.stream.shutdown import aside, left_at_signals, stopped_by_signals
from lcclassify.stream.step import MessageStep, Step, open_step

T = TypeVar("T")

log = logging.getLogger("lcclassify.stream")


def run_stream(settings: Settings) -> Counts:
    """Classify messages until there is no more to do, or a signal says so. LcclassifyError

    Everything is checked before the first message is read; one error tells all that is wrong.
    """
    with Desk(settings) as desk:
        desk.serve()
        return _run_at(desk, settings)


def _run_at(desk: Desk, settings: Settings) -> Counts:
    for note in settings.notes:
        log.info(note)
    if settings.shadow is None:
        return _checked_and_run(desk, settings, None)
    with Keeper(shadow_settings(settings, settings.shadow)) as shadow:
        return _checked_and_run(desk, settings, shadow)


def _checked_and_run(desk: Desk, settings: Settings, shadow: Keeper | None) -> Counts:
    with left_at_signals():
        opened, clusters = _together(
            lambda: open_step(settings),
            lambda: check_brokers(settings),
        )
        desk.loaded(opened.bundle)
        write, done = open_place(settings)
        open_delivery = choose_delivery(settings, clusters, write)
        if shadow:
            shadow.check()
        if settings.dry_run:
            log.info("everything is there; nothing was read")
            return Counts()
        has_topics, is_new = aside(lambda: _begin(settings))
    if settings.input.until_end and not settings.input.wait_for_topics and not has_topics:
        log.info("done: there is no topic that matches %s", ", ".join(settings.input.topics))
        return Counts()  # the client would wait for one
    step: Step = fitting(opened) if is_new else opened
    if settings.dead_letters.max_share < 1:
        step = limited(step, settings.dead_letters.max_share)
    with stopped_by_signals(settings.shutdown_s) as stop, desk.running(stop):
        observer = shadow.beside(desk.observer) if shadow else desk.observer
        guard = Guard(settings.drift, observer)
        watched = guard.watch(with_topics(settings, step, stop))
        counts = aside(lambda: _run(settings, watched, open_delivery, done, stop, guard))
        if shadow:
            shadow.finish(stop)
    objects = ", ".join(f"{n} {name}" for name, n in counts.statuses.most_common())
    log.info(
        "done: messages %d (%s), answered %d, dead %d, skipped %d, batches %d",
        counts.n_messages,
        objects or "no objects",
        counts.n_answered,
        counts.n_dead,
        counts.n_skipped,
        counts.n_batches,
    )
    for sentence in sentences(counts.remarks):
        log.info("in all: %s", sentence)
    reconcile(counts)
    if not stop.is_set():
        guard.end()
    return counts


def reconcile(counts: Counts) -> None:
    """OutputError unless every message was answered, is a dead letter or was skipped, and once."""
    n_told = counts.n_answered + counts.n_dead + counts.n_skipped
    if n_told != counts.n_messages:
        raise OutputError(
            f"{counts.n_messages} messages were handled, but answered {counts.n_answered}, dead "
            f"{counts.n_dead} and skipped {counts.n_skipped} make {n_told}: results were lost or "
            "doubled by a fault of lcclassify; report it, and read these messages again by --from"
        )


def _begin(settings: Settings) -> tuple[bool, bool]:
    """Set the start; whether there are topics to read, and whether the group never read them."""
    offsets = open_offsets(settings.input)
    is_new = not offsets.committed()
    set_start(settings.input.start, offsets)
    return bool(offsets.partitions), is_new


def _run(
    settings: Settings,
    step: Step,
    open_delivery: Callable[[], Delivery],
    done: Done,
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


def _together(first: Callable[[], MessageStep], second: Callable[[], T]) -> tuple[MessageStep, T]:
    """Both at a time. LcclassifyError with all that is wrong, of the kind of the first."""
    with ThreadPoolExecutor(2) as pool:
        step, found = pool.submit(first), pool.submit(second)
    errors = [error for future in (step, found) if (error := future.exception())]
    if len(errors) == 2 and all(isinstance(error, LcclassifyError) for error in errors):
        raise type(errors[0])(". ".join(map(str, errors))) from None
    return step.result(), found.result()
