"""Large jobs: a folder of result shards that any number of workers fill, and that can be resumed.

The folder holds ``job.json`` (what is asked: inputs, model, options, shards), then per shard its
result and, written after it, its counts; and ``manifest.json`` when all shards are there. Every
file appears whole, by renaming. A shard's bytes depend on nothing but the job.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from lcclassify import __version__
from lcclassify.digest import file_digest
from lcclassify.errors import InputError, OutputError, WorkerError, os_reason
from lcclassify.sources.file import FileSet
from lcclassify.sources.parquet import row_groups

JOB, MANIFEST = "job.json", "manifest.json"
SUFFIX = ".parquet"
SHARD_ROWS = 250_000
SHARD_BYTES = 1 << 28  # of files that cannot be divided


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the input: some row groups of a Parquet file, or whole files of another kind."""

    name: str  # of the result, without suffix
    paths: tuple[str, ...]
    row_groups: tuple[int, ...] | None  # of the only path


@dataclass(frozen=True, slots=True)
class Job:
    """All that decides the result, in plain values: it goes to workers and into ``job.json``."""

    inputs: tuple[tuple[str, int, int], ...]  # path, size in bytes, time of last change in ns
    id_name: str
    columns: tuple[str, ...]  # what is read of each file
    model: str  # path of the bundle
    model_digest: str
    output: Mapping[str, Any]  # what flat_schema takes
    min_coverage: float
    batch_size: int
    shards: tuple[Shard, ...]
    names: Mapping[str, str]  # what to call columns of the files
    lcclassify_version: str = __version__

    def differences(self, other: "Job") -> Iterator[str]:
        """In words, what another job has otherwise. Where a model lies does not matter."""
        mine, its = plain(self), plain(other)
        for key in mine:
            if key not in ("model", "shards") and mine[key] != its[key]:
                yield f"{key} was {its[key]!r:.80} and is {mine[key]!r:.80}"


def plain(job: Job) -> dict[str, Any]:
    """A job as JSON has it: lists, not tuples."""
    return dict(json.loads(json.dumps(asdict(job))))


def read_job(folder: Path) -> Job | None:
    """The job that a folder was made for; None if it is not there or empty.

    OutputError if it holds something else.
    """
    try:
        text = (folder / JOB).read_text("utf-8")
    except FileNotFoundError:
        if folder.is_dir() and any(folder.iterdir()):
            raise OutputError(
                f"{folder} is not empty and holds no {JOB}: not one of ours"
            ) from None
        return None
    except OSError as error:
        raise OutputError(f"cannot read {folder / JOB}: {os_reason(error)}") from None
    try:
        values = json.loads(text)
        shards = tuple(
            Shard(s["name"], tuple(s["paths"]), s["row_groups"] and tuple(s["row_groups"]))
            for s in values.pop("shards")
        )
        inputs = tuple((path, size, time) for path, size, time in values.pop("inputs"))
        columns = tuple(values.pop("columns"))
        return Job(shards=shards, inputs=inputs, columns=columns, **values)
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{folder / JOB} is damaged: {error!r}; remove the folder") from None


def plan_shards(files: FileSet) -> tuple[Shard, ...]:
    """Divide Parquet files by row groups and put other files together. InputError for URLs.

    Files with a row per feature are all one shard: an object may have rows in each.
    """
    pieces: list[tuple[tuple[str, ...], tuple[int, ...] | None]] = []
    small: list[str] = []
    n_bytes = 0

    def together() -> None:
        if small:
            pieces.append((tuple(small), None))
            small.clear()

    for place in files.places:
        if not place.is_local or place.name != place.path:
            raise InputError(f"{place}: results go into a folder from local files only")
        if not files.is_long and (groups := row_groups(place, SHARD_ROWS)):
            together()
            n_bytes = 0
            pieces += [((place.path,), group) for group in groups]
            continue
        size = os.stat(place.path).st_size
        other = small and Path(small[-1]).suffix != place.suffix
        if not files.is_long and (other or n_bytes + size > SHARD_BYTES):
            together()
            n_bytes = 0
        small.append(place.path)
        n_bytes += size
    together()
    return tuple(Shard(f"part-{n:05d}", *piece) for n, piece in enumerate(pieces))


