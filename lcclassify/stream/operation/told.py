"""What the drift guard and the shadow model tell of themselves."""

from collections.abc import Mapping
from dataclasses import dataclass


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
