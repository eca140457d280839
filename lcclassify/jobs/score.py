"""score_shard: the one function that does a part of a job, whoever calls it."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lcclassify.errors import InputError, LcclassifyError, WorkerError
from lcclassify.jobs.job import Job, open_job, packages
from lcclassify.jobs.parts import find_part, record_part
from lcclassify.predictors.kept import kept_bundle
from lcclassify.sinks import open_sink
from lcclassify.sinks.folders import as_output_error
from lcclassify.sources.file import open_files
from lcclassify.table import stamps
from lcclassify.task import open_task


@dataclass(frozen=True, slots=True)
class ShardDescriptor:
    """All that a worker is handed of a shard, small whatever the job is.

    Lists that can be long (files put together, columns, their map) are in the job of the folder,
    which each process reads once; its digest tells that it is the one that was meant.
    """

    folder: str  # of the job and its results
    job_digest: str  # of ``job.json``: options, inputs, column map
    number: int  # of the shard
    source: str  # what is read of which file, in words
    model: str  # path of the bundle
    model_digest: str
    packages: Mapping[str, str]  # name -> version
    threads: int = 1


class Outcome(NamedTuple):
    """What became of one shard: its record, or why there is none."""

    number: int
    record: Mapping[str, Any] | None
    error: str = ""
    is_input: bool = False  # to blame


def describe(job: Job, number: int, folder: Path, threads: int = 1) -> ShardDescriptor:
    """One shard of a job, to be handed to a worker."""
    return ShardDescriptor(
        folder=str(folder.resolve()),
        job_digest=job.digest,
        number=number,
        source=str(job.shards[number]),
        model=job.task.model,
        model_digest=job.task.model_digest,
        packages=dict(job.packages),
        threads=threads,
    )


def score_shard(descriptor: ShardDescriptor) -> dict[str, Any]:
    """Classify one shard; returns what it counts. The part is there whole or not at all.

    One that is there already, by whoever was handed it before, is not done again.
    The model is verified and mapped into memory once per process. InputError for files that cannot
    be read; ModelError for another model, WorkerError for other packages or another job, all before
    anything is written; OutputError.
    """
    job = check_worker(descriptor)
    shard, folder, task = job.shards[descriptor.number], Path(descriptor.folder), job.task
    if record := find_part(job, folder, descriptor.number):
        return record
    if changed := job.changed(shard, stamps(shard.paths)):
        raise InputError(f"{changed} was changed after the job was planned; choose another folder")
    row_groups = None if shard.row_groups is None else range(*shard.row_groups)
    files = open_files(shard.paths, task.id_name, row_groups, task.names)
    opened = open_task(task, files, threads=descriptor.threads)
    part = folder / shard.file
    with as_output_error(folder):
        part.parent.mkdir(parents=True, exist_ok=True)
    with open_sink(str(part), force=True) as sink:
        summary = opened.run(sink)
    return record_part(job, descriptor.number, folder, summary)


def check_worker(descriptor: ShardDescriptor) -> Job:
    """The job, if this process can work on it: it has its packages and sees its folder and model.

    WorkerError or ModelError, by name, if not.
    """
    here = packages(torch="torch" in descriptor.packages)
    for name, version in descriptor.packages.items():
        if here[name] != version:
            raise WorkerError(
                f"{name} is {here[name]} on {platform.node()}, and {version} where the job was "
                "planned; install the same version everywhere"
            )
    kept_bundle(descriptor.model, descriptor.model_digest)
    return open_job(descriptor.folder, descriptor.job_digest)


def attempt(descriptor: ShardDescriptor) -> Outcome:
    """Classify one shard; what only its own input is to blame for is told, not raised.

    ModelError, WorkerError and OutputError, which would meet every other shard too.
    """
    try:
        return Outcome(descriptor.number, score_shard(descriptor))
    except InputError as error:
        return Outcome(descriptor.number, None, str(error), is_input=True)
    except LcclassifyError:
        raise
    except Exception as error:  # nobody foresaw it: it costs this shard, and is told with it
        return Outcome(descriptor.number, None, f"{descriptor.source}: {error!r}")
