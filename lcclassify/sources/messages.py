"""ALeRCE's feature messages: the header and the context that lie among their detections.

A message is one object with ``detections``; the values that were added to an alert on its
way lie in the ``extra_fields`` of each.
"""

import math
import re
from collections.abc import Mapping

from lcclassify.legacy.plain import Plain, plain_dict, read_plain_dict, read_plain_list
from lcclassify.legacy.records import RefusedError
from lcclassify.sources.context import integer, time_ms
from lcclassify.sources.records import Record
from lcclassify.status import HEADER_MISSING

HEADER = "diaObject"
NO_HEADER = f"the object has no diaObject: {HEADER_MISSING}"
NO_MEASUREMENT = 100.0  # magnitude, or error, of a ZTF detection that has none
SECONDS = 1e11  # an ingest time below this is in seconds (of year 5138), above in ms (of 1973)
ZTF_ID = r"ZTF[0-9]{2}[a-z]{7}"  # the beginning of an object's id
EXACT = 2**24  # below this a float32 holds every integer


def with_header(message: Record) -> Record:
    """The message with its header beside its features, if it has one. RefusedError

    That of the earliest detection that has one. It does not matter here whether the detection
    itself was measured.
    """
    for detection in sorted(_detections(message), key=lambda detection: _mjd(detection, math.inf)):
        header = _header(_extra(detection).get(HEADER))
        if header is not None:
            return {**message, HEADER: header}
    return message


def with_first_header(message: Record) -> Record:
    """The message with the header of its first detection that has one, for light curves.

    RefusedError. An empty list is none.
    """
    for detection in _detections(message):
        value = _extra(detection).get(HEADER)
        items = read_plain_list(value) if isinstance(value, bytes) else value
        header = _header(items) if items != [] else None
        if header is not None:
            return {**message, HEADER: header}
    return message


def survey_with_magnitudes(message: Record) -> str | None:
    """Whose detections have magnitudes in ``mag``; None for LSST's, which are fluxes.

    Where no detection says whose it is, an id of ZTF's does.
    """
    tids = {detection.get("tid") for detection in _detections(message)}
    telescopes = [tid for tid in tids if isinstance(tid, str)]
    others = sorted(tid for tid in telescopes if not tid.casefold().startswith("lsst"))
    if others:
        return others[0]
    return "ZTF" if not telescopes and re.match(ZTF_ID, str(message.get("oid"))) else None


def context_of(message: Record) -> dict[str, int | float | None]:
    """What output schemas need of a message, null where it has no such thing."""
    return {"lastmjd": last_mjd(message), **alert_of(message)}


def last_mjd(message: Record) -> float | None:
    """When its last detection was made that was measured. d"""
    measured = [_mjd(d, -math.inf) for d in _detections(message) if _is_measured(d)]
    last = max(measured, default=-math.inf)
    return last if math.isfinite(last) else None


def alert_of(message: Record) -> dict[str, int | float | None]:
    """Ids and times of the alert that the message answers; none if it answers none.

    They are those of the first new detection with a stamp, or else of the last one with a stamp. An
    id that was rounded on its way is taken from ``candid``, which is exact: it is the alert's id,
    and stands for the source's as well.
    """
    alert = _alert(message)
    if alert is None:
        return {}
    extra, candid = _extra(alert), integer(alert.get("candid"), EXACT)
    ids = {name: integer(extra.get(name), EXACT) for name in ("alertId", "diaSourceId")}
    context = {name: candid if value is None else value for name, value in ids.items()}
    context["elasticcPublishTimestamp"] = time_ms(extra.get("surveyPublishTimestamp"))
    ingested = time_ms(extra.get("brokerIngestTimestamp"))
    if ingested is not None and abs(ingested) < SECONDS:
        ingested *= 1000
    context["brokerIngestTimestamp"] = ingested
    return {**context}


def n_unforced(message: Record) -> int:
    """How many of its detections are not forced, those at magnitude 100 included."""
    return sum(not detection.get("forced") for detection in _detections(message))


def _header(value: object) -> Mapping[str, Plain] | None:
    if isinstance(value, bytes):
        return read_plain_dict(value)
    if isinstance(value, list):
        if not value:
            raise RefusedError("expected a list of one record, found an empty one")
        value = value[0]
    return plain_dict(value)


def _alert(message: Record) -> Record | None:
    stamped = [detection for detection in _detections(message) if detection.get("has_stamp")]
    new = [detection for detection in stamped if detection.get("new")]
    last = max(stamped, key=lambda detection: _mjd(detection, -math.inf), default=None)
    return new[0] if new else last


def _detections(message: Record) -> list[Record]:
    value = message.get("detections")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _extra(detection: Record) -> Record:
    value = detection.get("extra_fields")
    return value if isinstance(value, dict) else {}


def _mjd(detection: Record, unknown: float) -> float:
    value = detection.get("mjd")
    if isinstance(value, int | float) and not math.isnan(value):
        return float(value)
    return unknown


def _is_measured(detection: Record) -> bool:
    """Not if magnitude or error is 100, the tolerance being numpy's. ELAsTiCC's are fluxes: any."""
    if str(detection.get("tid")).casefold() == "lsst":
        return True
    values = [detection.get(name) for name in ("mag", "e_mag")]
    tolerance = 1e-8 + 1e-5 * NO_MEASUREMENT
    return not any(
        isinstance(value, int | float) and abs(value - NO_MEASUREMENT) <= tolerance
        for value in values
    )
