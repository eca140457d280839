"""Status: why a row has, or lacks, probabilities."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class Status(IntEnum):
    """Why a row has, or lacks, probabilities. One bad object never fails its batch."""

    OK = 0
    TOO_FEW_OBSERVATIONS = 1
    MISSING_FEATURES = 2  # the object has no features, or fewer than are asked for
    INVALID_FEATURES = 3  # a feature is not a number, or outside the range of float32
    INVALID_RECORD = 4  # the record cannot be read
    REPAIRED = 5  # answered, after something in the object was put right or left out


FEATURES_MISSING = "the object has no features"
HEADER_MISSING = "its header is missing"


class Problem(NamedTuple):
    """Why one object has no answer."""

    status: Status
    reason: str  # a sentence for people


def join_texts(first: Mapping[int, str], then: Mapping[int, str]) -> dict[int, str]:
    """What was said of each row, first and then, in one sentence."""
    joined = dict(first)
    for row, text in then.items():
        joined[row] = f"{joined[row]}; {text}" if row in joined else text
    return joined
