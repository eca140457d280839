"""What commands print on standard output, and what can go wrong there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from lcclassify.errors import OutputError, ReaderGoneError, os_reason

if TYPE_CHECKING:
    from rich.console import RenderableType


def emit(text: str) -> None:
    """Print a line of data."""
    with as_output_error():
        print(text, file=standard_output(), flush=True)


def show(*renderables: "RenderableType") -> None:
    """Print tables and texts for people; nothing in them is taken for markup."""
    from rich.console import Console

    console = Console(file=standard_output(), markup=False, highlight=False, emoji=False)
    with console.capture() as capture:  # Rich itself would answer a broken pipe with exit code 1
        console.print(*renderables, sep="\n", end="")
    emit(capture.get().removesuffix("\n"))


def standard_output() -> TextIO:
    """Standard output. OutputError if it was closed."""
    if sys.stdout is None:
        raise OutputError("standard output is closed")
    return sys.stdout


@contextmanager
def as_output_error() -> Iterator[None]:
    """Errors of standard output as ours."""
    try:
        yield
    except BrokenPipeError:
        raise ReaderGoneError("nobody reads standard output any more") from None
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {os_reason(error)}") from None
