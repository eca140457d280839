"""lcclassify classify-file."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lcclassify.commands.options import MODEL_HELP, ColumnsOpt, IdOpt, InputsArg
from lcclassify.commands.report import plan, progress_bar, report, tell_plan
from lcclassify.urls import without_secrets

if TYPE_CHECKING:
    from lcclassify.job import Job
    from lcclassify.schemas import OutputSchema
    from lcclassify.sources import Source


class Drift(StrEnum):
    """What to do if the input is not like the training data."""

    warn = "warn"
    fail = "fail"
    ignore = "ignore"


def classify_file(
    inputs: InputsArg,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
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
            "(.sqlite, sqlite:///..., postgresql://...), a folder (ending in /) of Parquet files "
            "that can be resumed, or - for JSON Lines on standard output. "
            "Default: <input>.<model>.parquet in the current directory.",
        ),
    ] = None,
    id_name: IdOpt = None,
    columns: ColumnsOpt = None,
    join: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Another table (header, more features) whose columns are added by object id.",
        ),
    ] = None,
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
            help="A published schema instead of a flat table, to .avro or .parquet: alerce, "
            "alerce-map, elasticc-v0_9, elasticc-v0_9_1, scribe, scribe-hierarchy, scribe-score "
            "or scribe-per-class.",
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
        Path | None,
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
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1024, help="Default: one per core.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=1024, help="Processes for a folder. Default: one per core."
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
    if as_json and to == "-":
        raise typer.BadParameter("--json and --to - both want standard output: choose one")
    from lcclassify.drift import find_drift, some_sentences
    from lcclassify.errors import DriftError
    from lcclassify.features import match_features
    from lcclassify.guess import guess_model
    from lcclassify.job import Job, fingerprint, plan_shards
    from lcclassify.pipeline import run
    from lcclassify.predictors import load_predictor
    from lcclassify.schemas import open_output
    from lcclassify.schemas.avro import AvroOutput, OutputOptions
    from lcclassify.schemas.flat import flat_schema
    from lcclassify.sinks import NESTED, SINKS, is_database, open_sink
    from lcclassify.sources.file import FileSource, open_files
    from lcclassify.sources.join import JoinedSource
    from lcclassify.sources.names import check_names, read_names
    from lcclassify.sources.places import stem
    from lcclassify.store import resolve_model

    names = read_names(columns) if columns else {}
    files = open_files(inputs, id_name, names=names)
    joined = open_files([join], names=names) if join is not None else None
    own = files.columns
    there = list(own | joined.columns if joined else own)
    if columns:
        check_names(columns, names, files.renamed | (joined.renamed if joined else frozenset()))
    bundle = resolve_model(model) if model else guess_model(there)
    receipt = match_features(bundle.features, there)
    receipt.require(min_coverage, bundle.label)
    if to is None:
        to = f"{stem(inputs[0])}.{bundle.name}.{'avro' if output_schema else 'parquet'}"
    if output_schema and Path(to).suffix not in NESTED:
        raise typer.BadParameter(f"--output-schema writes to {' or '.join(NESTED)}, not to {to}")
    if is_database(to) and hierarchy:
        raise typer.BadParameter("a database takes a row per object and class: no --hierarchy")
    if to.endswith("/") or (os.path.isdir(to) and Path(to).suffix not in SINKS):
        if output_schema or as_json or joined:
            raise typer.BadParameter("a folder takes flat tables, without --json and --join")
        job = Job(
            inputs=fingerprint([place.path for place in files.places]),
            id_name=files.id_name,
            columns=receipt.used,
            model=str(bundle.path),
            model_digest=bundle.digest,
            output={"tidy": tidy, "top": top, "hierarchy": hierarchy},
            min_coverage=min_coverage,
            batch_size=batch_size,
            shards=plan_shards(files),
            names=names,
        )
        FileSource(files, receipt.used)  # refuses columns of other types at once
        load_predictor(bundle, min_coverage=min_coverage)
        if not quiet:
            tell_plan(plan(bundle, receipt, guessed=not model), to, dry_run)
        if not dry_run:
            _work(job, Path(to), workers or _n_cores(), files.n_rows, quiet)
        return
    sink = open_sink(to, force=force)
    to = without_secrets(to)
    read = [name for name in receipt.used if name in own]
    context: tuple[str, ...] = ()
    schema: OutputSchema
    if output_schema:
        options = OutputOptions(
            bundle=bundle,
            classifier_name=classifier_name,
            classifier_version=classifier_version,
            broker_name=broker_name,
            scribe_ids=scribe_ids,
            survey=survey,
            sid=sid,
        )
        schema = open_output(output_schema, options)
        read += schema.columns(list(own))
        context = (*schema.requires, *schema.context)
    else:
        schema = flat_schema(tidy=tidy or is_database(to), top=top, hierarchy=hierarchy)
    source: Source = FileSource(files, read, batch_size, context)
    if joined:
        added = [name for name in receipt.used if name not in own]
        source = together = JoinedSource(source, joined, added)
    predictor = load_predictor(bundle, min_coverage=min_coverage, threads=threads or _n_cores())
    if not quiet:
        tell_plan(plan(bundle, receipt, guessed=not model), to, dry_run)
    if dry_run:
        return
    with progress_bar(files.n_rows, quiet) as progress, source, sink:
        summary = run(source, predictor, schema, [sink], progress)
        drift = find_drift(bundle, receipt, summary.n_objects, summary.n_missing)
        if drift and on_drift is Drift.fail:
            raise DriftError("; ".join(some_sentences(drift)))
    report(bundle, summary, to, quiet=quiet, as_json=as_json)
    if joined and not quiet:
        typer.echo(f"{together.n_unmatched:,} objects are not in {join}", err=True)
    for sentence in some_sentences(drift) if on_drift is Drift.warn and not quiet else ():
        typer.echo(f"drift: {sentence}", err=True)
    if isinstance(schema, AvroOutput) and not quiet:
        for reason, count in schema.left_out.most_common():
            typer.echo(f"no record for {count:,} objects: {reason}", err=True)


def _work(job: "Job", folder: Path, n_workers: int, n_rows: int | None, quiet: bool) -> None:
    """Fill a folder of results, or what an interrupted run has left to do."""
    from lcclassify.job import is_finished, prepare, work

    missing = prepare(job, folder)
    n_done, n_shards = len(job.shards) - len(missing), len(job.shards)
    if is_finished(folder):
        if not quiet:
            typer.echo(f"{folder} is finished: {n_shards} files, nothing to do", err=True)
        return
    if not quiet and n_done:
        typer.echo(f"going on: {n_done} of {n_shards} files are there", err=True)
    with progress_bar(n_rows, quiet) as progress:
        manifest = work(job, missing, folder, n_workers, progress)
    if not quiet:
        typer.echo(f"{manifest['objects']:,} objects -> {folder}, {n_shards} files", err=True)


def _n_cores() -> int:
    """Cores that this process may use, where the system says; otherwise all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
