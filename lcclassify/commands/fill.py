"""The two ways in which classify-file runs: into one result, or into a folder of them."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from typer import BadParameter

from lcclassify.commands.options import EngineName
from lcclassify.commands.report import Reporter, count_files, progress_bar
from lcclassify.errors import OutputError

if TYPE_CHECKING:
    from lcclassify.jobs.job import Job
    from lcclassify.jobs.run import Engine, Share
    from lcclassify.table import Table
    from lcclassify.task import Task

UNREADABLE = "; the files are kept, without a manifest: choose another folder then"
UNMATCHED = ": the files are kept, without a manifest, and the same command adds it then"
KEPT = "; the files are kept, without a manifest: the same command with --on-drift warn adds it"


@dataclass(frozen=True, slots=True)
class Crew:
    """Who fills a folder: an engine, for all shards or for a share of them."""

    engine: "Engine"
    share: "Share"
    n_workers: int
    threads: int | None  # of a shard; None: more than one if there are more workers than shards


def open_crew(
    engine: EngineName,
    scheduler: str | None,
    shard: str | None,
    *,
    workers: int | None,
    threads: int | None,
) -> Crew:
    """Who is to fill a folder, as the options say.

    BadParameter for what is no share, SettingsError if Dask is not installed.
    """
    from lcclassify.jobs.run import Share

    try:
        share = Share.of(shard) if shard else Share()
    except ValueError:
        raise BadParameter(
            f"--shard {shard}: expected I/N, with I from 0 to N-1: 0/16 for the first of 16"
        ) from None
    n_workers = workers or n_cores()
    if engine is EngineName.dask:
        from lcclassify.jobs.dask_engine import require_dask, run_dask

        require_dask()
        run: Engine = partial(run_dask, scheduler=scheduler, n_workers=n_workers)
        return Crew(run, share, n_workers, threads or 1)
    from lcclassify.jobs.processes import run_processes

    return Crew(partial(run_processes, n_workers=n_workers), share, n_workers, threads)


def fill_result(
    task: "Task", table: "Table", to: str, reporter: Reporter, *, force: bool, threads: int | None
) -> None:
    """Classify a table into a file, a database or standard output."""
    from lcclassify.sinks import open_sink
    from lcclassify.task import open_task

    n_objects = table.n_objects(task.light_curves is not None)
    sink = open_sink(to, force=force)
    _check_not_read(table, to)
    opened = open_task(task, table.files, threads=threads or n_cores())
    reporter.tell_plan()
    if reporter.dry_run:
        return
    with progress_bar(n_objects, reporter.quiet) as progress, sink:
        summary = opened.run(sink, progress)
        reporter.require_observations(summary)  # refused here, or by the next, it is not kept
        reporter.require_matches(summary)
        drift = reporter.find_drift(summary)
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
    kind: str,
    reporter: Reporter,
    crew: Crew,
    catalogue: str | None,
) -> None:
    """Classify a table into a folder of parts, or what an interrupted run has left to do.

    ``catalogue`` is the folder of the HATS catalogue that the parts are made like.
    """
    from lcclassify.jobs.job import is_finished, prepare
    from lcclassify.jobs.parts import count_recorded, missing_parts
    from lcclassify.jobs.plan import plan_job
    from lcclassify.jobs.run import work
    from lcclassify.task import open_task

    n_objects = table.n_objects(task.light_curves is not None)
    job = plan_job(task, table, kind, catalogue)
    open_task(task, table.files)  # what no shard could do is refused at once
    reporter.tell_plan()
    if reporter.dry_run:
        return
    prepare(job, folder)
    n_shards = len(job.shards)
    if is_finished(folder):
        reporter.tell(f"{folder} is finished: {count_files(n_shards)}, nothing to do")
        tell_all(job, folder, reporter)
        return
    share = crew.share
    numbers = share.numbers(job)
    missing = missing_parts(job, folder, numbers)
    whose = "" if share.is_all else f" of share {share}"
    if n_done := len(numbers) - len(missing):
        reporter.tell(f"going on: {n_done} of {count_files(len(numbers))}{whose} are there")
    threads = crew.threads or max(1, crew.n_workers // max(1, len(missing)))
    total = n_objects if share.is_all else None
    try:
        with progress_bar(total, reporter.quiet) as progress:
            work(job, folder, share, missing, crew.engine, threads, progress)
    except BaseException:
        n_done = count_recorded(folder, numbers)
        reporter.tell(
            f"{n_done} of {count_files(len(numbers))}{whose} are done; the same command goes on"
        )
        raise
    if share.is_all:
        tell_all(job, folder, reporter)
    else:
        reporter.tell(
            f"share {share} is done: {len(numbers)} of {count_files(n_shards)}; when all shares "
            f"are: lcclassify finish {folder}/"
        )


def tell_all(job: "Job", folder: Path, reporter: Reporter) -> None:
    """The counts of a job whose parts are all there; its manifest, unless something forbids it."""
    from lcclassify.jobs.finish import finish, summarize
    from lcclassify.jobs.job import is_finished

    summary = summarize(job, folder)
    reporter.require_observations(summary, UNREADABLE)
    reporter.require_matches(summary, UNMATCHED)
    drift = reporter.find_drift(summary, KEPT)
    if not is_finished(folder):
        finish(job, folder, summary)
    reporter.tell_end(summary, drift, n_files=len(job.shards))


def n_cores() -> int:
    """Cores that this process may use, where the system says; otherwise all of them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
