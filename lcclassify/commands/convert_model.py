"""lcclassify convert-model."""

from pathlib import Path
from typing import Annotated

import typer


def convert_model(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, tar.gz or pickle as ALeRCE publishes it.",
            show_default=False,
        ),
    ],
    dest: Annotated[
        Path,
        typer.Argument(
            metavar="DEST", help="Bundle to write: a folder, or NAME.zip.", show_default=False
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Classifier name in outputs; default: ztf, toretto, barney, squidward, by kind."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Classifier version in outputs; default: the digest of SOURCE."),
    ] = None,
) -> None:
    """Turn a published forest into a bundle, reading its pickles as data: nothing is executed.

    Example: lcclassify convert-model hierarchical_rf_1.1.1/ ztf --version 1.1.1
    """
    from lcclassify.convert import convert

    bundle = convert(source, dest, name=name, version=version)
    typer.echo(f"{bundle.label} ({bundle.digest[:12]}) -> {dest}", err=True)
