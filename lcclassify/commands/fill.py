"""The two ways in which classify-file runs: into one result, or into a folder of them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lcclassify.commands.report import Reporter, count_files, progress_bar
from lcclassify.errors import OutputError

if TYPE_CHECKING:
    from lcclassify.table import Table
    from lcclassify.task import Task

KEPT = "; the files are kept, without a manifest: the same command with --on-drift warn adds it"


def fill_result(
    task: "Task", table: "Table", to: str, reporter: Reporter, *, force: bool, threads: int | None
) -> None:
    """Classify a table into a file, a database or standard output."""
    from lcclassify.sinks import open_sink
    from lcclassify.task import open_task

    n_objects = table.n_objects(task.light_curves is not None)
    sink = open_sink(to, force=force)
    _check_not_read(table, to)
    opened = open_task(task, table.files, threads=threads or _n_cores())
    reporter.tell_plan()
    if reporter.dry_run:
        return
    with progress_bar(n_objects, reporter.quiet) as progress, sink:
        summary = opened.run(sink, progress)
        drift = reporter.find_drift(summary)  # refused here, the result is not kept
    reporter.tell_end(summary, drift)


def _check_not_read(table: "Table", to: str) -> None:
    """OutputError if the result would replace what it is made from."""
    places = [*table.files.places, *(place for one in table.joined for place in one.files.places)]
    if os.path.isfile(to) and any(os.path.samefile(p.path, to) for p in places if p.is_here):
        raise OutputError(f"{to} is an input, which no result replaces; choose another name")


def fill_folder(
    task: "Task",
    table: "Table",
    folder: Path,
    suffix: str,
    reporter: Reporter,
    *,
    workers: int | None,
    threads: int | None,
) -> None:
    """Classify a table into a folder of shards, or what an interrupted run has left to do."""
    from lcclassify.job import (
        finish,
        is_finished,
        missing_shards,
        plan_job,
        prepare,
        summarize,
        work,
    )
    from lcclassify.task import open_task

    n_objects = table.n_objects(task.light_curves is not None)
    job = plan_job(task, table, suffix)
    open_task(task, table.files)  # what no shard could do is refused at once
    reporter.tell_plan()
    if reporter.dry_run:
        return
    prepare(job, folder)
    missing = missing_shards(job, folder)
    n_done, n_shards = len(job.shards) - len(missing), len(job.shards)
    if is_finished(folder):
        reporter.tell(f"{folder} is finished: {count_files(n_shards)}, nothing to do")
    else:
        if n_done:
            reporter.tell(f"going on: {n_done} of {count_files(n_shards)} are there")
        try:
            with progress_bar(n_objects, reporter.quiet) as progress:
                work(job, missing, folder, workers or _n_cores(), threads, progress)
        except BaseException:
            n_done = n_shards - len(missing_shards(job, folder))
            reporter.tell(f"{n_done} of {count_files(n_shards)} are done; the same command goes on")
            raise
    summary = summarize(job, folder)
    drift = reporter.find_drift(summary, KEPT)
    if not is_finished(folder):
        finish(job, folder, summary)
    reporter.tell_end(summary, drift, n_files=n_shards)


def _n_cores() -> int:
    """Cores that this process may use, where the system says; otherwise all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
