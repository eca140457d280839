"""Topics of results: one name, or a new one each day."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Protocol

from lcclassify.errors import SettingsError

LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")
TWO_YEARS = [date(2023, 1, 1) + timedelta(days=day) for day in range(731)]  # one is a leap year


class Topics(Protocol):
    """Where results go at a time."""

    def at(self, now: datetime) -> str:
        """The one topic of this moment (with a time zone)."""


@dataclass(frozen=True, slots=True)
class OneTopic:
    """The same topic, always. SettingsError if Kafka allows no such name."""

    name: str

    def __post_init__(self) -> None:
        if not is_legal(self.name):
            raise SettingsError(f"{self.name!r} is no name for a topic; {RULE}")

    def at(self, now: datetime) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class DailyTopics:
    """A topic a day: ``format`` has %s for the date, and from ``change_hour`` (UTC) it is tomorrow.

    SettingsError unless each day has a legal name, and another one than the day before.
    """

    format: str
    date_format: str
    change_hour: int

    def __post_init__(self) -> None:
        if self.format.count("%s") != 1:
            raise SettingsError(
                f"the format of daily topics, {self.format!r}, must have %s once, for the date"
            )
        if not 0 <= self.change_hour <= 23:
            raise SettingsError(
                f"the hour at which topics change is 0 to 23 (UTC), not {self.change_hour}"
            )
        names = [self._of(day) for day in TWO_YEARS]
        if illegal := [name for name in names if not is_legal(name)]:
            raise SettingsError(
                f"{self.format!r} and the dates {self.date_format!r} make topics like "
                f"{illegal[0]!r}; {RULE}"
            )
        if any(name == after for name, after in pairwise(names)):
            raise SettingsError(
                f"the dates {self.date_format!r} do not change every day; %Y%m%d does"
            )

    def at(self, now: datetime) -> str:
        """The topic of this moment. The same moment has the same topic in every process."""
        moment = now.astimezone(UTC)
        return self._of(moment.date() + timedelta(days=moment.hour >= self.change_hour))

    def _of(self, day: date) -> str:
        try:
            text = day.strftime(self.date_format)
        except ValueError as error:  # what is wrong differs from platform to platform
            raise SettingsError(
                f"no date can be written as {self.date_format!r}: {error}"
            ) from None
        return self.format.replace("%s", text)


RULE = "Kafka allows up to 249 letters, digits, dots, dashes and underscores"


def pattern(told: str) -> re.Pattern[str]:
    """What finds a topic, as it is told: a name, or an expression that begins with ^. SettingsError

    librdkafka matches by POSIX's rules; what both know alike is what people write.
    """
    try:
        return re.compile(told if told.startswith("^") else f"^{re.escape(told)}$")
    except re.error as error:
        raise SettingsError(f"topic {told!r} is no regular expression: {error}") from None


def is_legal(name: str) -> bool:
    """Whether Kafka takes this as the name of a topic."""
    return LEGAL.fullmatch(name) is not None and name not in (".", "..")
