"""What is asked of a run, in plain values, and the one place where it is opened.

A task names everything that decides an answer but the files to read. It can be pickled and written
as JSON: a single run opens it once, and each shard of a large job wherever that is classified.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lcclassify.bundle import ModelBundle, open_bundle
from lcclassify.errors import InputError, ModelError, os_reason
from lcclassify.features import Receipt, match_features
from lcclassify.pipeline import run
from lcclassify.predictors import Predictor, load_predictor
from lcclassify.schemas import OutputSchema, open_output
from lcclassify.schemas.avro import AvroOutput, OutputOptions
from lcclassify.schemas.flat import flat_schema
from lcclassify.sinks import Sink
from lcclassify.sources import Source
from lcclassify.sources.file import FileSet, FileSource, open_files
from lcclassify.sources.join import JoinedSource, JoinTable
from lcclassify.sources.names import check_names, read_names
from lcclassify.sources.places import Place
from lcclassify.summary import Summary

FileStamp = tuple[str, int, int]  # path, size in bytes, time of last change in ns


@dataclass(frozen=True, slots=True)
class Output:
    """How answers are written down."""

    schema: str | None = None  # the name of a published one; None: a flat table
    tidy: bool = False  # these three: of a flat table
    top: int | None = None
    hierarchy: bool = False
    classifier_name: str | None = None  # these: of a published schema
    classifier_version: str | None = None
    broker_name: str = "ALeRCE"
    scribe_ids: str | None = None
    survey: str = "ztf"
    sid: int | None = None

    def open(self, bundle: ModelBundle) -> OutputSchema:
        """The schema. InputError if the model or the options do not fit it."""
        if self.schema is None:
            return flat_schema(tidy=self.tidy, top=self.top, hierarchy=self.hierarchy)
        options = OutputOptions(
            bundle=bundle,
            classifier_name=self.classifier_name,
            classifier_version=self.classifier_version,
            broker_name=self.broker_name,
            scribe_ids=None if self.scribe_ids is None else Path(self.scribe_ids),
            survey=self.survey,
            sid=self.sid,
        )
        return open_output(self.schema, options)


@dataclass(frozen=True, slots=True)
class Task:
    """All that is asked of the objects of some files."""

    id_name: str
    names: Mapping[str, str]  # what to call columns: name -> column in the files
    columns: tuple[str, ...]  # what is read of each file
    context: tuple[str, ...]  # what the output schema asks for besides
    join: str | None  # another table
    join_stamps: tuple[FileStamp, ...]  # as it is now
    join_columns: tuple[str, ...]  # what is read of it
    model: str  # path of the bundle
    model_digest: str
    output: Output
    min_coverage: float
    batch_size: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Task":
        """A task that was written as JSON, which knows no tuples. TypeError or ValueError"""
        tuples = {
            "columns": tuple(values["columns"]),
            "context": tuple(values["context"]),
            "join_columns": tuple(values["join_columns"]),
            "join_stamps": tuple((path, size, ns) for path, size, ns in values["join_stamps"]),
        }
        return cls(**{**values, **tuples, "output": Output(**values["output"])})


@dataclass(frozen=True, slots=True)
class Table:
    """What a task reads: some files and, if there is one, the table that is joined to them."""

    files: FileSet
    join: str | None
    joined: FileSet | None
    names: Mapping[str, str]  # what columns of both were called

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column."""
        added = self.joined.columns if self.joined else {}
        return tuple(self.files.columns | added)


def open_table(
    inputs: Sequence[str], id_name: str | None, join: str | None, columns: Path | None
) -> Table:
    """Look at the files of both, and at the one that names their columns.

    InputError if there is none, or if one is unreadable.
    """
    names = {} if columns is None else read_names(columns)
    files = open_files(inputs, id_name, names=names)
    joined = None if join is None else open_files([join], names=names)
    if columns is not None:
        renamed = files.renamed | (joined.renamed if joined else frozenset())
        check_names(columns, names, renamed)
    return Table(files, join, joined, names)


def plan_task(
    table: Table, bundle: ModelBundle, output: Output, *, min_coverage: float, batch_size: int
) -> tuple[Task, Receipt]:
    """What has to be read and done, and what of the model's features was found. InputError"""
    receipt = match_features(bundle.features, table.columns)
    receipt.require(min_coverage, bundle.label)
    own = table.files.columns
    columns = [name for name in receipt.used if name in own]
    schema = output.open(bundle)
    context: tuple[str, ...] = ()
    if isinstance(schema, AvroOutput):
        columns += schema.columns(list(own))
        context = (*schema.requires, *schema.context)
    task = Task(
        id_name=table.files.id_name,
        names=table.names,
        columns=tuple(dict.fromkeys(columns)),
        context=context,
        join=table.join,
        join_stamps=stamps(table.joined.places) if table.joined else (),
        join_columns=tuple(name for name in receipt.used if name not in own),
        model=str(bundle.path),
        model_digest=bundle.digest,
        output=output,
        min_coverage=min_coverage,
        batch_size=batch_size,
    )
    return task, receipt


def stamps(places: Sequence[Place]) -> tuple[FileStamp, ...]:
    """What tells a file from a changed one, of each on this machine. InputError if one is gone."""
    paths = [place.path for place in places if place.is_here]
    try:
        stats = [(path, os.stat(path)) for path in paths]
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {os_reason(error)}") from None
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that is ready to run."""

    source: Source
    predictor: Predictor
    schema: OutputSchema

    def run(self, sink: Sink, progress: Callable[[int], None] = lambda n_objects: None) -> Summary:
        """Classify everything into an open sink; what its parts counted too."""
        with self.source:
            summary = run(self.source, self.predictor, self.schema, [sink], progress)
        if isinstance(self.schema, AvroOutput):
            summary.left_out = self.schema.left_out
        if isinstance(self.source, JoinedSource):
            summary.n_unmatched = self.source.n_unmatched
        return summary


def open_task(
    task: Task, files: FileSet, joined: FileSet | None = None, *, threads: int = 1
) -> OpenTask:
    """Open model, schema and the table to join, if it is not at hand. InputError, ModelError"""
    bundle = open_bundle(Path(task.model))
    if bundle.digest != task.model_digest:
        raise ModelError(f"{task.model} is another model now: its digest is {bundle.digest}")
    source: Source = FileSource(files, task.columns, task.batch_size, task.context)
    if task.join is not None:
        source = JoinedSource(
            source,
            JoinTable(joined, task.join_columns)
            if joined
            else _join_table(
                task.join, task.join_stamps, task.join_columns, tuple(task.names.items())
            ),
        )
    predictor = load_predictor(bundle, min_coverage=task.min_coverage, threads=threads)
    return OpenTask(source, predictor, task.output.open(bundle))


@lru_cache(maxsize=1)  # a worker reads it once for all its shards
def _join_table(
    path: str,
    stamps: tuple[FileStamp, ...],
    columns: tuple[str, ...],
    names: tuple[tuple[str, str], ...],
) -> JoinTable:
    return JoinTable(open_files([path], names=dict(names)), columns)
