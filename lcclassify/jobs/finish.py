"""The end of a job: all parts counted together, and the manifest."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from lcclassify.errors import InputError, OutputError, WorkerError, os_reason
from lcclassify.hats.write import write_catalogue
from lcclassify.jobs.job import MANIFEST, Job, is_finished
from lcclassify.jobs.parts import (
    missing_parts,
    read_ids,
    read_record,
    read_rounded_ids,
    remove_ids,
    remove_strays,
)
from lcclassify.remarks import Kind
from lcclassify.sinks.folders import write_whole
from lcclassify.sources.places import find_catalogue
from lcclassify.summary import Summary, count_repeated


def require_all(job: Job, folder: Path) -> None:
    """WorkerError, with the shards, if parts are missing or not what was written down."""
    missing = missing_parts(job, folder, range(len(job.shards)))
    if missing:
        some = "; ".join(f"{job.shards[n].file} (shard {n}: {job.shards[n]})" for n in missing[:3])
        more = f"; and {len(missing) - 3} more" if missing[3:] else ""
        raise WorkerError(
            f"{len(missing)} of {len(job.shards)} parts are not in {folder}: {some}{more}; the "
            "command that made the others makes them"
        )


def summarize(job: Job, folder: Path) -> Summary:
    """The counts of all parts together. OutputError for a record that is damaged."""
    numbers = range(len(job.shards))
    if is_finished(folder):
        n_repeated, n_colliding = _told_repeated(folder / MANIFEST)
    else:
        n_repeated, n_colliding = (
            count_repeated([read(folder, number) for number in numbers])
            for read in (read_ids, read_rounded_ids)
        )
    records = (read_record(folder, number) for number in numbers)
    return Summary.of(records, n_repeated, n_colliding, job.task.id_name)


def finish(job: Job, folder: Path, summary: Summary) -> None:
    """Say in the folder that all of a job is there. OutputError"""
    records = [read_record(folder, number) for number in range(len(job.shards))]
    shards = [{key: each[key] for key in ("file", "sha256", "objects")} for each in records]
    manifest = {"job": job.plain} | summary.as_dict() | {"shards": shards}
    try:
        if job.catalogue is not None:
            _make_catalogue(job.catalogue, folder, [each["rows"] for each in records])
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    remove_ids(folder)
    remove_strays(job, folder)


def _make_catalogue(source: str, folder: Path, rows: Sequence[int]) -> None:
    """Add to the parts, of so many rows each, what makes them a HATS catalogue."""
    catalogue = find_catalogue(source)
    if catalogue is None:
        raise InputError(f"{source} is no HATS catalogue any more")
    by_leaf = dict(zip(catalogue.leaves, rows, strict=True))
    schema = pq.read_schema(folder / catalogue.leaves[0].path())
    write_catalogue(folder, folder.resolve().name, catalogue, by_leaf, schema)


def _told_repeated(manifest: Path) -> tuple[int, int]:
    """How many ids are repeated, and how many rounded ones, which may be of several objects."""
    try:
        told = json.loads(manifest.read_text("utf-8"))
        colliding = told["remarks"].get(Kind.COLLIDING_ID.key, {})
        return int(told["repeated_ids"]), sum(map(int, colliding.values()))
    except OSError as error:
        raise OutputError(f"cannot read {manifest}: {os_reason(error)}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"{manifest} is damaged: {error!r}; remove the folder") from None
