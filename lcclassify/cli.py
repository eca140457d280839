"""The table of commands, and the one place where errors become text."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from lcclassify import __version__
from lcclassify.commands.classify_file import classify_file
from lcclassify.commands.convert_model import convert_model
from lcclassify.commands.models import app as models
from lcclassify.commands.validate_schema import validate_schema
from lcclassify.errors import LcclassifyError, ReaderGoneError

app = typer.Typer(
    name="lcclassify",
    help="Say what the objects in astronomical alert streams are.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 schema not satisfied, 2 wrong usage, 3 bad input, 4 bad model, "
    "5 output cannot be written, 130 interrupted, 143 terminated.",
)
app.command()(classify_file)
app.command()(validate_schema)
app.command()(convert_model)
app.add_typer(models, name="models")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lcclassify {__version__}")
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
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app(args=argv)
    except ReaderGoneError as error:  # end as other filters do, also when Python flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(error.exit_code)
    except LcclassifyError as error:
        typer.echo(f"lcclassify: {error}", err=True)
        sys.exit(error.exit_code)


def _stop(number: int, frame: object) -> None:
    """End by an exception, so that unfinished files are removed on the way out."""
    name = signal.Signals(number).name
    typer.echo(f"lcclassify: stopped by {name}; nothing unfinished is kept", err=True)
    sys.exit(128 + number)
