"""lcclassify classify-file."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lcclassify.commands.fill import fill_folder, fill_result, open_crew
from lcclassify.commands.options import (
    MODEL_ENV,
    MODEL_HELP,
    AllowUnmatchedOpt,
    ColumnsOpt,
    Device,
    Drift,
    EngineName,
    FeatureQuantilesOpt,
    IdOpt,
    InputsArg,
    JoinOpt,
    ObjectCoverageOpt,
    OfflineOpt,
    QuantilesOpt,
    ReferenceNullsOpt,
    Shards,
    quantile_places,
)
from lcclassify.commands.report import Reporter
from lcclassify.urls import without_secrets


def classify_file(
    inputs: InputsArg,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            envvar=MODEL_ENV,
            metavar="MODEL",
            help=MODEL_HELP + " Default: the most demanding model whose features are all there.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            "-o",
            metavar="FILE",
            help="Result, by suffix (.parquet, .csv, .jsonl, .avro, .vot, .ecsv), a database "
            "(.sqlite, sqlite:///..., postgresql://...), a folder (ending in /) of files that can "
            "be resumed, or - for JSON Lines on standard output. "
            "Default: <input>.<model>.parquet in the current directory.",
        ),
    ] = None,
    quantiles: QuantilesOpt = None,
    feature_quantiles: FeatureQuantilesOpt = None,
    offline: OfflineOpt = False,
    id_name: IdOpt = None,
    columns: ColumnsOpt = None,
    join: JoinOpt = None,
    allow_unmatched: AllowUnmatchedOpt = False,
    zero_point: Annotated[
        float | None,
        typer.Option(
            metavar="MAG",
            help="AB magnitude of flux 1 in light curves: 31.4 for nJy, 27.5 for FLUXCAL. "
            "Default: what the input's names or schema say.",
        ),
    ] = None,
    magnitudes: Annotated[
        bool, typer.Option("--magnitudes", help="Light curves are magnitudes: make them fluxes.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Where a transformer runs.")] = Device.auto,
    tidy: Annotated[bool, typer.Option("--tidy", help="A row per object and class.")] = False,
    top: Annotated[
        int | None,
        typer.Option("--top", metavar="K", min=1, help="Only the K most probable classes."),
    ] = None,
    hierarchy: Annotated[
        bool,
        typer.Option("--hierarchy", help="Also P(node) and P(class | node) of the class tree."),
    ] = False,
    output_schema: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A published schema instead of a flat table, to .avro, .parquet, .jsonl, - or a "
            "folder: alerce, alerce-map, elasticc-v0_9, elasticc-v0_9_1, scribe, "
            "scribe-hierarchy, scribe-score or scribe-per-class.",
        ),
    ] = None,
    classifier_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="In a published schema: not the model's.")
    ] = None,
    classifier_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Likewise.")
    ] = None,
    broker_name: Annotated[
        str, typer.Option(metavar="NAME", help="In the ELAsTiCC schemas.")
    ] = "ALeRCE",
    scribe_ids: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="For scribe-per-class: CSV of classifier_name, classifier_id, class_name, "
            "class_id.",
        ),
    ] = None,
    survey: Annotated[str, typer.Option(metavar="NAME", help="For scribe-per-class.")] = "ztf",
    sid: Annotated[int | None, typer.Option(metavar="N", help="For scribe-per-class.")] = None,
    min_coverage: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Share of the model's features that the input must have; the rest counts as "
            "not computed.",
        ),
    ] = 1.0,
    min_object_coverage: ObjectCoverageOpt = 0.0,
    reference_nulls: ReferenceNullsOpt = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, help="Default: one per core.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1024, help="Processes for a folder. Default: one per core."
        ),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="Who fills a folder: processes of this machine, or Dask.")
    ] = EngineName.local,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|FILE",
            help="Dask's scheduler. Default: a cluster of --workers processes on this machine.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Only share I of N of a folder, from 0/N on, as a task of an array; "
            "'lcclassify finish' ends it.",
        ),
    ] = None,
    shards: Annotated[
        Shards | None,
        typer.Option(
            help="Files in a folder. Default: hats (a catalogue like the input) if the input is "
            "one, avro for a published schema, otherwise parquet.",
            show_default=False,
        ),
    ] = None,
    on_drift: Annotated[
        Drift, typer.Option(help="What to do if the input is not like the training data.")
    ] = Drift.warn,
    batch_size: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=1_000_000, help="Objects held in memory at a time."),
    ] = 5000,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing result.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check model, input and output; classify nothing.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Summary as JSON on standard output.")
    ] = False,
) -> None:
    """Classify every object in files of features.

    Every row of the input is answered, in its order, with a class, its probability, and a status
    that says why there is none.

    Example: lcclassify classify-file features.parquet --model toretto --to classes.csv
    """
    if hierarchy and tidy:
        raise typer.BadParameter("--hierarchy adds columns, --tidy has rows: choose one")
    if output_schema and (tidy or top or hierarchy):
        raise typer.BadParameter("--output-schema fixes the columns: no --tidy, --top, --hierarchy")
    if (classifier_name or classifier_version) and not output_schema:
        raise typer.BadParameter(
            "--classifier-name and --classifier-version are for a published schema: add "
            "--output-schema"
        )
    if (scribe_ids or sid is not None) and output_schema != "scribe-per-class":
        raise typer.BadParameter("--scribe-ids and --sid are for --output-schema scribe-per-class")
    if scheduler and engine is not EngineName.dask:
        raise typer.BadParameter("--scheduler is for --engine dask")
    if shard and (engine is not EngineName.local or as_json):
        raise typer.BadParameter("--shard is without --engine dask and --json")
    if as_json and to == "-":
        raise typer.BadParameter("--json and --to - both want standard output: choose one")
    from lcclassify.guess import guess_model
    from lcclassify.resolve import resolve_model
    from lcclassify.sinks import NESTED, SINKS, is_database, takes_records
    from lcclassify.sources.curve_forms import LightCurveOptions
    from lcclassify.sources.places import find_catalogue, stem
    from lcclassify.table import open_table
    from lcclassify.task import Output, flux_note, plan_task

    joins = join or []
    table = open_table(inputs, id_name, joins, columns)
    has_light_curves = table.files.light_curves is not None
    bundle = (
        resolve_model(
            model, quantiles=quantile_places(quantiles, feature_quantiles), offline=offline
        )
        if model
        else guess_model(list(table.columns), has_light_curves=has_light_curves)
    )
    if to is None:
        to = f"{stem(inputs[0])}.{bundle.name}.{'avro' if output_schema else 'parquet'}"
    is_folder = to.endswith("/") or (os.path.isdir(to) and Path(to).suffix not in SINKS)
    for option, is_given in (
        ("--shards", shards),
        ("--shard", shard),
        ("--engine dask", engine is EngineName.dask),
    ):
        if is_given and not is_folder:
            raise typer.BadParameter(f"{option} is for a folder: end its name with /, not as {to}")
    if output_schema and not is_folder and not takes_records(to):
        choice = ", ".join(["a folder", *NESTED])
        raise typer.BadParameter(f"--output-schema writes to one of {choice}, not to {to}")
    if is_database(to) and hierarchy:
        raise typer.BadParameter("a database takes a row per object and class: no --hierarchy")
    catalogue = find_catalogue(inputs[0]) if is_folder and len(inputs) == 1 else None
    is_flat = not (output_schema or tidy)
    if is_folder and not shards:
        shards = Shards.avro if output_schema else Shards.parquet
        if catalogue and is_flat:
            shards = Shards.hats
    kept: tuple[str, ...] = ()
    if shards is Shards.hats:
        if not catalogue or not is_flat:
            raise typer.BadParameter(
                "--shards hats is for one HATS catalogue as input and a row per object as result: "
                "no --output-schema, no --tidy"
            )
        catalogue.require_positions(table.files.columns)
        kept = catalogue.position_columns
    output = Output(
        kept=kept,
        schema=output_schema,
        tidy=tidy or is_database(to),
        top=top,
        hierarchy=hierarchy,
        classifier_name=classifier_name,
        classifier_version=classifier_version,
        broker_name=broker_name,
        scribe_ids=scribe_ids,
        survey=survey,
        sid=sid,
    )
    task, receipt = plan_task(
        table,
        bundle,
        output,
        LightCurveOptions(zero_point, magnitudes),
        device=device,
        min_coverage=min_coverage,
        min_object_coverage=min_object_coverage,
        reference_nulls=reference_nulls,
        batch_size=batch_size,
    )
    reporter = Reporter(
        bundle=bundle,
        receipt=receipt,
        to=without_secrets(to),
        light_curves=flux_note(task, table, bundle),
        on_drift=on_drift,
        allow_unmatched=allow_unmatched,
        guessed=not model,
        dry_run=dry_run,
        quiet=quiet,
        as_json=as_json,
    )
    if is_folder:
        crew = open_crew(engine, scheduler, shard, workers=workers, threads=threads)
        like = inputs[0] if shards is Shards.hats else None
        fill_folder(task, table, Path(to), str(shards), reporter, crew, like)
    else:
        fill_result(task, table, to, reporter, force=force, threads=threads)
