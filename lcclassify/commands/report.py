"""What classify-file says on the way and at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from lcclassify.output import emit

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle
    from lcclassify.features import Receipt
    from lcclassify.pipeline import Summary


def plan(bundle: "ModelBundle", receipt: "Receipt", *, guessed: bool) -> str:
    """The model, and what of its features was found."""
    parts = [f"{len(receipt.used)} of {len(receipt.columns)} features found"]
    if receipt.aliased:
        parts.append(f"{len(receipt.aliased)} under another name")
    if receipt.missing:
        parts.append(f"{len(receipt.missing)} filled as not computed")
    why = ", the most demanding model that fits the input" if guessed else ""
    return f"model {bundle.label} ({bundle.digest[:12]}){why}: {', '.join(parts)}"


def tell_plan(plan: str, to: str, dry_run: bool) -> None:
    """Say on stderr what is about to be done."""
    typer.echo(plan, err=True)
    if dry_run:
        typer.echo(f"dry run: would write {to}", err=True)


@contextmanager
def progress_bar(total: int | None, quiet: bool) -> Iterator[Callable[[int], None]]:
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


def report(
    bundle: "ModelBundle", summary: "Summary", to: str, *, quiet: bool, as_json: bool
) -> None:
    """The counts of a run: a table on stderr, or JSON on standard output."""
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
