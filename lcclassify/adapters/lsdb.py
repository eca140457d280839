"""For LSDB: a function that classifies the partitions of a catalogue.

classify = PartitionClassifier("plasticc")
classes = lsdb.open_catalog("catalogue").map_partitions(classify)
classes.write_catalog("classes", catalog_name="classes", as_collection=False)

"""

from dataclasses import dataclass, field
from typing import Any

from lcclassify.adapters.core import classify_files
from lcclassify.errors import InputError
from lcclassify.predictors.kept import kept_predictor
from lcclassify.resolve import resolve_model
from lcclassify.schemas.flat import flat_schema
from lcclassify.sources.curve_forms import LightCurveOptions
from lcclassify.sources.file import in_memory
from lcclassify.tables import from_pandas


@dataclass(frozen=True, slots=True)
class PartitionClassifier:
    """Called with a frame of objects, it gives a frame of their classes, with the same index.

    What travels to the workers is where the model lies and its digest: it has to lie there on each
    of them, and a process loads it once. The options are those of ``classify-file``. ModelError if
    there is no such model.
    """

    model: str  # its name, NAME@VERSION or path; then the path of the bundle
    digest: str = field(init=False)
    positions: tuple[str, ...] = ("ra", "dec")  # columns to keep: LSDB wants the catalogue's own
    id_name: str | None = None
    top: int | None = None
    hierarchy: bool = False
    min_coverage: float = 1.0
    zero_point: float | None = None
    magnitudes: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        bundle = resolve_model(self.model)
        object.__setattr__(self, "model", str(bundle.path.resolve()))
        object.__setattr__(self, "digest", bundle.digest)

    def __call__(self, frame: Any) -> Any:
        """A nested frame of answers, row for row; of an empty frame too. InputError, ModelError"""
        from nested_pandas import from_pyarrow

        predictor = kept_predictor(
            self.model, self.digest, min_coverage=self.min_coverage, device=self.device
        )
        if missing := [name for name in self.positions if name not in frame.columns]:
            raise InputError(
                f"the catalogue has no column {missing[0]!r} of positions; name its own: "
                "positions=(RA, DEC)"
            )
        curves = predictor.bundle.needs_light_curves
        flat = frame if curves else frame.drop(columns=frame.nested_columns)  # copied for nothing
        files = in_memory(from_pandas(flat.reset_index(drop=True)), self.id_name)
        if curves and files.light_curves is not None and files.light_curves.kind == "rows":
            raise InputError(
                "the catalogue has a row per observation, and those of an object may lie in "
                "several partitions; nest them first"
            )
        schema = flat_schema(top=self.top, hierarchy=self.hierarchy)
        options = LightCurveOptions(self.zero_point, self.magnitudes)
        answers = from_pyarrow(classify_files(files, predictor, schema, options))
        answers.index = frame.index
        for name in self.positions:
            answers[name] = frame[name].array
        return answers
