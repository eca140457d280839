"""Figures for Prometheus: what the loop tells, added up in the metrics of the table."""

import os
from collections.abc import Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.values import MutexValue, ValueClass

from lcclassify import __version__
from lcclassify.bundle import ModelBundle
from lcclassify.errors import SettingsError
from lcclassify.remarks import Remark
from lcclassify.status import Status
from lcclassify.stream.message import STAGES
from lcclassify.stream.operation.health import Health
from lcclassify.stream.operation.http import Answer
from lcclassify.stream.operation.table import Metric, metrics
from lcclassify.stream.report import OUTCOMES, DriftState, Observer, Partition, Report, ShadowState

SEEN = ("gather", "deliver")  # stages that the loop measures; ``answer`` is the sum of the others


class Figures(Observer):
    """All metrics, set in the thread of the loop and read by those of the HTTP server.

    Where PROMETHEUS_MULTIPROC_DIR names a folder, as the client library has it, all processes that
    share it add up: each of them shows the figures of all. SettingsError if there is no such folder
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._is_shared = ValueClass is not MutexValue
        self.registry = CollectorRegistry()
        disable_created_metrics()  # twice the series, for a time that nobody asks for
        if self._is_shared:
            try:
                MultiProcessCollector(self.registry)
            except ValueError as error:
                raise SettingsError(f"{error}: create it, empty, before the first start") from None
            mark_process_dead(os.getpid())  # one of the past; in a container all have one number
        else:
            ProcessCollector(registry=self.registry)
        owner = None if self._is_shared else self.registry
        made = {name: _made(metric, owner) for name, metric in metrics().items()}
        self._consumed, self._processed = made["consumed_messages"], made["processed_messages"]
        self._answering = made["execution_time"]
        own = {name.removeprefix("lcclassify_"): value for name, value in made.items()}
        self._own = own
        self._outcomes = {name: own["messages_total"].labels(name) for name in OUTCOMES}
        self._letters = {name: own["dead_letters_total"].labels(name) for name in STAGES}
        self._stages = {name: own["stage_seconds"].labels(name) for name in (*SEEN, *STAGES)}
        for status in Status:
            own["objects_total"].labels(status.name.lower())
        self._counted = dict.fromkeys(OUTCOMES, 0)
        self._remarked: dict[Remark, int] = {}
        self._lagging: dict[Partition, Any] = {}
        self._drifting: set[str] = set()
        self._n_windows = 0
        self._shadow: dict[str, int] = {}

    def page(self, accept: str) -> Answer:
        """All of it as text, in the format that the client asks for."""
        encode, kind = choose_encoder(accept)
        return Answer(200, kind, encode(self.registry))

    def loaded(self, bundle: ModelBundle, group: str) -> None:
        """Say that this model answers."""
        about = (group, bundle.name, bundle.version, bundle.digest, __version__)
        self._own["info"].labels(*about).set(1)
        for name in bundle.taxonomy.classes:
            self._own["classes_total"].labels(name)

    def close(self) -> None:
        """Show that nothing is done here any more."""
        self._own["ready"].set(0)
        self.assigned(frozenset())
        if self._is_shared:
            mark_process_dead(os.getpid())

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Forget the lag of partitions that others have now."""
        self._own["assigned_partitions"].set(len(partitions))
        for partition in self._lagging.keys() - partitions:
            gauge = self._lagging.pop(partition)
            if self._is_shared:  # where the library can remove nothing
                gauge.set(0)
            else:
                self._own["lag_messages"].remove(partition[0], str(partition[1]))

    def alive(self) -> None:
        """Show whether it is ready."""
        self._own["ready"].set(self._health.obstacle is None)

    def delivered(self, report: Report) -> None:
        """Add up."""
        own, work, messages = self._own, report.work, report.messages
        n_messages = len(messages)
        self._consumed.observe(n_messages)
        self._processed.observe(n_messages)
        self._answering.observe(report.seconds["answer"])
        for outcome, counter in self._outcomes.items():
            total = getattr(report.counts, f"n_{outcome}")
            counter.inc(total - self._counted[outcome])
            self._counted[outcome] = total
        for letter in work.letters:
            self._letters[letter.stage].inc()
        own["batches_total"].inc()
        own["batch_messages"].observe(n_messages)
        for stage in SEEN:
            self._stages[stage].observe(report.seconds[stage])
        for name, seconds in work.seconds.items():
            self._stages[name].observe(seconds)
        observe, now = own["delay_seconds"].observe, report.delivered_at
        for delay in report.delays():
            observe(delay)
        for status, n_objects in work.statuses.items():
            own["objects_total"].labels(status).inc(n_objects)
        for remark, total in report.counts.remarks.items():
            counter = own["remarks_total"].labels(remark.kind.key, remark.name)
            counter.inc(total - self._remarked.get(remark, 0))
            self._remarked[remark] = total
        for name, n_objects in work.classes.items():
            own["classes_total"].labels(name).inc(n_objects)
        own["received_bytes_total"].inc(sum(len(m.value or b"") for m in messages))
        own["sent_bytes_total"].inc(sum(len(out.value or b"") for out in work.outgoing))
        own["last_batch_timestamp_seconds"].set(now)
        for partition, n_waiting in report.lag.items():
            gauge = self._lagging.get(partition)
            if gauge is None:
                gauge = own["lag_messages"].labels(*partition)
                self._lagging[partition] = gauge
            gauge.set(n_waiting)

    def repeated(self, n_messages: int, reason: str) -> None:
        """Count."""
        self._consumed.observe(n_messages)
        self._own["repeated_batches_total"].inc()

    def drift(self, state: DriftState) -> None:
        """Show what the last window looked like."""
        own = self._own
        own["drift_windows_total"].inc(state.number - self._n_windows)
        self._n_windows = state.number
        own["drift"].set(bool(state.sentences))
        own["class_shift_share"].set(state.class_shift or 0.0)
        shares: dict[str, Mapping[str, float]] = {
            "missing_share": state.missing,
            "outside_share": state.outside,
        }
        for name, of_features in shares.items():
            for feature, share in of_features.items():
                own[name].labels(feature).set(share)
        self._drifting |= state.drifting
        for feature in self._drifting:
            own["drifting"].labels(feature).set(feature in state.drifting)

    def shadow(self, state: ShadowState) -> None:
        """Show how the second model fares."""
        self._own["shadow_alive"].labels(state.model).set(state.is_alive)
        self._own["shadow_delay_seconds"].labels(state.model).set(state.delay_s)
        totals = {
            "shadow_messages_total": state.n_messages,
            "shadow_agreements_total": state.n_agree,
            "shadow_dropped_total": state.n_dropped,
            "shadow_failed_total": state.n_failed,
        }
        for name, total in totals.items():
            self._own[name].labels(state.model).inc(total - self._shadow.get(name, 0))
        self._shadow = totals


KINDS = {"counter": Counter, "gauge": Gauge, "histogram": Histogram, "summary": Summary}


def _made(metric: Metric, registry: CollectorRegistry | None) -> Any:
    """The library's object for a line of the table."""
    more: dict[str, Any] = {}
    if metric.kind == "histogram":
        more["buckets"] = metric.buckets
    if metric.kind == "gauge":
        more["multiprocess_mode"] = metric.shared
    return KINDS[metric.kind](metric.name, metric.help, metric.labels, registry=registry, **more)
