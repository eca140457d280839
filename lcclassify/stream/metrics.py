"""The metrics message: what a batch held and how long it took, as ALeRCE's steps tell it."""

import json
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Any


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
