"""Options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

InputsArg = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        help="Parquet, CSV, JSON Lines or Avro files, folders of them, quoted globs, or URLs.",
        show_default=False,
    ),
]
IdOpt = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="COLUMN", help="Column of the object id; default: oid, objectId, ..."
    ),
]
ColumnsOpt = Annotated[
    Path | None,
    typer.Option(
        "--columns",
        metavar="FILE",
        help=r'TOML file whose table \[columns] says which column is what: name = "column", and '
        r"\[light_curves] where these lie; or a known catalogue: rubin-object, ztf-dr22, ...",
    ),
]
JoinOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--join",
        metavar="FILE",
        help="Another table (header, more features) whose columns are added by object id; may be "
        "given again.",
    ),
]
AllowUnmatchedOpt = Annotated[
    bool,
    typer.Option(
        "--allow-unmatched", help="Go on where a table of --join has none of the objects."
    ),
]
ObjectCoverageOpt = Annotated[
    float,
    typer.Option(
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help="Share of the model's features of which an object must have a value; with less it is "
        "missing_features. Default: more than none, unless it has a light curve to go by.",
        show_default=False,
    ),
]
ReferenceNullsOpt = Annotated[
    bool | None,
    typer.Option(
        "--reference-nulls/--no-reference-nulls",
        help="Answer objects of which nothing can be used, as ALeRCE's code does. Default: with "
        "--output-schema only.",
        show_default=False,
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
MODEL_HELP = (
    "Name, NAME@VERSION, bundle, or a folder, archive or URL that ALeRCE published. "
    "See 'lcclassify models'."
)


class Drift(StrEnum):
    """What to do if the input is not like the training data."""

    warn = "warn"
    fail = "fail"
    ignore = "ignore"


class Device(StrEnum):
    """Where a transformer runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class EngineName(StrEnum):
    """Who fills a folder of results."""

    local = "local"
    dask = "dask"


class Shards(StrEnum):
    """Kinds of files in a folder of results."""

    parquet = "parquet"
    avro = "avro"
    hats = "hats"


MODEL_ENV = "MODEL_PATH"
QuantilesOpt = Annotated[
    str | None,
    typer.Option(
        "--quantiles",
        metavar="PLACE",
        envvar=["HEADER_QUANTILES_PATH", "QUANTILES_PATH"],
        help="Header quantiles of a transformer whose MODEL is one file: folder, file or URL.",
    ),
]
FeatureQuantilesOpt = Annotated[
    str | None,
    typer.Option(
        "--feature-quantiles",
        metavar="PLACE",
        envvar="FEATURE_QUANTILES_PATH",
        help="Feature quantiles likewise.",
    ),
]
OfflineOpt = Annotated[
    bool,
    typer.Option(
        "--offline", envvar="LCCLASSIFY_OFFLINE", help="Take models from the cache; fetch none."
    ),
]


def quantile_places(header: str | None, features: str | None) -> dict[str, str]:
    """Where the quantiles of a network are, by the folder that they are published in."""
    places = {"HeaderNorm1QT": header, "FeatNorm1QT": features}
    return {folder: place for folder, place in places.items() if place}
