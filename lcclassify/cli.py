"""The table of commands, and the one place where errors become text."""

import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from lcclassify import __version__
from lcclassify.commands.classify_file import classify_file
from lcclassify.commands.convert_model import convert_model
from lcclassify.commands.download_model import download_model
from lcclassify.commands.finish import finish
from lcclassify.commands.models import app as models
from lcclassify.commands.replay import replay
from lcclassify.commands.stream import stream
from lcclassify.commands.validate_schema import validate_schema
from lcclassify.errors import LcclassifyError, OutputError, ReaderGoneError, os_reason
from lcclassify.output import as_output_error, emit

app = typer.Typer(
    name="lcclassify",
    help="Say what the objects in astronomical alert streams are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 schema not satisfied, 2 wrong usage, 3 bad input, 4 bad model, "
    "5 output cannot be written, 6 unfinished, 7 drift, 8 download failed, 9 Kafka, "
    "130 interrupted, 143 terminated.",
)
app.command()(classify_file)
app.command()(finish)
app.command()(validate_schema)
app.command()(convert_model)
app.command()(download_model)
app.command()(stream)
app.command()(replay)
app.add_typer(models, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"lcclassify {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Say what the objects in astronomical alert streams are."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; end the process with its exit code. An error is one line on stderr."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _stop)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            app(args=argv)
        finally:
            if sys.stdout is not None:
                with as_output_error():
                    sys.stdout.flush()
    except ReaderGoneError as error:  # end as other filters do, also when Python flushes at exit
        _forget_output()
        sys.exit(error.exit_code)
    except LcclassifyError as error:
        if isinstance(error, OutputError):  # perhaps of standard output, which Python flushes again
            _forget_output()
        if not error.is_told:
            _say(" ".join(str(error).split()))
        sys.exit(error.exit_code)
    except OSError as error:  # the help that Typer prints, on a full disk
        _forget_output()
        _say(os_reason(error))
        sys.exit(OutputError.exit_code)


def _forget_output() -> None:
    """Let Python's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(sentence: str) -> None:
    with suppress(OSError):  # no stderr: the exit code says it
        typer.echo(f"lcclassify: {sentence}", err=True)


def _stop(number: int, frame: object) -> None:
    """End by an exception, so that unfinished files are removed on the way out."""
    _say(f"stopped by {signal.Signals(number).name}; nothing unfinished is kept")
    sys.exit(128 + number)
