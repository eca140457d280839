"""lcclassify download-model."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lcclassify.commands.options import OfflineOpt

if TYPE_CHECKING:
    from lcclassify.download.catalogue import Catalogue
    from lcclassify.download.fetch import Found
    from lcclassify.download.install import Talk
    from lcclassify.download.wanted import Wanted


def download_model(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="ztf, toretto, barney, balto, messi, squidward, NAME@VERSION, a URL "
            "(https, s3, file) or a folder or archive.",
            show_default=False,
        ),
    ],
    urls: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="URL",
            help="Where the model lies instead: a file, or a folder ending in /. Again: a mirror.",
        ),
    ] = None,
    catalogue: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A catalogue of your own, besides the known models."),
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A lock file to commit: written at first use; what differs later is refused.",
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option(
            "--sha256",
            metavar="HEX",
            help="The digest that the one file, or the set as lock files have it, must have.",
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the files as they came, too.")] = False,
    offline: OfflineOpt = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched, and stop there.")
    ] = False,
    connections: Annotated[
        int, typer.Option(metavar="N", min=1, max=64, help="Files fetched at a time.")
    ] = 8,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", min=0.1, help="Without a byte from the server.")
    ] = 30.0,
    retries: Annotated[
        int, typer.Option(metavar="N", min=0, help="Attempts more, when nothing came.")
    ] = 5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Fetch a published model, check it, and install it as a bundle; nothing in it is executed.

    A run that broke off or was killed goes on where it was when it is given again.

    Example: lcclassify download-model toretto
    """
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise typer.BadParameter("--sha256 takes 64 hexadecimal digits")
    from lcclassify.download.catalogue import read_catalogue
    from lcclassify.download.install import How, at_hand, download, look, write_lock
    from lcclassify.download.remote import Patience

    known = read_catalogue(catalogue)
    wanted = _wanted(known, model, urls or [])
    patience = Patience(timeout_s=timeout, retries=retries, connections=connections)
    how = How(patience, lock=lock, sha256=sha256, keep=keep, offline=offline)
    if there := at_hand(wanted, how):
        if not dry_run:
            write_lock(wanted, how, there)
        if not quiet:
            came = there.manifest["download"]
            about = f"{there.label} ({there.digest[:12]}) is there, from {came['url']}"
            typer.echo(f"{about}, SHA-256 {came['sha256']}", err=True)
        return
    if dry_run:
        _tell_plan(wanted, look(wanted, how))
        return
    with _talk(quiet) as talk:
        bundle = download(wanted, how, talk)
    if not quiet:
        typer.echo(f"{bundle.label} ({bundle.digest[:12]}) -> {bundle.path}", err=True)


def _wanted(known: "Catalogue", model: str, urls: list[str]) -> "Wanted":
    import os

    from lcclassify.download.wanted import want_entry, want_label, want_url
    from lcclassify.errors import ModelError
    from lcclassify.urls import is_url

    if urls:
        return want_label(known, model, urls)
    if is_url(model):
        return want_url(known, model)
    if entry := known.find(model):
        return want_entry(entry)
    if os.path.exists(model):
        return want_url(known, model)
    labels = ", ".join(entry.label for entry in known.entries)
    raise ModelError(
        f"the catalogue has no {model!r}; it has {labels}; others by --url, or a --catalogue"
    )


def _tell_plan(wanted: "Wanted", found: "list[Found]") -> None:
    from lcclassify.output import emit

    for item in found:
        size = "?" if item.remote.size is None else f"{item.remote.size:,}"
        emit(f"{size:>14}  {item.remote.place}")
    total = sum(item.remote.size or 0 for item in found)
    typer.echo(f"dry run: {wanted.asked}, {len(found)} files, {total / 1e6:,.1f} MB", err=True)


@contextmanager
def _talk(quiet: bool) -> Iterator["Talk"]:
    """What a download tells: nothing, lines or, on a terminal, a bar with speed and time left."""
    from rich.console import Console

    from lcclassify.download.install import SILENT, Talk

    console = Console(stderr=True, markup=False, highlight=False, emoji=False)
    if quiet:
        yield SILENT
        return
    if not console.is_terminal:

        def fetching(n_files: int, n_bytes: int) -> None:
            typer.echo(f"fetching {n_files} files, {n_bytes / 1e6:,.1f} MB", err=True)

        yield Talk(lambda line: typer.echo(line, err=True), fetching, lambda *_: None)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.fields[n_done]} of {task.fields[n_files]} files"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        n_done = count(1)  # several threads count
        task = bar.add_task("", total=None, n_done=0, n_files=0, visible=False)

        def start(n_files: int, n_bytes: int) -> None:
            bar.update(task, total=n_bytes or None, n_files=n_files, visible=True)

        def advance(n_bytes: int, n_files: int = 0) -> None:
            bar.update(task, advance=n_bytes)
            if n_files:
                bar.update(task, n_done=next(n_done))

        yield Talk(bar.console.print, start, advance)
