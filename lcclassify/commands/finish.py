"""lcclassify finish."""

from pathlib import Path
from typing import Annotated

import typer

from lcclassify.commands.options import AllowUnmatchedOpt, Drift


def finish(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Results of classify-file --shard I/N.")
    ],
    on_drift: Annotated[
        Drift, typer.Option(help="What to do if the input was not like the training data.")
    ] = Drift.warn,
    allow_unmatched: AllowUnmatchedOpt = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No summary.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Summary as JSON on standard output.")
    ] = False,
) -> None:
    """End a folder of results that several machines filled: all parts there, a manifest, counts.

    Every part is held against what was written down of it. Exit code 6 if some are missing or
    damaged: the command that made the others makes them.

    Example: lcclassify finish results/
    """
    from lcclassify.bundle import open_bundle
    from lcclassify.commands.fill import tell_all
    from lcclassify.commands.report import Reporter
    from lcclassify.errors import InputError
    from lcclassify.features import match_features
    from lcclassify.jobs.finish import require_all
    from lcclassify.jobs.job import read_job

    job = read_job(folder)
    if job is None:
        raise InputError(f"{folder} holds no results of classify-file")
    require_all(job, folder)
    bundle = open_bundle(Path(job.task.model))
    columns = [*job.task.columns, *(name for join in job.task.joins for name in join.columns)]
    reporter = Reporter(
        bundle=bundle,
        receipt=match_features(bundle.features, columns),
        to=str(folder),
        light_curves=None,
        on_drift=on_drift,
        allow_unmatched=allow_unmatched,
        guessed=False,
        dry_run=False,
        quiet=quiet,
        as_json=as_json,
    )
    tell_all(job, folder, reporter)
