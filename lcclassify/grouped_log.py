"""GroupedLog: a line for all faults of one kind, with their number and the first of them."""

import logging
import re
from dataclasses import dataclass
from typing import NamedTuple

MOST_KINDS = 10  # that have a line of their own; what varies otherwise is counted together
SUBJECT = re.compile(r"(?:\S+ = |['\"\[{(]).* (is .+)", re.DOTALL)  # rb = 'x' is not a number
QUOTED = re.compile(r"(['\"]).*?\1", re.DOTALL)
NUMBER = re.compile(r"[-+]?[0-9][0-9.,e+-]*")


def words_of(reason: str) -> str:
    """A reason without its particulars: values, texts, numbers, and what a colon introduces."""
    if subject := SUBJECT.fullmatch(reason):
        return subject[1]
    words = NUMBER.sub(" ", QUOTED.sub(" ", reason).partition(":")[0])
    return " ".join(words.split())


class _Kind(NamedTuple):
    what: str  # became of them, as "cannot be read"
    words: str | None  # of the reason; None: of those that are counted together


@dataclass(slots=True)
class _Group:
    level: int
    place: str  # of the first
    reason: str
    failure: Exception | None
    count: int = 0


class GroupedLog:
    """Collects what is wrong with the messages of a batch, until ``tell`` logs it."""

    def __init__(self, log: logging.Logger, unit: str = "message") -> None:
        self._log, self._unit = log, unit
        self._groups: dict[_Kind, _Group] = {}

    def add(
        self,
        what: str,
        place: str,
        reason: str,
        *,
        kind: str | None = None,
        level: int = logging.WARNING,
        failure: Exception | None = None,
    ) -> None:
        """Note one fault; ``what`` reads well behind "1 message" and "2 messages".

        ``kind`` is what its reason has in common with others, if that is not its first words.
        Each has a line of its own where more is logged, for debugging.
        """
        self._log.debug("%s %s: %s", place, what, reason)
        key = _Kind(what, words_of(reason) if kind is None else kind)
        if key not in self._groups and sum(one.what == what for one in self._groups) >= MOST_KINDS:
            key = _Kind(what, None)
        group = self._groups.setdefault(key, _Group(level, place, reason, failure))
        group.count += 1

    def tell(self) -> None:
        """Log what was noted, and forget it."""
        for (what, words), group in self._groups.items():
            more = "more " if words is None else ""
            many = f"{group.count:,} {more}{self._unit}{'' if group.count == 1 else 's'}"
            first = "" if group.count == 1 else "the first "
            self._log.log(
                group.level,
                "%s %s, %s%s: %s",
                *(many, what, first, group.place, group.reason),
                exc_info=group.failure,
            )
        self._groups.clear()
