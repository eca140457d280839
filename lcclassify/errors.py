"""Everything lcclassify raises on purpose; ``cli.main`` turns it into one line and an exit code.

LcclassifyError
├── InputError    3   a file or table that cannot be read, or lacks what the model needs
├── ModelError    4   a model that is missing, refused, corrupted or not of the expected kind
│   └── DownloadError  8   a model that a server or the network did not give; trying again may help
├── SettingsError 2   settings that are missing, contradict each other or have no meaning
├── BrokerError   9   a Kafka cluster that cannot be reached, refuses, or does not take results
├── WorkerError   6   large work that is unfinished: workers died or are unfit, a scheduler is gone
├── DriftError    7   input that does not look like what the model was trained on
└── OutputError   5   a result that cannot be written
    └── ReaderGoneError  141  whoever read standard output has gone; not worth a message
"""

import os
from typing import ClassVar

MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
# what code lets out that looks for something in data that are not of the shape it expects


class LcclassifyError(Exception):
    """An error with a sentence for the user: what, where, what was expected, what to do."""

    exit_code: ClassVar[int] = 1
    is_told = False  # whether a log has it already


class InputError(LcclassifyError):
    """The input cannot be read, or lacks what the model needs."""

    exit_code = 3


class ModelError(LcclassifyError):
    """The model is missing, refused, corrupted or not of the expected kind."""

    exit_code = 4


class DownloadError(ModelError):
    """A model could not be had from where it lies; trying again may help."""

    exit_code = 8


class OutputError(LcclassifyError):
    """The result cannot be written."""

    exit_code = 5


class WorkerError(LcclassifyError):
    """Large work is unfinished: workers died or are unfit, a scheduler or parts are not there."""

    exit_code = 6


class SettingsError(LcclassifyError):
    """Settings are missing, contradict each other or have no meaning."""

    exit_code = 2


class BrokerError(LcclassifyError):
    """A Kafka cluster cannot be reached, refuses, or does not take results."""

    exit_code = 9


class DriftError(LcclassifyError):
    """The input does not look like what the model was trained on."""

    exit_code = 7


class ReaderGoneError(OutputError):
    """Whoever read standard output has gone."""

    exit_code = 141  # what a shell reports of a filter that ended by SIGPIPE


def os_reason(error: OSError) -> str:
    """What the operating system said, without the path that the message around it names."""
    return os.strerror(error.errno) if error.errno else str(error)


def told(error: Exception, limit: int = 300) -> str:
    """Another library's error on one line, and no longer than that."""
    text = repr(error)
    return text if len(text) <= limit else f"{text[:limit]}..."
