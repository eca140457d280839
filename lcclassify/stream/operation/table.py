"""The table of metrics: what there is to measure, in one place."""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple

# What the client library tells of the process by itself, where processes share no figures.
OF_THE_PROCESS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)


class Metric(NamedTuple):
    """One line of metrics.csv."""

    name: str
    kind: str  # counter, gauge, histogram or summary
    labels: tuple[str, ...]
    buckets: tuple[float, ...]  # upper ends; of a histogram alone
    shared: str  # how a gauge of several processes becomes one number; as prometheus_client says
    help: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        ends = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
        return tuple(self.name + end for end in ends.get(self.kind, ("",)))


@cache
def metrics() -> dict[str, Metric]:
    """All of them by name, in the order of the file."""
    lines = (files("lcclassify.stream.operation") / "metrics.csv").read_text("utf-8").splitlines()
    return {
        row["name"]: Metric(
            row["name"],
            row["kind"],
            tuple(row["labels"].split()),
            tuple(map(float, row["buckets"].split())),
            row["shared"],
            row["help"],
        )
        for row in csv.DictReader(lines)
    }
