"""What the live display shows, as numbers: the last seconds, and everything since the start."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from lcclassify.stream.message import STAGES
from lcclassify.stream.report import Counts, DriftState, Observer, Partition, Report, ShadowState

RECENT_S = 20.0  # that count as now
N_DELAYS = 2000  # messages whose delays are looked at


class _Batch(NamedTuple):
    at: float  # s, when it was delivered
    n_messages: int
    seconds: Mapping[str, float]  # by stage


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of a stream."""

    counts: Counts
    uptime_s: float
    rate: float  # messages/s of the last seconds
    mean_rate: float  # and since the start
    lag: int | None  # None: not known yet
    n_partitions: int | None  # None: nothing is assigned yet
    delays_s: tuple[float, float] | None  # median and 99th percentile
    stages: Mapping[str, float]  # ms a message, of the last batches
    classes: Mapping[str, float]  # the most frequent, with their shares
    n_last: int  # messages of the last batch
    age_s: float | None  # since it was delivered
    drift: DriftState | None
    shadow: ShadowState | None


class Tally(Observer):
    """Adds up in the thread of the loop; ``shown`` may be asked by any other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._began, self._lock = clock, clock(), Lock()
        self._counts, self._classes = Counts(), Counter[str]()
        self._recent: deque[_Batch] = deque()
        self._delays: deque[float] = deque(maxlen=N_DELAYS)
        self._last: _Batch | None = None
        self._lag: int | None = None
        self._n_partitions: int | None = None
        self._drift: DriftState | None = None
        self._shadow: ShadowState | None = None

    def assigned(self, partitions: frozenset[Partition]) -> None:
        """Remember how many."""
        self._n_partitions = len(partitions)

    def delivered(self, report: Report) -> None:
        """Add up."""
        seconds = {**report.work.seconds, "deliver": report.seconds["deliver"]}
        batch = _Batch(self._clock(), len(report.messages), seconds)
        with self._lock:
            self._counts, self._lag, self._last = report.counts, sum(report.lag.values()), batch
            self._classes.update(report.work.classes)
            self._delays.extend(report.delays()[-N_DELAYS:])
            self._recent.append(batch)
            self._forget(batch.at)

    def drift(self, state: DriftState) -> None:
        """Remember."""
        self._drift = state

    def shadow(self, state: ShadowState) -> None:
        """Remember."""
        self._shadow = state

    def shown(self) -> Shown:
        """Look at this moment."""
        now = self._clock()
        uptime_s = now - self._began
        with self._lock:
            self._forget(now)
            recent, delays = list(self._recent), sorted(self._delays)
            best, n_objects = self._classes.most_common(5), self._classes.total()
        n_recent = sum(batch.n_messages for batch in recent)
        looked_at = recent or ([self._last] if self._last else [])
        n_looked_at = sum(batch.n_messages for batch in looked_at) or 1
        return Shown(
            counts=self._counts,
            uptime_s=uptime_s,
            rate=n_recent / max(min(uptime_s, RECENT_S), 1e-9),
            mean_rate=self._counts.n_messages / max(uptime_s, 1e-9),
            lag=self._lag,
            n_partitions=self._n_partitions,
            delays_s=(_quantile(delays, 0.5), _quantile(delays, 0.99)) if delays else None,
            stages={
                name: 1000 * sum(batch.seconds.get(name, 0.0) for batch in looked_at) / n_looked_at
                for name in (*STAGES, "deliver")
            },
            classes={name: n / n_objects for name, n in best},
            n_last=self._last.n_messages if self._last else 0,
            age_s=now - self._last.at if self._last else None,
            drift=self._drift,
            shadow=self._shadow,
        )

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0].at > RECENT_S:
            self._recent.popleft()


def _quantile(values: list[float], share: float) -> float:
    """Of sorted values, the one that so many are not above."""
    return values[min(int(share * len(values)), len(values) - 1)]
