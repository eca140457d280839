"""Topics of results: one name, or a new one each day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Topics(Protocol):
    """Where results go at a time."""

    def at(self, now: datetime) -> str:
        """The one topic of this moment (with a time zone)."""


@dataclass(frozen=True, slots=True)
class OneTopic:
    """The same topic, always."""

    name: str

    def at(self, now: datetime) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class DailyTopics:
    """A topic a day: ``format`` has %s for the date, and from ``change_hour`` (UTC) it is tomorrow.

    The reference copies messages to up to ``retention_days`` topics; here each goes to exactly one.
    """

    format: str
    date_format: str
    change_hour: int

    def at(self, now: datetime) -> str:
        """The topic of this moment."""
        moment = now.astimezone(UTC)
        date = moment + timedelta(days=1) if moment.hour >= self.change_hour else moment
        return self.format.replace("%s", date.strftime(self.date_format), 1)
