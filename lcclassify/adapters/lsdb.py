"""For LSDB: a function that classifies the partitions of a catalogue.

classify = PartitionClassifier.of("plasticc")
classes = lsdb.open_catalog("catalogue").map_partitions(classify)
classes.write_catalog("classes", catalog_name="classes", as_collection=False)

"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Self, Unpack

from lcclassify.errors import InputError
from lcclassify.frames import from_pandas
from lcclassify.jobs.allocator import mend_allocator
from lcclassify.scorer import Options, TableScorer


@dataclass(frozen=True, slots=True)
class PartitionClassifier:
    """Called with a frame of objects, it gives a frame of their classes, with the same index.

    What travels to the workers is where the model lies and its digest: it has to lie there on each
    of them, and a process loads it once.
    """

    scorer: TableScorer
    positions: tuple[str, ...] = ("ra", "dec")  # columns to keep: LSDB wants the catalogue's own

    @classmethod
    def of(
        cls,
        model: str | PathLike[str],
        *,
        positions: Sequence[str] = ("ra", "dec"),
        columns: str | PathLike[str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """One of a model by name, NAME@VERSION or path. ModelError, InputError

        ``columns`` is a preset, or a file that says which column is what.
        """
        return cls(TableScorer.of(model, columns=columns, **options), tuple(positions))

    def __call__(self, frame: Any) -> Any:
        """A nested frame of answers, row for row; of an empty frame too. InputError, ModelError"""
        from nested_pandas import from_pyarrow

        mend_allocator()
        if missing := [name for name in self.positions if name not in frame.columns]:
            raise InputError(
                f"the catalogue has no column {missing[0]!r} of positions; name its own: "
                "positions=(RA, DEC)"
            )
        curves = self.scorer.bundle.needs_light_curves
        flat = frame if curves else frame.drop(columns=frame.nested_columns)  # copied for nothing
        files = self.scorer.files(from_pandas(flat.reset_index(drop=True)))
        if curves and files.light_curves is not None and files.light_curves.kind == "rows":
            raise InputError(
                "the catalogue has a row per observation, and those of an object may lie in "
                "several partitions; nest them first"
            )
        answers = from_pyarrow(self.scorer.classify(files))
        answers.index = frame.index
        for name in self.positions:
            answers[name] = frame[name].array
        return answers
