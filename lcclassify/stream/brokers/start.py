"""Where a stream starts to read."""

from datetime import UTC, datetime
from typing import Literal, get_args

from confluent_kafka.admin import OffsetSpec

from lcclassify.errors import SettingsError
from lcclassify.stream.brokers.offsets import EARLIEST, LATEST, Offsets, Partition

Word = Literal["earliest", "latest", "committed"]
WORDS: dict[str, Word] = {word: word for word in get_args(Word)}
Start = Word | int | datetime


def parse_start(text: str) -> Start:
    """A word, an offset, or an ISO 8601 time (UTC unless it says otherwise). SettingsError."""
    if text in WORDS:
        return WORDS[text]
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(
            f"--from {text!r} is none of earliest, latest, committed, an offset, or a time such"
            " as 2026-01-31T12:00:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def reset_policy(text: str) -> Literal["earliest", "latest"]:
    """What auto.offset.reset has to be: for topics that do not exist yet, or have no offset."""
    return "latest" if text == "latest" else "earliest"


def set_start(told: str, offsets: Offsets) -> None:
    """Commit where the group is to start, before it is joined; nothing for ``committed``.

    Topics that do not exist yet are left to ``reset_policy``. BrokerError if the group has
    members, SettingsError if a partition does not have the offset.
    """
    start = parse_start(told)
    if start != "committed":
        offsets.commit(_found(offsets, start))


def _found(offsets: Offsets, start: Start) -> dict[Partition, int]:
    if isinstance(start, int):
        _refuse_beyond(offsets, start)
        return dict.fromkeys(offsets.partitions, start)
    if isinstance(start, datetime):
        first = offsets.at(OffsetSpec.for_timestamp(max(0, round(start.timestamp() * 1000))))
        end = offsets.at(LATEST)  # where there is nothing so late, wait for what comes
        return {place: end[place] if at < 0 else at for place, at in first.items()}
    return offsets.at(EARLIEST if start == "earliest" else LATEST)


def _refuse_beyond(offsets: Offsets, start: int) -> None:
    begin, end = offsets.at(EARLIEST), offsets.at(LATEST)
    for place in offsets.partitions:
        if not begin[place] <= start <= end[place]:
            raise SettingsError(
                f"--from {start}: {place.topic} [{place.number}] has offsets from {begin[place]} to"
                f" {end[place]}; choose one of these, or a time"
            )
