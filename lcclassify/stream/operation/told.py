"""What the drift guard and the shadow model tell of themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriftState:
    """How the last window of messages compares with what the model was trained on."""

    number: int  # of the window, from 1; one may be told of twice
    n_objects: int  # in it
    missing: Mapping[str, float]  # feature -> share of objects without it
    outside: Mapping[str, float]  # feature -> share of objects outside its range of training
    drifting: frozenset[str]  # features
    class_shift: float | None  # share of answers that other classes have; None: not known
    sentences: Sequence[str]  # what is wrong, for people; none: nothing is


@dataclass(frozen=True, slots=True)
class ShadowState:
    """How a second model fares; numbers of messages since the start."""

    model: str  # name and version
    n_messages: int  # answered by both
    n_agree: int  # of those
    n_dropped: int  # for which it was too slow
    n_failed: int  # in batches that it could not answer
    is_alive: bool
    delay_s: float  # from the delivery of the first model's batch to its own
    pairs: Mapping[tuple[str | None, str | None], int]  # the classes of both; None: no answer