def fingerprint(paths: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """Path, size and time of last change of each file. InputError if one is not there."""
    try:
        stats = [(path, os.stat(path)) for path in paths]
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {os_reason(error)}") from None
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)


def prepare(job: Job, folder: Path) -> list[Shard]:
    """Make the folder, or find it as an interrupted run left it; the shards that are missing.

    OutputError if it was made for another input, model or option.
    """
    there = read_job(folder)
    if there is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / JOB, json.dumps(plain(job), indent=1))
        except OSError as error:
            raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    elif differences := list(job.differences(there)):
        raise OutputError(
            f"{folder} was made for another job: {'; '.join(differences)}. Choose another folder, "
            "or remove this one"
        )
    return [shard for shard in job.shards if not _counts_path(folder, shard).exists()]


def is_finished(folder: Path) -> bool:
    """Whether all of a job is there."""
    return (folder / MANIFEST).is_file()


def classify_shard(job: Job, shard: Shard, folder: str) -> dict[str, Any]:
    """Classify one shard into the folder; returns its counts. What workers and clusters call."""
    from lcclassify.bundle import open_bundle
    from lcclassify.errors import ModelError
    from lcclassify.pipeline import run
    from lcclassify.predictors import load_predictor
    from lcclassify.schemas.flat import flat_schema
    from lcclassify.sinks import open_sink
    from lcclassify.sources.file import FileSource, open_files

    bundle = open_bundle(Path(job.model))
    if bundle.digest != job.model_digest:
        raise ModelError(f"{job.model} is another model now: its digest is {bundle.digest}")
    predictor = load_predictor(bundle, min_coverage=job.min_coverage)
    files = open_files(shard.paths, job.id_name, shard.row_groups, job.names)
    source = FileSource(files, job.columns, job.batch_size)
    result = Path(folder) / f"{shard.name}{SUFFIX}"
    with source, open_sink(str(result), force=True) as sink:
        summary = run(source, predictor, flat_schema(**job.output), [sink])
    counts = {"file": result.name, "sha256": file_digest(result)} | summary.as_dict()
    try:
        write_whole(_counts_path(Path(folder), shard), json.dumps(counts))
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {os_reason(error)}") from None
    return counts


def work(
    job: Job,
    missing: Sequence[Shard],
    folder: Path,
    n_workers: int,
    progress: Callable[[int], None] = lambda n_objects: None,
) -> dict[str, Any]:
    """Classify the shards that ``prepare`` found missing and write the manifest; returns it."""
    to_do = set(missing)
    for shard in job.shards:
        if shard not in to_do:
            progress(_counts(folder, shard)["objects"])
    if n_workers == 1 or len(missing) <= 1:
        for shard in missing:
            progress(classify_shard(job, shard, str(folder))["objects"])
    else:
        _work_together(job, missing, folder, n_workers, progress)
    shards = [_counts(folder, shard) for shard in job.shards]
    manifest = {"job": plain(job), "objects": sum(s["objects"] for s in shards), "shards": shards}
    if not is_finished(folder):
        write_whole(folder / MANIFEST, json.dumps(manifest, indent=1))
    return manifest


def _work_together(
    job: Job,
    shards: Sequence[Shard],
    folder: Path,
    n_workers: int,
    progress: Callable[[int], None],
) -> None:
    """Spawned workers, with two shards each in hand; the first error ends the work."""
    queue = iter(shards)
    with ProcessPoolExecutor(min(n_workers, len(shards)), get_context("spawn")) as pool:
        pending: set[Future[dict[str, Any]]] = set()
        try:
            while True:
                for shard in queue:
                    pending.add(pool.submit(classify_shard, job, shard, str(folder)))
                    if len(pending) >= 2 * n_workers:
                        break
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    progress(future.result()["objects"])
        except BrokenProcessPool:
            raise WorkerError(
                "a worker was killed, perhaps for want of memory; what is finished is kept: run "
                "the same command again to go on, with fewer --workers if need be"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _counts_path(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.name}.json"


def _counts(folder: Path, shard: Shard) -> dict[str, Any]:
    return dict(json.loads(_counts_path(folder, shard).read_text("utf-8")))


def write_whole(path: Path, text: str) -> None:
    """Write a small file that is whole or not there."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
