"""The metrics message: what a batch held and how long it took, as ALeRCE's steps tell it."""

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any

from lcclassify.sources.records import Record
from lcclassify.stream.message import Outgoing
from lcclassify.stream.settings import Settings

log = logging.getLogger("lcclassify.stream")


def to_metrics(
    settings: Settings, records: Sequence[Record], *, received: datetime, sent: datetime
) -> list[Outgoing]:
    """The metrics message about a batch of these records, if there is to be one."""
    if settings.metrics is None:
        return []
    tell = partial(
        metrics_message,
        received=received,
        sent=sent,
        n_messages=len(records),
        source=settings.metrics_source,
        survey=settings.metrics_survey,
    )
    value = tell(
        aids=[record.get("aid") for record in records],
        candids=[record.get("candid") for record in records],
    )
    if len(value) > settings.metrics.client.max_bytes:
        log.warning(
            "the metrics message of %d messages has %d bytes, more than message.max.bytes; "
            "it goes without aid and candid: raise that, or lower --consume-messages",
            len(records),
            len(value),
        )
        value = tell(aids=[], candids=[])
    return [Outgoing("metrics", settings.metrics.topic, None, value)]


def metrics_message(
    *,
    received: datetime,
    sent: datetime,
    aids: Iterable[Any],
    candids: Iterable[Any],
    n_messages: int,
    source: str,
    survey: str | None,
) -> bytes:
    """The message about a batch that came and went at these moments (with a time zone, UTC).

    ``aids`` and ``candids`` are what its messages hold under these names, in their order, None
    where one lacks it. Lists are told id by id; what JSON has no words for is null.
    """
    message = {
        "timestamp_received": received.isoformat(),
        "timestamp_sent": sent.isoformat(),
        "execution_time": (sent - received).total_seconds(),
        "aid": _flat(aids),
        "candid": _flat(candids),
        "n_messages": n_messages,
        "source": source,
        "survey": survey,
    }
    return json.dumps(message, default=lambda value: None).encode()


def _flat(values: Iterable[Any]) -> list[Any]:
    return list(chain.from_iterable(v if isinstance(v, list) else [v] for v in values))
