"""What classify-file says on the way and at the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from lcclassify.commands.options import Drift
from lcclassify.output import emit

if TYPE_CHECKING:
    from lcclassify.bundle import ModelBundle
    from lcclassify.features import Receipt
    from lcclassify.summary import Summary


@dataclass(frozen=True, slots=True)
class Reporter:
    """Says on stderr, or as JSON on standard output, what a run is about to do and has done."""

    bundle: "ModelBundle"
    receipt: "Receipt"
    to: str  # without passwords
    light_curves: str | None  # in what unit they are and what becomes of it
    on_drift: Drift
    allow_unmatched: bool  # whether a joined table may have none of the objects
    guessed: bool  # the model
    dry_run: bool
    quiet: bool
    as_json: bool

    def tell(self, sentence: str) -> None:
        """Say it, unless asked to be quiet."""
        if not self.quiet:
            typer.echo(sentence, err=True)

    def tell_plan(self) -> None:
        """The model, what of its features was found, and what is about to be done."""
        receipt = self.receipt
        parts = [f"{len(receipt.used)} of {len(receipt.columns)} features found"]
        if not receipt.columns:
            parts = ["it looks at light curves alone"]
        if receipt.aliased:
            parts.append(f"{len(receipt.aliased)} under another name")
        if receipt.missing:
            parts.append(f"{len(receipt.missing)} filled as not computed")
        why = ", the most demanding model that fits the input" if self.guessed else ""
        label = f"{self.bundle.label} ({self.bundle.digest[:12]})"
        self.tell(f"model {label}{why}: {', '.join(parts)}")
        if self.light_curves is not None:
            self.tell(self.light_curves)
        if self.dry_run:
            self.tell(f"dry run: would write {self.to}")

    def require_observations(self, summary: "Summary", hint: str = "") -> None:
        """InputError if there are light curves of which nothing could be read."""
        from lcclassify.remarks import require_observations

        require_observations(summary.n_objects, summary.n_observed, summary.remarks, hint)

    def require_matches(self, summary: "Summary", hint: str = "") -> None:
        """InputError, with a hint on what is left, if a joined table has none of the objects."""
        from lcclassify.errors import InputError

        for name in () if self.allow_unmatched else summary.matching_nobody:
            ids = summary.examples[name]
            theirs = "and it has no rows" if ids.table is None else f"there like {ids.table!r}"
            raise InputError(
                f"--join {name} has none of the {summary.n_objects:,} objects: ids here are like "
                f"{ids.input!r}, {theirs}; name the input's column of these ids by --id, or go on "
                f"without the table's values by --allow-unmatched{hint}"
            )

    def find_drift(self, summary: "Summary", hint: str = "") -> list[str]:
        """Sentences on how the input is unlike the training data.

        DriftError, with a hint on what is left, if that is to fail.
        """
        from lcclassify.drift import find_drift, some_sentences
        from lcclassify.errors import DriftError

        if self.on_drift is Drift.ignore:
            return []
        findings = find_drift(summary.tally(self.bundle), self.receipt.missing, summary.remarks)
        drift = some_sentences([finding.sentence for finding in findings])
        if drift and self.on_drift is Drift.fail:
            raise DriftError("; ".join(drift) + hint)
        return drift

    def tell_end(
        self, summary: "Summary", drift: Sequence[str], n_files: int | None = None
    ) -> None:
        """The counts of a run, and what is odd about its input."""
        from lcclassify.remarks import Kind, sentences

        if self.as_json:
            self._emit(summary, drift)
        elif not self.quiet:
            print_counts(summary)
            twice = f", {summary.n_repeated:,} of them with a repeated id"
            where = "standard output" if self.to == "-" else self.to
            files = "" if n_files is None else f", {count_files(n_files)}"
            self.tell(
                f"{summary.n_objects:,} objects{twice if summary.n_repeated else ''} -> "
                f"{where}{files}"
            )
        told_as_drift = {Kind.OTHER_SURVEY} if drift else set()
        for sentence in sentences(summary.remarks, but=told_as_drift):
            self.tell(sentence)
        for name, count in summary.unmatched.items():
            self.tell(f"{count:,} objects are not in {name}")
        for sentence in drift:
            self.tell(f"drift: {sentence}")
        for reason, count in summary.left_out.most_common():
            self.tell(f"no record for {count:,} objects: {reason}")

    def _emit(self, summary: "Summary", drift: Sequence[str]) -> None:
        import json

        from lcclassify import __version__

        about = {
            "model": self.bundle.name,
            "model_version": self.bundle.version,
            "model_digest": self.bundle.digest,
            "lcclassify_version": __version__,
            "output": self.to,
        }
        counts = summary.as_dict() | {"drift": list(drift)}
        emit(json.dumps(about | counts, ensure_ascii=False))


def count_files(n_files: int) -> str:
    """A number of files in words."""
    return f"{n_files:,} file{'' if n_files == 1 else 's'}"


def print_counts(summary: "Summary") -> None:
    """Tables of the classes and statuses, on stderr."""
    from rich.console import Console
    from rich.table import Table

    from lcclassify.summary import most_common

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
