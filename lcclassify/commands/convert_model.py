"""lcclassify convert-model."""

from pathlib import Path
from typing import Annotated

import typer


def convert_model(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, tar.gz, pickle, .pt, .pth or .ckpt as ALeRCE publishes it.",
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
            help="Classifier name in outputs; default: ztf, toretto, barney, squidward, balto, "
            "messi, by kind."
        ),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Classifier version in outputs; default: the digest of SOURCE."),
    ] = None,
    quantiles: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Of a network: a .joblib file or a folder of them, repeatable; default: those "
            "beside it.",
        ),
    ] = None,
    heads: Annotated[
        int | None,
        typer.Option(
            min=1, help="Of a network whose file does not say: attention heads; default: 4."
        ),
    ] = None,
    table_heads: Annotated[
        int | None,
        typer.Option(min=1, help="The same of its transformer of tabular inputs; default: 4."),
    ] = None,
    t_max: Annotated[
        float | None,
        typer.Option(help="The same of its longest period in days; default: 1500."),
    ] = None,
    zero_point: Annotated[
        float,
        typer.Option(help="AB magnitude of flux 1 in what a network is given; 27.5: FLUXCAL."),
    ] = 31.4,
) -> None:
    """Turn a published model into a bundle, reading its pickles as data: nothing is executed.

    Example: lcclassify convert-model hierarchical_rf_1.1.1/ ztf --version 1.1.1
    """
    from lcclassify.convert import convert
    from lcclassify.convert_network import NetworkOptions

    options = NetworkOptions(tuple(quantiles or ()), heads, table_heads, t_max, zero_point)
    bundle = convert(source, dest, name=name, version=version, options=options)
    typer.echo(f"{bundle.label} ({bundle.digest[:12]}) -> {dest}", err=True)
