"""The log of a stream, on stderr: lines for people, or JSON objects for machines."""

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from lcclassify.stream.brokers.seldom import Seldom
from lcclassify.stream.settings import Operation

LOGGERS = {"lcclassify.stream": logging.INFO, "lcclassify.kafka": logging.WARNING}
# A message may hold anything: it must not begin a line of its own, nor steer a terminal.
HARMLESS = {n: ascii(chr(n))[1:-1] for n in (*range(32), *range(127, 160), 0x2028, 0x2029)}


def log_to_stderr(told: Operation, fields: Mapping[str, str]) -> None:
    """A line for everything that an operator should know.

    ``fields`` go with every JSON object, as they are when it is written.
    """
    form = JsonForm(fields) if told.log_form == "json" else TextForm()
    for name, level in LOGGERS.items():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(form)
        if name == "lcclassify.kafka" and not told.debug:
            handler.addFilter(Seldom())
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.DEBUG if told.debug else level)


def log_into(stream: TextIO) -> None:
    """Send further lines there, such as above a display."""
    for name in LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(stream)


class TextForm(logging.Formatter):
    """Time (local), level and message in one line; a traceback after it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line."""
        return super().formatMessage(record).translate(HARMLESS)


class JsonForm(logging.Formatter):
    """One object in one line: time (UTC), level, logger, message, what else is known."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
        }
        if record.exc_info:
            told["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(told)
