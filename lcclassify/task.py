"""What is asked of a run, in plain values, and the one place where it is opened.

A task names everything that decides an answer but the files to read. It can be pickled and written
as JSON: a single run opens it once, and each shard of a large job wherever that is classified.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lcclassify.batch import SURVEY
from lcclassify.bundle import ModelBundle
from lcclassify.features import Receipt, match_features
from lcclassify.pipeline import run
from lcclassify.predictors import Predictor
from lcclassify.predictors.coverage import ObjectCoverage
from lcclassify.predictors.kept import kept_predictor
from lcclassify.schemas import OutputSchema, open_output
from lcclassify.schemas.avro import AvroOutput, OutputOptions
from lcclassify.schemas.flat import flat_schema
from lcclassify.sinks import LeavesOut, Sink
from lcclassify.sources import Source
from lcclassify.sources.curve_forms import LightCurveOptions, settle, struct_fields
from lcclassify.sources.file import FileSet, FileSource
from lcclassify.sources.join import JoinedSource
from lcclassify.sources.names import Names
from lcclassify.summary import Examples, Summary
from lcclassify.table import Join, Table


@dataclass(frozen=True, slots=True)
class Output:
    """How answers are written down."""

    schema: str | None = None  # the name of a published one; None: a flat table
    tidy: bool = False  # these three: of a flat table
    top: int | None = None
    hierarchy: bool = False
    kept: tuple[str, ...] = ()  # columns of the input that a flat table has as well
    classifier_name: str | None = None  # these: of a published schema
    classifier_version: str | None = None
    broker_name: str = "ALeRCE"
    scribe_ids: str | None = None
    survey: str | None = None  # None: ztf
    sid: int | None = None

    @property
    def is_published(self) -> bool:
        """Whether it is one of the published schemas."""
        return self.schema is not None

    def open(self, bundle: ModelBundle) -> OutputSchema:
        """The schema. InputError if the model or the options do not fit it."""
        if self.schema is None:
            return flat_schema(
                tidy=self.tidy, top=self.top, hierarchy=self.hierarchy, kept=self.kept
            )
        options = OutputOptions(
            bundle=bundle,
            classifier_name=self.classifier_name,
            classifier_version=self.classifier_version,
            broker_name=self.broker_name,
            scribe_ids=None if self.scribe_ids is None else Path(self.scribe_ids),
            survey=self.survey or "ztf",
            sid=self.sid,
        )
        return open_output(self.schema, options)


@dataclass(frozen=True, slots=True)
class Task:
    """All that is asked of the objects of some files."""

    id_name: str
    names: Names  # what to call columns, and where light curves lie
    columns: tuple[str, ...]  # what is read of each file
    context: tuple[str, ...]  # what the output schema asks for besides
    joins: tuple[Join, ...]
    light_curves: LightCurveOptions | None  # None: the model looks at features alone
    model: str  # path of the bundle
    model_digest: str
    output: Output
    device: str  # where a transformer runs: auto, cpu or cuda
    min_coverage: float
    min_object_coverage: float  # these two: of ``ObjectCoverage``
    reference_nulls: bool
    batch_size: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Task":
        """A task that was written as JSON, which knows no tuples. TypeError or ValueError"""
        tuples = {
            "columns": tuple(values["columns"]),
            "context": tuple(values["context"]),
            "joins": tuple(map(Join.of, values["joins"])),
        }
        curves = values["light_curves"]
        options = {
            "names": Names.of(values["names"]),
            "light_curves": None if curves is None else LightCurveOptions(**curves),
            "output": Output(**{**values["output"], "kept": tuple(values["output"]["kept"])}),
        }
        return cls(**{**values, **tuples, **options})

    def absolute(self) -> "Task":
        """The same, wherever a process stands that opens it."""
        output = self.output
        if output.scribe_ids is not None:
            output = replace(output, scribe_ids=os.path.abspath(output.scribe_ids))
        joins = tuple(join.absolute() for join in self.joins)
        return replace(self, model=os.path.abspath(self.model), joins=joins, output=output)


def plan_task(
    table: Table,
    bundle: ModelBundle,
    output: Output,
    light_curves: LightCurveOptions,
    *,
    device: str = "auto",
    min_coverage: float,
    min_object_coverage: float = 0.0,
    reference_nulls: bool | None = None,
    batch_size: int,
) -> tuple[Task, Receipt]:
    """What has to be read and done, and what of the model's features was found. InputError

    ``light_curves`` is for models that look at them; others refuse it. ``reference_nulls`` is, if
    nothing is said of it, as a published schema has it and a flat table has not.
    """
    light_curves.require_use(bundle.needs_light_curves, bundle.label)
    receipt = match_features(bundle.features, list(table.columns))
    receipt.require(min_coverage, bundle.label)
    own = table.files.columns
    wanted = list(receipt.used)
    schema = output.open(bundle)
    context: tuple[str, ...] = ()
    if isinstance(schema, AvroOutput):
        wanted += schema.columns(list(table.columns))
        context = (*schema.requires, *schema.context)
    task = Task(
        id_name=table.files.id_name,
        names=table.files.names,
        columns=tuple(dict.fromkeys(name for name in wanted if name in own)),
        context=context,
        joins=table.joins(list(dict.fromkeys(wanted))),
        light_curves=light_curves if bundle.needs_light_curves else None,
        model=str(bundle.path),
        model_digest=bundle.digest,
        output=output,
        device=device,
        min_coverage=min_coverage,
        min_object_coverage=min_object_coverage,
        reference_nulls=output.is_published if reference_nulls is None else reference_nulls,
        batch_size=batch_size,
    )
    return task, receipt


def flux_note(task: Task, table: Table, bundle: ModelBundle) -> str | None:
    """What becomes of the light curves that a task reads; None if it reads none.

    InputError if there are none, or if their unit is not known.
    """
    if task.light_curves is None:
        return None
    path = table.files.parts[0].path
    form = settle(path, table.files.light_curves, task.light_curves)
    own, wanted = form.zero_point, bundle.manifest["light_curve"]["zero_point"]
    becomes = ", as the model's" if own == wanted else f" are scaled to the model's {wanted:g}"
    notes = [f"light curves: fluxes of zero point {own:g}{becomes}", form.describe_filter()]
    fields = (struct_fields(table.files.columns[name]) for name in form.structs)
    flags = [field for names in fields for field in names if "flag" in field]
    if flags and not form.is_declared:
        notes.append(f"no flag is looked at ({flags[0]}): --columns says which")
    bands = f"bands: letters are taken for those of {SURVEY}, as the model's"
    return "\n".join(["; ".join(note for note in notes if note), bands])


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
            summary.left_out.update(self.schema.left_out)
        if isinstance(sink, LeavesOut):
            summary.left_out.update(sink.left_out)
        source = self.source
        while isinstance(source, JoinedSource):
            examples = Examples(source.example, source.table.example)
            summary.add_join(source.table.name, source.n_unmatched, examples)
            source = source.source
        return summary


def open_task(task: Task, files: FileSet, *, threads: int = 1) -> OpenTask:
    """Open model, schema and the tables to join. InputError, ModelError"""
    predictor = kept_predictor(
        task.model,
        task.model_digest,
        min_coverage=task.min_coverage,
        objects=ObjectCoverage(task.min_object_coverage, task.reference_nulls),
        threads=threads,
        device=task.device,
    )
    source: Source = FileSource(
        files, task.columns, task.batch_size, task.context, task.light_curves, task.output.kept
    )
    for join in task.joins:
        source = JoinedSource(source, join.open())
    return OpenTask(source, predictor, task.output.open(predictor.bundle))
