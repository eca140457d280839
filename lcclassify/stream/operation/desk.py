"""Desk: everything by which people and machines look at one run of a stream."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Event
from typing import TYPE_CHECKING

from lcclassify import __version__
from lcclassify.bundle import ModelBundle
from lcclassify.errors import LcclassifyError
from lcclassify.stream.operation.health import Health
from lcclassify.stream.operation.http import serve, verdict
from lcclassify.stream.operation.logs import log_to_stderr
from lcclassify.stream.report import Observer, Observers
from lcclassify.stream.settings import Settings

if TYPE_CHECKING:  # it needs the client library, which is there where figures are asked for
    from lcclassify.stream.operation.prometheus import Figures

log = logging.getLogger("lcclassify.stream")


class Desk:
    """Open from before the first check until after the last batch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._about = {"group": settings.input.group_id, "lcclassify": __version__}
        self._health = Health()
        self._figures: Figures | None = None
        self._open = ExitStack()
        self.observer = Observers()  # of the loop; complete while ``running``
        log_to_stderr(settings.operation, self._about)

    def __enter__(self) -> "Desk":
        return self

    def serve(self) -> None:
        """Answer HTTP requests, if that was asked for. SettingsError"""
        port = self._settings.operation.http_port
        if port is None:
            return
        from lcclassify.stream.operation.prometheus import Figures

        self._figures = Figures(self._health)
        pages = {
            "/metrics": self._figures.page,
            "/healthz": lambda accept: verdict("alive", self._health.fault),
            "/readyz": lambda accept: verdict("ready", self._health.obstacle),
        }
        port = self._open.enter_context(serve(port, pages))
        self._open.callback(self._figures.close)
        log.info("/metrics, /healthz and /readyz at port %d", port)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._health.ended()
        self._open.close()
        if self._settings.operation.log_form == "json" and isinstance(error, Exception):
            self._tell(error)

    def loaded(self, bundle: ModelBundle) -> None:
        """Say from now on who answers."""
        self._about |= {"model": bundle.name, "version": bundle.version}
        if self._figures:
            self._figures.loaded(bundle, self._settings.input.group_id)

    @contextmanager
    def running(self, stop: Event) -> Iterator[None]:
        """While messages are answered."""
        observers: list[Observer] = [self._health]
        if self._figures:
            observers.append(self._figures)
        with ExitStack() as shown:
            if self._has_terminal():
                from lcclassify.stream.operation.display import displayed
                from lcclassify.stream.operation.tally import Tally

                tally = Tally()
                observers.append(tally)
                shown.enter_context(displayed(tally, self._about))
            self._health.begins(stop)
            self.observer = Observers(*observers)
            yield

    def _has_terminal(self) -> bool:
        """Whether figures can be shown, and would not stand between results."""
        settings, told = self._settings, self._settings.operation
        return (
            told.display == "auto"
            and told.log_form == "text"
            and sys.stderr.isatty()
            and not (settings.to == "-" and sys.stdout.isatty())
        )

    def _tell(self, error: Exception) -> None:
        """Log what ends the run as an object, too: what reads the log reads no other line."""
        if isinstance(error, LcclassifyError):
            log.critical(" ".join(str(error).split()))
            error.is_told = True
        else:
            log.critical("a fault of this program", exc_info=error)
            raise SystemExit(1) from None
