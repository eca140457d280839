"""Live figures on a terminal, below the lines of the log."""

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from lcclassify.drift import some_sentences
from lcclassify.stream.operation.logs import log_into
from lcclassify.stream.operation.tally import Shown, Tally

REFRESHES = 2  # a second
MOST_SENTENCES = 3  # about drift; the log has all of them, and a terminal not the height


@contextmanager
def displayed(tally: Tally, about: Mapping[str, str]) -> Iterator[None]:
    """Show figures on stderr, a terminal, for as long as the context lasts; the last ones stay."""
    console, log = Console(stderr=True), sys.stderr
    live = Live(
        # in the empty line there is room for the terminal's ^C, which would break the frame
        get_renderable=lambda: Group(panel(tally.shown(), about), ""),
        console=console,
        refresh_per_second=REFRESHES,
        redirect_stdout=False,
    )
    live.start(refresh=True)
    console.show_cursor()  # a process that is killed could not bring it back
    log_into(_Above(console))
    try:
        yield
    finally:
        log_into(log)
        with suppress(OSError):  # a terminal that was closed
            live.stop()


class _Above(io.StringIO):
    """Lines above the figures; the terminal breaks long ones, so that they can be copied."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """One line or several, whole."""
        self._console.print(Text(text.removesuffix("\n")), soft_wrap=True)
        return len(text)


def panel(shown: Shown, about: Mapping[str, str]) -> Panel:
    """Everything at a glance."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words, is_bad in _rows(shown):
        grid.add_row(label, Text(words, style="yellow" if is_bad else ""))
    model = f"{about.get('model')} {about.get('version')}"
    title = f"lcclassify {about['lcclassify']} · {model} · group {about['group']}"
    uptime = timedelta(seconds=int(shown.uptime_s))
    return Panel(grid, title=Text(title), subtitle=f"up {uptime}", title_align="left")


def _rows(shown: Shown) -> Iterator[tuple[str, str, bool]]:
    """Label, words, and whether they are bad news."""
    counts, unknown = shown.counts, "-"
    yield (
        "messages",
        f"{counts.n_messages:,}: answered {counts.n_answered:,}, dead {counts.n_dead:,}, "
        f"skipped {counts.n_skipped:,}; {counts.n_repeated:,} batches again",
        bool(counts.n_dead or counts.n_skipped),
    )
    yield "rate", f"{shown.rate:,.1f}/s now, {shown.mean_rate:,.1f}/s since the start", False
    if not shown.n_partitions:
        yield "lag", "no partitions", False
    else:
        lag = unknown if shown.lag is None else f"{shown.lag:,}"
        yield "lag", f"{lag} messages; partitions: {shown.n_partitions}", False
    delays = shown.delays_s
    words = f"half within {_time(delays[0])}, 99 % within {_time(delays[1])}" if delays else unknown
    yield "delay", words, False
    age = unknown if shown.age_s is None else f"{shown.n_last:,} messages, {_time(shown.age_s)} ago"
    yield "last batch", age, False
    stages = ", ".join(f"{name} {ms:.3f}" for name, ms in shown.stages.items())
    yield "ms/message", stages, False
    classes = ", ".join(f"{name} {share:.0%}" for name, share in shown.classes.items())
    yield "classes", classes or unknown, False
    if shown.drift is not None:
        sentences = some_sentences(shown.drift.sentences, MOST_SENTENCES)
        yield "drift", "; ".join(sentences) or "none", bool(sentences)
    if (shadow := shown.shadow) is not None:
        share = f"{shadow.n_agree / shadow.n_messages:.1%}" if shadow.n_messages else unknown
        yield (
            "shadow",
            f"{shadow.model}: agrees on {share} of {shadow.n_messages:,}, dropped "
            f"{shadow.n_dropped:,}, failed {shadow.n_failed:,}"
            + ("" if shadow.is_alive else "; it has ended"),
            not shadow.is_alive,
        )


def _time(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else str(timedelta(seconds=int(seconds)))
