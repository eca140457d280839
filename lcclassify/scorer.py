"""TableScorer: Arrow tables in, answers out, in whichever process a framework calls it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Self, TypedDict, Unpack

import numpy as np
import pyarrow as pa

from lcclassify.bundle import ModelBundle
from lcclassify.errors import InputError
from lcclassify.features import match_features
from lcclassify.prediction import Prediction
from lcclassify.predictors.coverage import ObjectCoverage
from lcclassify.predictors.kept import kept_bundle, kept_predictor
from lcclassify.resolve import resolve_model
from lcclassify.schemas.flat import flat_schema
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import FileSet, FileSource, in_memory
from lcclassify.sources.light_curves import nested_columns
from lcclassify.sources.names import Names, read_names
from lcclassify.sources.parquet import TablePart


class Reading(TypedDict, total=False):
    """How rows are read and answered; these are options of ``classify-file``."""

    min_coverage: float
    min_object_coverage: float
    reference_nulls: bool
    zero_point: float | None
    magnitudes: bool
    device: str


class Options(Reading, total=False):
    """And how answers are written down."""

    id_name: str | None
    tidy: bool
    top: int | None
    hierarchy: bool


@dataclass(frozen=True, slots=True)
class TableScorer:
    """Classifies Arrow tables by one model, each row of which is an object.

    It can be pickled, and what travels is the model's path and digest. A process loads the model at
    its first table and keeps it; the path has to lead to it on every machine.
    """

    model: str  # path of the bundle
    model_digest: str
    id_name: str | None = None  # None: the first of the usual names that is there
    names: Names = field(default_factory=Names)  # what columns are called, where light curves lie
    tidy: bool = False
    top: int | None = None
    hierarchy: bool = False
    min_coverage: float = 1.0
    min_object_coverage: float = 0.0
    reference_nulls: bool = False
    zero_point: float | None = None
    magnitudes: bool = False
    device: str = "auto"

    @classmethod
    def of(
        cls,
        model: str | PathLike[str] | ModelBundle,
        *,
        columns: str | PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """One of a model by name, NAME@VERSION or path. ModelError, InputError

        ``columns`` is a preset, or a file that says which column is what.
        """
        bundle = model if isinstance(model, ModelBundle) else resolve_model(fspath(model))
        names = Names() if columns is None else read_names(Path(columns))
        scorer = cls(str(bundle.path), bundle.digest, names=names, **options)
        scorer._light_curves(bundle)
        scorer._objects()
        flat_schema(tidy=scorer.tidy, top=scorer.top, hierarchy=scorer.hierarchy)
        return scorer

    @property
    def bundle(self) -> ModelBundle:
        """The model, which is not loaded for that. ModelError"""
        return kept_bundle(self.model, self.model_digest)

    def __call__(self, table: pa.Table | pa.RecordBatch) -> pa.Table:
        """The answers, of the columns that ``classify-file`` writes. InputError, ModelError

        Of observations in rows of their own, all those of an object have to be in the table.
        """
        return self.classify(self.files(table))

    def classify(self, files: FileSet) -> pa.Table:
        """Likewise, from a table that was looked at already."""
        return pa.concat_tables(self.answers(each) for each in self.predictions(files))

    def predictions(self, files: FileSet) -> Iterator[Prediction]:
        """What the model says about all rows, batch by batch."""
        predictor = kept_predictor(
            self.model,
            self.model_digest,
            min_coverage=self.min_coverage,
            objects=self._objects(),
            device=self.device,
        )
        return map(predictor.predict, self._source(files, predictor.bundle))

    def answer_schema(self, columns: pa.Schema) -> pa.Schema:
        """The schema of the answers for tables of these columns; the model is not loaded.

        InputError if they lack what the model needs, or if each observation has a row of its own:
        a framework may put those of an object into several tables.
        """
        bundle, files = self.bundle, self.files(columns.empty_table())
        receipt = match_features(bundle.features, list(files.columns))
        receipt.require(self.min_coverage, bundle.label)
        form = files.light_curves
        if form is not None and self.groups_rows(files):
            raise InputError(
                f"the table has a row per observation ({form.mjd}, {form.band}, {form.flux}); "
                "gather those of each object into lists first"
            )
        (batch,) = self._source(files, bundle)
        nothing = np.empty((0, len(bundle.taxonomy.nodes)))
        schema: pa.Schema = self.answers(Prediction(batch, bundle, nothing, {})).schema
        return schema

    def groups_rows(self, files: FileSet) -> bool:
        """Whether an answer is about several rows: those of an object's observations."""
        form = files.light_curves
        return self.bundle.needs_light_curves and form is not None and form.kind == "rows"

    def needed(self, columns: pa.Schema) -> list[str]:
        """Those of a table's columns that are read, in their order."""
        bundle, files = self.bundle, self.files(columns.empty_table())
        names = [files.id_name, *match_features(bundle.features, list(files.columns)).used]
        if bundle.needs_light_curves and (form := files.light_curves):
            names += nested_columns(form)
        id_name, *own = [self.names.columns.get(name, name) for name in names]
        held = TablePart(columns.empty_table()).holders(id_name, own)
        return [name for name in columns.names if name in held]

    def files(self, table: pa.Table | pa.RecordBatch) -> FileSet:
        """A table that is looked at, under the names that its columns get. InputError"""
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table])
        return in_memory(table, self.id_name, self.names)

    def _source(self, files: FileSet, bundle: ModelBundle) -> FileSource:
        used = match_features(bundle.features, list(files.columns)).used
        return FileSource(files, used, light_curves=self._light_curves(bundle))

    def _objects(self) -> ObjectCoverage:
        return ObjectCoverage(self.min_object_coverage, self.reference_nulls)

    def _light_curves(self, bundle: ModelBundle) -> LightCurveOptions | None:
        options = LightCurveOptions(self.zero_point, self.magnitudes)
        options.require_use(bundle.needs_light_curves, bundle.label)
        return options if bundle.needs_light_curves else None

    def answers(self, prediction: Prediction) -> pa.Table:
        """What the model says about a batch, as it is written down."""
        return flat_schema(tidy=self.tidy, top=self.top, hierarchy=self.hierarchy)(prediction)
