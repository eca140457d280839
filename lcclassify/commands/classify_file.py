"""lcclassify classify-file."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lcclassify.commands.options import MODEL_HELP, IdOpt, InputsArg
from lcclassify.output import emit
from lcclassify.urls import without_secrets

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle
    from lcclassify.features import Receipt
    from lcclassify.pipeline import Summary
    from lcclassify.schemas import OutputSchema


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
            "(.sqlite, sqlite:///..., postgresql://...), or - for JSON Lines on standard output. "
            "Default: <input>.<model>.parquet in the current directory.",
        ),
    ] = None,
    id_name: IdOpt = None,
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
    from lcclassify.features import match_features
    from lcclassify.guess import guess_model
    from lcclassify.pipeline import run
    from lcclassify.predictors import load_predictor
    from lcclassify.schemas import open_output
    from lcclassify.schemas.avro import AvroOutput, OutputOptions
    from lcclassify.schemas.flat import flat_schema
    from lcclassify.sinks import NESTED, is_database, open_sink
    from lcclassify.sources.file import FileSource, open_files
    from lcclassify.sources.places import stem
    from lcclassify.store import resolve_model

    files = open_files(inputs, id_name)
    bundle = resolve_model(model) if model else guess_model(list(files.columns))
    receipt = match_features(bundle.features, list(files.columns))
    receipt.require(min_coverage, bundle.label)
    if to is None:
        to = f"{stem(inputs[0])}.{bundle.name}.{'avro' if output_schema else 'parquet'}"
    if output_schema and Path(to).suffix not in NESTED:
        raise typer.BadParameter(f"--output-schema writes to {' or '.join(NESTED)}, not to {to}")
    if is_database(to) and hierarchy:
        raise typer.BadParameter("a database takes a row per object and class: no --hierarchy")
    sink = open_sink(to, force=force)
    to = without_secrets(to)
    columns = list(receipt.used)
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
        columns += schema.columns(list(files.columns))
    else:
        schema = flat_schema(tidy=tidy or is_database(to), top=top, hierarchy=hierarchy)
    source = FileSource(files, columns, batch_size)
    predictor = load_predictor(bundle, min_coverage=min_coverage, threads=threads or _n_cores())
    if not quiet:
        _tell(_plan(bundle, receipt, guessed=not model), to, dry_run)
    if dry_run:
        return
    with _progress(files.n_rows, quiet) as progress, source, sink:
        summary = run(source, predictor, schema, [sink], progress)
    _report(bundle, summary, to, quiet=quiet, as_json=as_json)
    if isinstance(schema, AvroOutput) and not quiet:
        for reason, count in schema.left_out.most_common():
            typer.echo(f"no record for {count:,} objects: {reason}", err=True)


def _n_cores() -> int:
    """Cores that this process may use, where the system says; otherwise all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _plan(bundle: "ModelBundle", receipt: "Receipt", *, guessed: bool) -> str:
    parts = [f"{len(receipt.used)} of {len(receipt.columns)} features found"]
    if receipt.aliased:
        parts.append(f"{len(receipt.aliased)} under another name")
    if receipt.missing:
        parts.append(f"{len(receipt.missing)} filled as not computed")
    why = ", the most demanding model that fits the input" if guessed else ""
    return f"model {bundle.label} ({bundle.digest[:12]}){why}: {', '.join(parts)}"


def _tell(plan: str, to: str, dry_run: bool) -> None:
    typer.echo(plan, err=True)
    if dry_run:
        typer.echo(f"dry run: would write {to}", err=True)


@contextmanager
def _progress(total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
    """What to call with each number of objects done; shows a bar on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda n_objects: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("classifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance(n_objects: int) -> None:
            bar.advance(task, n_objects)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:,.0f} objects/s" if speed else "")

        yield advance


def _report(
    bundle: "ModelBundle", summary: "Summary", to: str, *, quiet: bool, as_json: bool
) -> None:
    if as_json:
        import json

        from lcclassify import __version__

        about = {
            "model": bundle.name,
            "model_version": bundle.version,
            "model_digest": bundle.digest,
            "lcclassify_version": __version__,
            "output": to,
        }
        emit(json.dumps(about | summary.as_dict(), ensure_ascii=False))
    if quiet or as_json:
        return
    from rich.console import Console
    from rich.table import Table

    from lcclassify.pipeline import most_common

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    for title, counts in (("class", summary.classes), ("status", summary.statuses)):
        table = Table("", "objects", "%", box=None, pad_edge=False)
        table.columns[0].header = title
        for column in table.columns[1:]:
            column.justify = "right"
        for name, count in most_common(counts):
            table.add_row(name, f"{count:,}", f"{100 * count / summary.n_objects:.1f}")
        if table.row_count:
            console.print(table)
    repeated = f", {summary.n_repeated:,} of them with a repeated id" if summary.n_repeated else ""
    where = "standard output" if to == "-" else to
    typer.echo(f"{summary.n_objects:,} objects{repeated} -> {where}", err=True)
