"""Guard: watches what a stream delivers, window by window, for drift."""

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np

from lcclassify.drift import (
    LEAST_OBJECTS,
    Finding,
    class_shift,
    find_drift,
    missing_shares,
    outside_shares,
    some_sentences,
)
from lcclassify.errors import DriftError
from lcclassify.features import some_of
from lcclassify.remarks import Remarks, add_remarks, all_remarks
from lcclassify.stream.message import Message, Work
from lcclassify.stream.report import DriftState, Observer, Observers, Report
from lcclassify.stream.settings import Drift
from lcclassify.stream.step import Step
from lcclassify.tally import Tally, total

EARLY = 500  # objects after which a window is looked at before it is full
CALM = 3  # windows without a finding after which it is over: a share near its limit comes and goes
SILENCE = "none of the last {} messages has an answer"
REMIND = 50  # windows after which drift that goes on is told again

log = logging.getLogger("lcclassify.stream")


class Guard(Observers):
    """Passes on what it hears, and tells of drift what it finds itself.

    A window ends when it is full, or when it shows what those before did not. Only batches that
    were delivered are in windows, so a batch that is answered twice counts once.
    """

    def __init__(self, settings: Drift, *observers: Observer) -> None:
        super().__init__(*observers)
        self._settings = settings
        self._tally: Tally | None = None  # of the window so far
        self._remarks: Remarks = Counter()  # of the window so far
        self._n_seen = 0  # of its objects that were looked at
        self._number = self._n_told = 0  # windows; that of the last words on drift
        self._last: dict[tuple[str, str | None], int] = {}  # what drifts -> the last such window
        self._n_silent = 0  # messages in a row without an answer

    def watch(self, step: Step) -> Step:
        """A step that answers nothing that would be delivered though it is to stop. DriftError"""
        if self._settings.policy != "stop":
            return step

        def watched(messages: Sequence[Message], /) -> Work:
            work = step(messages)
            window = total([self._tally, work.tally])
            words = ""
            if window is not None and self._is_due(window):
                remarks = all_remarks((self._remarks, work.remarks))
                words = _words(find_drift(window, remarks=remarks))
            if (n_silent := self._silence(messages, work)) >= self._settings.window:
                words = SILENCE.format(n_silent)
            if words:
                raise DriftError(
                    f"{words}; stopped before the last {len(messages)} messages were delivered: "
                    "--on-drift warn goes on with them"
                )
            return work

        return watched

    def delivered(self, report: Report) -> None:
        """Add what was delivered to the window."""
        super().delivered(report)
        self._listen(report)
        self._tally = total([self._tally, report.work.tally])
        add_remarks(self._remarks, report.work.remarks)
        if self._tally is None or not self._is_due(self._tally):
            return
        self._n_seen = self._tally.n_objects
        found = find_drift(self._tally, remarks=self._remarks)
        if self._n_seen >= self._settings.window or self._new(found):
            self._close(self._tally, found)

    def end(self) -> None:
        """Look at what is left when there is no more to come. DriftError if that is to stop."""
        if self._tally is None or self._tally.n_objects < LEAST_OBJECTS:
            return
        n_objects = self._tally.n_objects
        found = find_drift(self._tally, remarks=self._remarks)
        self._close(self._tally, found)
        if found and self._settings.policy == "stop":
            raise DriftError(
                f"{_words(found)}; the last {n_objects} objects were too few "
                "to be looked at before they were delivered"
            )

    def _silence(self, messages: Sequence[Message], work: Work) -> int:
        """Messages in a row without an answer, with these."""
        is_answered = work.tally is not None and work.tally.n_objects > 0
        return 0 if is_answered else self._n_silent + len(messages)

    def _listen(self, report: Report) -> None:
        """Tell when nothing has had an answer for a whole window, and when something has again."""
        if self._settings.policy == "off":
            return
        before, self._n_silent = self._n_silent, self._silence(report.messages, report.work)
        window = self._settings.window
        if before < window <= self._n_silent:
            log.warning("drift: %s", SILENCE.format(self._n_silent))
        elif before >= window and not self._n_silent:
            log.warning("drift is over: after %d messages, one has an answer again", before)

    def _is_due(self, window: Tally) -> bool:
        n_objects = window.n_objects
        return n_objects >= min(self._settings.window, self._n_seen + EARLY)

    def _new(self, found: Sequence[Finding]) -> list[Finding]:
        return [finding for finding in found if finding[:2] not in self._last]

    def _close(self, window: Tally, found: Sequence[Finding]) -> None:
        self._tally, self._remarks, self._n_seen = None, Counter(), 0
        self._number += 1
        where = f"(window {self._number}, {window.n_objects} objects)"
        if new := self._new(found):
            self._n_told = self._number
        for finding in new:
            log.warning("drift: %s %s", finding.sentence, where)
        self._last |= dict.fromkeys((finding[:2] for finding in found), self._number)
        for what, last in list(self._last.items()):
            if self._number - last >= CALM:
                del self._last[what]
                log.warning("drift is over: %s %s", _name(*what), where)
        if self._last and self._number - self._n_told >= REMIND:
            self._n_told = self._number
            names = [_name(*what) for what in self._last]
            log.warning("drift goes on: %s %s", some_of(names), where)
        self.drift(_state(self._number, window, found))


def _words(found: Sequence[Finding]) -> str:
    return "; ".join(some_sentences([finding.sentence for finding in found]))


def _name(what: str, feature: str | None) -> str:
    if feature is None:
        return "the shares of classes" if what == "classes" else "light curves of another survey"
    return f"{feature} ({'missing' if what == 'missing' else 'out of its range'})"


def _state(number: int, window: Tally, found: Sequence[Finding]) -> DriftState:
    names = [feature.name for feature in window.bundle.features]
    outside = outside_shares(window)
    return DriftState(
        number=number,
        n_objects=window.n_objects,
        missing=dict(zip(names, missing_shares(window).tolist(), strict=True)),
        outside={names[row]: float(outside[row]) for row in np.flatnonzero(~np.isnan(outside))},
        drifting=frozenset(f.feature for f in found if f.feature is not None),
        class_shift=class_shift(window),
        sentences=[finding.sentence for finding in found],
    )
