"""Messages opened for a model: their header read, and what is wrong with them or was put right."""

from collections.abc import Sequence
from typing import NamedTuple

from lcclassify.legacy.records import RefusedError
from lcclassify.sources.messages import (
    HEADER,
    NO_HEADER,
    survey_with_magnitudes,
    with_first_header,
    with_header,
)
from lcclassify.sources.records import Record, lacks_features
from lcclassify.status import Problem, Status


class Opened(NamedTuple):
    """A record with its header opened; what is wrong with it, and what was put right."""

    message: Record
    problem: Problem | None
    repair: str | None = None


def open_message(record: Record) -> Opened:
    """A record for a model of features."""
    try:
        return Opened(with_header(record), lacks_features(record))
    except RefusedError as refusal:
        return _refused(record, refusal)


def open_light_curve(record: Record, header: Sequence[str], others: bool) -> Opened:
    """Likewise for a model of light curves that asks for these values of the header, or others.

    What the object lacks does not keep it from being answered.
    """
    if survey := survey_with_magnitudes(record):
        reason = (
            f"its detections are of {survey:.20}: what they call mag is a magnitude, not a flux"
        )
        return Opened(record, Problem(Status.INVALID_RECORD, reason))
    try:
        message = with_first_header(record)
    except RefusedError as refusal:
        return _refused(record, refusal)
    repairs = []
    found = message.get(HEADER)
    if not isinstance(found, dict):
        found = {}
        repairs += [NO_HEADER] if header else []
    elif missing := sum(name not in found for name in header):
        repairs.append(f"diaObject lacks {missing} of {len(header)} values")
    if others and (lacking := lacks_features(record)):
        repairs.append(lacking.reason)
    nothing = dict.fromkeys(header)  # else a feature of that name would stand in for the header
    return Opened({**message, HEADER: nothing | found}, None, "; ".join(repairs) or None)


def _refused(record: Record, refusal: RefusedError) -> Opened:
    reason = f"the header of the message cannot be read: {refusal}"
    return Opened(record, Problem(Status.INVALID_RECORD, reason))
